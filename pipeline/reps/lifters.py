"""Who lifts where two people are in the picture, and what is said where both do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.config import SegmentConfig
from pipeline.pose.tracks import is_plausible
from pipeline.records import TWO_PEOPLE, Pose, Rep, Side, tiou
from pipeline.reps import find_reps

# A mirror shows the same lifts at the same times.
_SAME_MOMENT = 0.8


def lifter_of(pose: Pose, other: Pose | None, config: SegmentConfig = SegmentConfig()) -> Pose:  # noqa: B008  # frozen
    """The landmarks of the one who lifts, with a note where both do.

    pose: of the person who was found first. other: of somebody else in the same pictures, None for nobody.
    """
    if other is None or not (others := find_reps(other, config)):
        return pose
    mine = find_reps(pose, config)
    if not mine:
        return other
    return pose if _is_mirrored(mine, others) else replace(pose, second_lifter=_side(pose, other))


def warning_of(pose: Pose) -> str:
    """What is said of a video in which two people lift, "" of all others."""
    if not pose.second_lifter:
        return ""
    side = "right" if pose.second_lifter == "left" else "left"
    return f"{TWO_PEOPLE}: only the one on the {side} is counted"


def _is_mirrored(mine: Sequence[Rep], others: Sequence[Rep]) -> bool:
    return all(max(tiou(one, other) for one in mine) >= _SAME_MOMENT for other in others)


def _side(pose: Pose, other: Pose) -> Side:
    """On which side of the first person the other one is."""
    first, second = (float(np.median(one.image[is_plausible(one), :, 0])) for one in (pose, other))
    return "left" if second < first else "right"
