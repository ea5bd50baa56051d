"""Lifts of which a recording has one half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_lifts import video

from pipeline.config import SegmentConfig
from pipeline.landmarks import INDEX
from pipeline.records import NO_BEGINNING, NO_END, Pose
from pipeline.reps import segment
from pipeline.reps.half_seen import half_seen
from pipeline.reps.nothing import why_none

CONFIG = SegmentConfig()
SHOULDERS, WRISTS = ([INDEX[f"{side}_{joint}"] for side in ("left", "right")] for joint in ("shoulder", "wrist"))


def _cut(pose: Pose, begin_s: float, end_s: float) -> Pose:
    """What lies between two times of a recording."""
    kept = (pose.time >= begin_s) & (pose.time <= end_s)
    names = ("time", "image", "world", "depth", "visibility", "shot", "back_bow")
    return replace(pose, **{name: getattr(pose, name)[kept] for name in names})


def _halves() -> list[tuple[Pose, str]]:
    pose, (rep,) = video(1, 1)
    return [(_cut(pose, 0.0, rep.top_s + 0.2), NO_END), (_cut(pose, rep.top_s + 0.1, np.inf), NO_BEGINNING)]


@pytest.mark.parametrize("half", [0, 1])
def test_half_a_lift_is_called_one_and_is_doubtful(half: int) -> None:
    pose, words = _halves()[half]
    found = segment(pose, CONFIG)
    assert not found.reps
    assert why_none(pose, CONFIG) == words
    assert found.confidence < 0.3


def test_arms_that_come_up_with_the_shoulders_are_no_half_of_a_deadlift() -> None:
    """As in a squat with the hands at the shoulders."""
    pose, _ = _halves()[0]
    image = pose.image.copy()
    image[:, WRISTS] = image[:, SHOULDERS]
    squat = replace(pose, image=image)
    assert all(half.margin < 0 for half in half_seen(squat, CONFIG))
    assert why_none(squat, CONFIG) == "nobody lifts"
    assert segment(squat, CONFIG).confidence > 0.5
