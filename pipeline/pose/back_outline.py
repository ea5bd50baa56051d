"""How far the outline of the back bulges between hips and shoulders, by the mask of the person: is the back rounded?

Landmarks cannot tell: there is none between hips and shoulders. The landmark network also gives a mask of the person,
whose edge on the side of the back is the back itself. In a side view of somebody who is bent a sound back is straight
or hollow there, and a rounded one bulges. Where the view allows no statement, none is made.

The rules and their numbers are those of a study of 21 labelled clips (4 with rounded backs, of 3 lifters) and of drawn
lifters: `benchmarks/back_outline.py` prints what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.pose.joints import lean_of, middle_of
from pipeline.pose.tracks import is_plausible
from pipeline.records import Floats, Pose, Rep

_Doubles = NDArray[np.float64]

# Whoever leaned so much in a picture, and was seen so nearly from the side, may be seen well enough in the next one, up
# to a fifth of a second later: lifters bend by 20 degrees meanwhile, seldom by 30, and hardly turn.
_LOOK_FROM_DEG = 20.0
_LOOK_UP_TO = 0.8
# Of a trunk nearer to upright than this the back is no load's matter, and arms hang before its outline.
_LEAST_LEAN_DEG = 45.0
# Where the outline is looked for: from above the buttocks to below the neck, in shares of the way from hips to
# shoulders. Beyond, the outline is not that of the spine.
_PLACES = np.linspace(0.1, 0.95, 18)
_SPAN = float(_PLACES[-1] - _PLACES[0])
# How far out it is looked for and how finely, in trunk lengths: backs are .2 to .4 deep behind the line of the joints.
_STEP = 0.02
_REACH = np.arange(0.0, 0.9, _STEP)
# So near to the picture's edge, in trunk lengths, a mask ends before the body does.
_MARGIN = 0.05
# So near to it the joints are guesses, as part of the body beside them is cut off.
_JOINTS_MARGIN = 0.2
# What the values at the places are weighted by to give the quadratic coefficient of the parabola nearest to them.
_CURVATURE: _Doubles = np.polyfit(_PLACES, np.eye(len(_PLACES)), 2)[0]
# Of a smaller trunk a pixel of the mask is more than a third of a bow that is told from a straight back.
_LEAST_TRUNK_PX = 30.0
# An edge that takes longer, in trunk lengths, from a likely person to an unlikely one is a guess: dark clothes before
# a dark wall, or somebody behind.
_WIDEST_EDGE = 0.08
# The shoulders' width in the picture beside the trunk's length. Wider, the camera is more than about 45 degrees from
# the side, and the outline is that of the flank.
_WIDEST_SHOULDERS = 0.6
# Metres between hips and shoulders that the network gives for people; others are guesses.
_TRUNK_M = (0.3, 0.75)
# The back is looked at while the load is carried, and just before and after, where it lies in the hands at its lowest.
_BEFORE_S, _AFTER_S = 0.15, 0.1
# The median of two is the mean: one bad outline would decide.
_FEWEST = 3


@dataclass(frozen=True)
class Levels:
    """Values of a mask where a person is as likely as not (edge), likely (0.8) and unlikely (0.2); and beyond it."""

    edge: float
    likely: float
    unlikely: float
    outside: float


LOGITS = Levels(0.0, 1.386, -1.386, -9.0)
PROBABILITIES = Levels(0.5, 0.8, 0.2, 0.0)


def may_tell_next(points: NDArray[np.floating[Any]], world: Floats) -> bool:
    """Whether the picture after one with these landmarks may allow a statement, so that a mask is worth its cost.

    points [33, 2] in pixels, of any size and turned in any way; world [33, 3] in metres.
    """
    return _lean_deg(world) > _LOOK_FROM_DEG and _width_of(points.astype(np.float64)) <= _LOOK_UP_TO


def corners_of(width: int, height: int) -> _Doubles:
    """[4, 2] the corners of a picture of so many pixels, one after the other."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def bow_of(
    mask: Floats, points: NDArray[np.floating[Any]], world: Floats, levels: Levels, shown: NDArray[np.float64]
) -> float:
    """How far the back's outline bulges between hips and shoulders in one picture.

    Along the line from the middle of the hips to that of the shoulders the outline is looked for at right angles, on
    the side away from nose, knees and hands. The parabola a s^2 + b s + c that is nearest to it over the span w has the
    bow -a w^2 / 4: the height of its arc over its chord (its sagitta). Tilt and distance do not count.

    Args:
        mask: [H, W], where in a picture the person is.
        points: [33, 2] landmarks in pixels of the mask.
        world: [33, 3] landmarks in metres.
        levels: what the values of the mask mean.
        shown: [4, 2] the corners of the picture, one after the other, in pixels of the mask, which may show more or
            less than that: an outline that leaves the picture is not seen.

    Returns:
        The bow in lengths of the trunk: about 0 for a straight outline, above it where it bulges, below it where it is
        hollow; NaN where nothing can be said.
    """
    if _lean_deg(world) < _LEAST_LEAN_DEG or not _TRUNK_M[0] < _trunk_m(world) < _TRUNK_M[1]:
        return float("nan")
    at = points.astype(np.float64)
    hips, shoulders = middle_of(at, "hip"), middle_of(at, "shoulder")
    length = float(np.hypot(*(shoulders - hips)))
    if length < _LEAST_TRUNK_PX or _width_of(at) > _WIDEST_SHOULDERS:
        return float("nan")
    if not _within(np.stack([[hips, shoulders]]), shown, _JOINTS_MARGIN * length).all():
        return float("nan")
    places = hips + _places((shoulders - hips) / length, _front_of(at, hips)) * length
    values = _values_at(mask, places, levels.outside)
    values[~_within(places, shown, _MARGIN * length)] = np.inf  # whatever is there, it is no edge that was seen
    edge, likely, unlikely = (_crossing(values, level) for level in (levels.edge, levels.likely, levels.unlikely))
    if edge is None or likely is None or unlikely is None or float((unlikely - likely).mean()) > _WIDEST_EDGE:
        return float("nan")
    return float(-(_CURVATURE @ edge) * _SPAN**2 / 4)


