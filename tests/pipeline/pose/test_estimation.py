"""From a video to landmarks, with an estimator that sees what a test wants it to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mediapipe import Image, ImageFormat
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits
from video_files import Picture, arrow, index_of, rotate, write_video

from pipeline.config import PoseConfig
from pipeline.errors import VideoDamaged
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.pose.estimation import estimate
from pipeline.records import Landmarks, Pose


class FakeEstimator:
    """Sees all landmarks at one place of the picture, or nobody in grey pictures whose number is in `blind`."""

    def __init__(self, x: float = 0.25, y: float = 0.5, blind: frozenset[int] = frozenset()) -> None:
        self.place = (x, y, 0.1, 0.9)
        self.blind = blind
        self.pictures: list[NDArray[np.uint8]] = []
        self.resets: list[int] = []

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self.pictures.append(picture)
        if self.blind and index_of(picture) in self.blind:
            return None
        return Landmarks(np.tile(np.float32(self.place), (LANDMARK_COUNT, 1)), np.ones((LANDMARK_COUNT, 3), np.float32))

    def reset(self) -> None:
        self.resets.append(len(self.pictures))


class RedFinder(FakeEstimator):
    """Sees all landmarks in the middle of what is red."""

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        y, x = np.nonzero(picture[:, :, 0] > picture[:, :, 1].astype(int) + 50)
        self.place = (float(x.mean() + 0.5) / picture.shape[1], float(y.mean() + 0.5) / picture.shape[0], 0.0, 1.0)
        return super().landmarks(picture, time_s)


def pose_of(path: Path, estimator: FakeEstimator, per_second: float = 0.0, **other: int) -> Pose:
    return estimate(path, reading.probe(path), PoseConfig(poses_per_second=per_second, **other), estimator)


class BlasWatcher(FakeEstimator):
    """Notes how many threads BLAS may use while landmarks are taken."""

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self.threads = blas_threads()
        return super().landmarks(picture, time_s)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def room(index: int, width: int, height: int) -> Picture:
    """Another room from the fifteenth picture on."""
    picture = np.zeros((height, width, 3), np.uint8)
    if index < 15:
        picture[: height // 2] = (200, 30, 30)
    else:
        picture[:, : width // 2] = (30, 200, 240)
    return picture


def test_every_picture_has_a_pose(tmp_path: Path) -> None:
    assert len(pose_of(write_video(tmp_path / "v.mp4"), FakeEstimator()).time) == 30


def test_poses_are_sampled_by_time(tmp_path: Path) -> None:
    pose = pose_of(write_video(tmp_path / "v.mp4", count=60, fps=60), FakeEstimator(), per_second=10)
    assert pose.time == pytest.approx(np.arange(10) / 10, abs=0.01)


def test_places_are_pixels_of_the_whole_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=3, size=(320, 180))
    pose = pose_of(path, FakeEstimator(0.25, 0.5), max_side_px=64)
    assert (pose.width, pose.height) == (320, 180)
    assert pose.image[0, 0] == pytest.approx([80, 90])


def test_depth_is_in_the_scale_of_the_width(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=3, size=(320, 180))
    assert pose_of(path, FakeEstimator()).depth[0, 0] == pytest.approx(32)


@pytest.mark.parametrize(("degrees", "place"), [(90, (24, 16)), (180, (48, 24)), (270, (24, 48))])
def test_places_in_a_turned_video_are_those_of_the_picture_that_is_shown(
    tmp_path: Path, degrees: int, place: tuple[int, int]
) -> None:
    """Red is the left half of the stored picture: the top, the right, the bottom when it is shown."""
    path = rotate(write_video(tmp_path / "v.mp4", count=3, draw=arrow), degrees)
    assert pose_of(path, RedFinder()).image[0, 0] == pytest.approx(place, abs=1.5)


def test_pictures_without_a_person_are_missing(tmp_path: Path) -> None:
    pose = pose_of(write_video(tmp_path / "v.mp4", count=4), FakeEstimator(blind=frozenset({1, 2})))
    assert pose.detected.tolist() == [True, False, False, True]
    assert np.isnan(pose.world[1]).all()
    assert not pose.visibility[1].any()


def test_a_video_without_people_has_no_landmarks(tmp_path: Path) -> None:
    pose = pose_of(write_video(tmp_path / "v.mp4", count=4), FakeEstimator(blind=frozenset(range(4))))
    assert not pose.detected.any()


def test_a_cut_begins_a_shot_and_forgets_the_person(tmp_path: Path) -> None:
    estimator = FakeEstimator()
    pose = pose_of(write_video(tmp_path / "v.mp4", draw=room), estimator)
    assert pose.shot.tolist() == [0] * 15 + [1] * 15
    assert estimator.resets == [15]


def test_progress_comes_to_its_end(tmp_path: Path) -> None:
    shares: list[float] = []
    path = write_video(tmp_path / "v.mp4")
    estimate(path, reading.probe(path), PoseConfig(poses_per_second=0), FakeEstimator(), shares.append)
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1.0


def test_a_video_that_cannot_be_decoded_is_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=90, size=(320, 240), options={"movflags": "faststart"})
    info = reading.probe(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 8])
    with pytest.raises(VideoDamaged):
        estimate(path, info, PoseConfig(), FakeEstimator())


@pytest.mark.parametrize("size", [(360, 640), (540, 960), (1080, 1920)])
@pytest.mark.parametrize("max_side_px", [0, 640])
def test_pictures_are_contiguous_for_the_network(tmp_path: Path, size: tuple[int, int], max_side_px: int) -> None:
    """`mediapipe.Image`, which a .task model is given, refuses rows with padding."""

    class Picky(FakeEstimator):
        def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
            Image(image_format=ImageFormat.SRGB, data=picture)
            return super().landmarks(picture, time_s)

    path = write_video(tmp_path / "v.mp4", count=3, size=size)
    assert len(pose_of(path, Picky(), max_side_px=max_side_px).time) == 3


def test_sums_of_a_few_numbers_wake_no_other_threads(tmp_path: Path) -> None:
    """Else they would keep a core busy waiting. Afterwards they may again."""
    watcher = BlasWatcher()
    with threadpool_limits(limits=2, user_api="blas"):
        pose_of(write_video(tmp_path / "a.mp4", count=3), watcher)
        assert watcher.threads == {1}
        assert max(blas_threads()) == 2


def test_what_is_said_of_the_back_stands_in_its_sample(tmp_path: Path) -> None:
    class Telling(FakeEstimator):
        def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
            found = super().landmarks(picture, time_s)
            return None if found is None else found._replace(back_bow=time_s)

    pose = pose_of(write_video(tmp_path / "v.mp4", count=4), Telling(blind=frozenset({2})))
    expected = [*pose.time[:2], np.nan, pose.time[3]]
    np.testing.assert_array_equal(pose.back_bow, np.float32(expected))
