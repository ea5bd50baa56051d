"""The pictures of poses: the right ones of a video whose pictures show their number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_rows import ROW
from video_files import index_of, write_video

from pipeline.datasets.pose_pictures import write_pictures
from pipeline.errors import VideoDamaged
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.records import Pose

RATE = 10
ROW_OF_A_SECOND = replace(ROW, start_s=0.4, end_s=1.4)


def pose_at(times: list[float]) -> Pose:
    shape = (len(times), LANDMARK_COUNT)
    return Pose(
        image=np.zeros((*shape, 2), np.float32),
        world=np.zeros((*shape, 3), np.float32),
        depth=np.zeros(shape, np.float32),
        visibility=np.ones(shape, np.float32),
        time=np.array(times),
        shot=np.zeros(len(times), np.int32),
        width=64,
        height=48,
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", fps=RATE)


def test_every_pose_has_the_picture_it_was_found_in(video: Path, tmp_path: Path) -> None:
    numbers = [3, 4, 6, 10, 13, 14]
    assert write_pictures(tmp_path, video, ROW_OF_A_SECOND, pose_at([n / RATE for n in numbers])) == 4
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [f"{ROW.rep}_{n * 100:08d}.jpg" for n in (4, 6, 10, 13)]
    pictures = [cv2.imread(str(path))[..., ::-1] for path in files]
    assert [index_of(picture) for picture in pictures] == [4, 6, 10, 13]


def test_a_time_between_two_pictures_has_the_one_that_is_shown(video: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path, video, ROW_OF_A_SECOND, pose_at([0.4, 0.55, 0.7]))
    (path,) = tmp_path.glob("*_00000550.jpg")
    assert index_of(cv2.imread(str(path))[..., ::-1]) == 5


def test_a_repetition_without_a_person_has_no_pictures(video: Path, tmp_path: Path) -> None:
    assert write_pictures(tmp_path, video, ROW_OF_A_SECOND, pose_at([0.1])) == 0


def test_a_video_that_ends_earlier_is_named(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoDamaged, match=r"a\.mp4"):
        write_pictures(tmp_path, video, replace(ROW, start_s=5.0, end_s=6.0), pose_at([5.0, 5.5]))