def bows_of(pose: Pose, reps: Sequence[Rep]) -> tuple[float | None, ...]:
    """For each of N repetitions of a video how far the back bulges, in trunk lengths: the median over its pictures.

    None where fewer than three pictures allow a statement. Poses that are an estimator's guesses do not count.
    """
    can_tell = np.isfinite(pose.back_bow)
    if not can_tell.any():
        return (None,) * len(reps)
    can_tell &= is_plausible(pose)
    found: list[float | None] = []
    for rep in reps:
        during = can_tell & (pose.time >= rep.start_s - _BEFORE_S) & (pose.time <= rep.end_s + _AFTER_S)
        found.append(float(np.median(pose.back_bow[during])) if int(during.sum()) >= _FEWEST else None)
    return tuple(found)


def _lean_deg(world: Floats) -> float:
    """Between the trunk and the vertical; 0 is upright."""
    points = world.astype(np.float64)
    return float(lean_of(middle_of(points, "shoulder") - middle_of(points, "hip")))


def _width_of(at: _Doubles) -> float:
    """Of the shoulders in the picture, in lengths of the trunk there."""
    across = np.hypot(*(at[INDEX["left_shoulder"]] - at[INDEX["right_shoulder"]]))
    return float(across / max(np.hypot(*(middle_of(at, "shoulder") - middle_of(at, "hip"))), 1e-9))


def _trunk_m(world: Floats) -> float:
    points = world.astype(np.float64)
    return float(np.linalg.norm(middle_of(points, "shoulder") - middle_of(points, "hip")))


def _front_of(at: _Doubles, hips: _Doubles) -> _Doubles:
    """[3, 2] from the hips to what is before a bent trunk: nose, knees and hands."""
    front: _Doubles = np.stack([at[INDEX["nose"]], middle_of(at, "knee"), middle_of(at, "wrist")]) - hips
    return front


def _places(along: _Doubles, front: _Doubles) -> _Doubles:
    """[P, R, 2] from the hips, in trunk lengths: at places along the trunk, from its line out to the back."""
    back = np.array([-along[1], along[0]])
    if float(np.median(front @ back)) > 0:
        back = -back
    places: _Doubles = _PLACES[:, None, None] * along + _REACH[:, None] * back
    return places


def _values_at(mask: Floats, places: _Doubles, outside: float) -> NDArray[np.float32]:
    """[P, R] values of the mask at places [P, R, 2]."""
    x, y = places.astype(np.float32).transpose(2, 0, 1)
    values: NDArray[np.float32] = cv2.remap(
        mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,)
    ).astype(np.float32, copy=False)
    return values


def _within(places: _Doubles, corners: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """[P, R] which places [P, R, 2] lie inside a rectangle of these corners [4, 2], turned or not, by that margin."""
    inside = np.ones(places.shape[:2], bool)
    for corner, following in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        side = following - corner
        inward = np.array([-side[1], side[0]]) / np.hypot(*side)
        if inward @ (corners.mean(axis=0) - corner) < 0:
            inward = -inward
        inside &= (places - corner) @ inward >= margin
    return inside


def _crossing(values: NDArray[np.float32], level: float) -> _Doubles | None:
    """[P] how far out each of the rays [P, R] first falls below a level, in trunk lengths; None where one begins below
    it (the line of the joints is not on the body) or never does."""
    after = (values < level).argmax(axis=1)
    if (after == 0).any():
        return None
    rays = np.arange(len(values))
    inside, beyond = values[rays, after - 1].astype(np.float64), values[rays, after].astype(np.float64)
    crossing: _Doubles = _REACH[after - 1] + _STEP * (inside - level) / (inside - beyond)
    return crossing
