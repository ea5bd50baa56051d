"""Two people who lift in one video: one is counted, and that is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from drawn_lifts import video

from pipeline.pose.npz import read_pose, write_pose
from pipeline.records import Pose
from pipeline.reps.lifters import lifter_of, warning_of

POSE, _ = video(1, 3)


def moved(pose: Pose, pixels: float = 0.0, seconds: float = 0.0) -> Pose:
    return replace(pose, image=pose.image + np.array([pixels, 0.0], np.float32), time=pose.time + seconds)


def test_somebody_else_who_lifts_is_told_with_the_side() -> None:
    assert lifter_of(POSE, moved(POSE, -200, 1.2)).second_lifter == "left"
    assert warning_of(lifter_of(POSE, moved(POSE, 200, 1.2))) == "two people lift: only the one on the left is counted"


def test_a_mirror_is_no_second_lifter() -> None:
    assert lifter_of(POSE, moved(POSE, 200)).second_lifter == ""


def test_somebody_else_who_only_stands_there_is_no_second_lifter() -> None:
    still = replace(POSE, image=np.broadcast_to(POSE.image[:1], POSE.image.shape).copy())
    assert warning_of(lifter_of(POSE, moved(still, 200))) == ""


def test_the_one_who_lifts_is_counted_where_the_first_does_not() -> None:
    still = replace(POSE, image=np.broadcast_to(POSE.image[:1], POSE.image.shape).copy())
    assert lifter_of(still, POSE) is POSE


def test_the_note_is_kept_with_the_landmarks(tmp_path: Path) -> None:
    write_pose(tmp_path / "a.npz", lifter_of(POSE, moved(POSE, 200, 1.2)))
    assert read_pose(tmp_path / "a.npz")[0].second_lifter == "right"
