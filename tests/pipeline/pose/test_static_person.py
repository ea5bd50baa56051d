"""Looking past a person who does not move, to the one who lifts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from video_files import write_video

from pipeline import synthetic
from pipeline.config import PoseConfig
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.media.reading import SampledFrame, shrunk
from pipeline.pose.estimation import estimate, estimate_two
from pipeline.pose.static_person import bends, is_idle, travel_m, without
from pipeline.records import Landmarks, Pose

PLAN = synthetic.LiftPlan()
BODY = np.stack([np.linspace(0.0, 1.0, LANDMARK_COUNT), np.linspace(0.0, 1.0, LANDMARK_COUNT)], axis=1)
COUNT = 30


class Tallest:
    """Finds the tallest white box, as a person of two metres."""

    def __init__(self) -> None:
        self.calls = 0

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self.calls += 1
        count, _, boxes, _ = cv2.connectedComponentsWithStats((picture[:, :, 0] > 200).astype(np.uint8))
        if count < 2:
            return None
        left, top, width, height, _ = boxes[1:][np.argmax(boxes[1:, cv2.CC_STAT_HEIGHT])].tolist()
        normalized = np.zeros((LANDMARK_COUNT, 4), np.float32)
        normalized[:, :2] = (BODY * (width, height) + (left, top)) / picture.shape[1::-1]
        world = np.zeros((LANDMARK_COUNT, 3), np.float32)
        world[:, :2] = 2.0 * BODY * (0.4, 1.0)
        return Landmarks(normalized, world)

    def reset(self) -> None:
        pass


def lifting_beside(static_person: bool, index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A person who goes up and down by a quarter of the picture, and one who stands still and is taller."""
    picture = np.zeros((height, width, 3), np.uint8)
    top = round(height * (0.3 + 0.25 * np.sin(index / 3)))
    picture[max(0, top) : top + 80, 230:270] = 255
    if static_person:
        picture[20:220, 40:120] = 255
    return picture


def standing() -> Pose:
    return synthetic.pose_of(PLAN, np.arange(0.0, PLAN.stand_before_s, 0.05))


def test_a_lifter_travels_half_a_metre() -> None:
    assert 0.35 < travel_m(synthetic.pose_of(PLAN)) < 0.8


def test_a_lifter_is_not_idle() -> None:
    assert not is_idle(synthetic.pose_of(PLAN))


def test_someone_who_stands_is_idle() -> None:
    assert is_idle(standing())


def test_nobody_is_neither_idle_nor_bends() -> None:
    pose = standing()
    nobody = synthetic.drop_poses(pose, np.ones(len(pose.time), bool))
    assert not is_idle(nobody)
    assert not bends(nobody)


@pytest.mark.parametrize("side", [0, 160])
def test_the_person_is_covered_and_the_rest_is_not(side: int) -> None:
    pose = standing()
    sample = SampledFrame(0.0, partial(shrunk, np.full((pose.height, pose.width, 3), 255, np.uint8)))
    covered = next(without([sample], pose)).shrunk(side)
    x, y = np.clip(pose.image[0] * (covered.shape[1] / pose.width), 0, None).astype(int).T
    assert np.all(covered[y, x] == 128)
    assert covered[0, 0].tolist() == [255, 255, 255]


def found(tmp_path: Path, static_person: bool) -> tuple[Tallest, Pose]:
    path = write_video(
        tmp_path / "v.mp4", count=COUNT, fps=10, size=(320, 240), draw=partial(lifting_beside, static_person)
    )
    estimator = Tallest()
    return estimator, estimate(path, reading.probe(path), PoseConfig(), estimator)


def test_the_lifter_is_followed_and_not_the_taller_bystander(tmp_path: Path) -> None:
    assert np.nanmedian(found(tmp_path, static_person=True)[1].image[:, :, 0]) == pytest.approx(250, abs=5)


def two_who_lift(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Two people who go up and down in turn; the one on the right is taller."""
    picture = np.zeros((height, width, 3), np.uint8)
    for left, tall, phase in ((40, 110, 0.0), (230, 120, 1.5)):
        top = round(height * (0.22 + 0.2 * np.sin(index / 3 + phase)))
        picture[max(0, top) : top + tall, left : left + 60] = 255
    return picture


def test_somebody_else_who_lifts_as_well_is_found(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=2 * COUNT, fps=10, size=(320, 240), draw=two_who_lift)
    pose, other = estimate_two(path, reading.probe(path), PoseConfig(), Tallest())
    assert other is not None
    assert [float(np.nanmedian(one.image[:, :, 0])) for one in (pose, other)] == pytest.approx([260, 70], abs=8)


def test_a_lifter_alone_is_looked_at_once(tmp_path: Path) -> None:
    assert found(tmp_path, static_person=False)[0].calls == COUNT
