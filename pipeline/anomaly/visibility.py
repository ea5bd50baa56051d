"""Whether the joints that a judgement rests on were seen: an estimator also gives landmarks of what a plate hides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.pose.tracks import pixels_per_metre
from pipeline.records import Pose, Rep

Points = NDArray[np.float64]

TRUNK, LEGS = "the trunk is hidden", "the legs are hidden"
TOO_LITTLE, LOST = "the lifter is hardly seen", "the lifter is lost for a while"
TOO_SHORT = "it is too short"
_SEEN = 0.5
"""Mean visibility of the better seen side below which a part of the body counts as hidden."""
_SHORTEST_THIGH = 0.6
_FARTHEST_FEET_M = 0.15
# Both figures were found on one clip whose plate hides the legs in five repetitions (0.44 to 0.58; 0.32 m and more),
# beside the other repetitions of 28 clips (0.63 and more). Feet stand in a deadlift: within 0.04 m where they are seen
# well, but up to 0.48 m in other clips whose legs are roughly right, so that neither figure decides alone.
_SHARE = 90.0
_FEWEST = 3


def hidden(pose: Pose, rep: Rep) -> str:
    """Which part of the body is hidden or guessed during a repetition, as "the legs are hidden"; "" where none is.

    Legs are also hidden where the thighs are never long enough beside the trunk while the feet, which stand, wander:
    the estimator has put them somewhere else, and may be sure of it. Poses that are missing are another matter
    (coverage): those that there are count here, and of fewer than three nothing is said.
    """
    during = (pose.time >= rep.start_s) & (pose.time <= rep.end_s) & pose.detected
    if int(during.sum()) < _FEWEST:
        return ""
    if min(_visibility(pose, during, joint) for joint in ("shoulder", "hip")) < _SEEN:
        return TRUNK
    if min(_visibility(pose, during, joint) for joint in ("knee", "ankle")) < _SEEN:
        return LEGS
    points: Points = pose.image[during].astype(np.float64) / float(np.median(pixels_per_metre(pose)[during]))
    longest = np.percentile(_length(points, "hip", "knee"), _SHARE) / np.percentile(
        _length(points, "shoulder", "hip"), _SHARE
    )
    is_guessed = longest < _SHORTEST_THIGH and min(_wandering(points, side) for side in SIDES) > _FARTHEST_FEET_M
    return LEGS if is_guessed else ""


SIDES = ("left", "right")


def _visibility(pose: Pose, during: NDArray[np.bool_], joint: str) -> float:
    """Mean over the poses, of the better seen side in each."""
    return float(pose.visibility[during][:, [INDEX[f"{side}_{joint}"] for side in SIDES]].max(axis=1).mean())


def _length(points: Points, first: str, second: str) -> Points:
    """[T] metres in the picture from joint to joint, of the side that is less foreshortened."""
    lengths: Points = np.max(
        [
            np.linalg.norm(points[:, INDEX[f"{side}_{first}"]] - points[:, INDEX[f"{side}_{second}"]], axis=1)
            for side in SIDES
        ],
        axis=0,
    )
    return lengths


def _wandering(points: Points, side: str) -> float:
    """Metres within which an ankle is for four fifths of the poses."""
    low, high = np.percentile(points[:, INDEX[f"{side}_ankle"]], (100.0 - _SHARE, _SHARE), axis=0)
    return float(np.hypot(*(high - low)))
