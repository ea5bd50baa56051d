"""What coaches measure of repetitions: tempo, joint angles, the way and the speed of the hands, and how that fades.

Tempo is told as King and Poliquin popularised it, the seconds of each part of a repetition; what is known of its
effects: Wilk, Zajac and Tufano, "The Influence of Movement Tempo During Resistance Training on Muscular Strength and
Hypertrophy Responses: A Review", Sports Medicine 51, 2021. Velocity loss: Sanchez-Medina and Gonzalez-Badillo,
"Velocity Loss as an Indicator of Neuromuscular Fatigue during Resistance Training", Medicine & Science in Sports &
Exercise 43(9), 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.pose.interpolation import values_at
from pipeline.pose.joints import angle_between, lean_of, middle_of
from pipeline.records import Pose, Rep
from pipeline.skelemotion import smooth

_Doubles = NDArray[np.float64]
_STEP_S = 0.02
# The hands count as up where they are within this share of their way from the top.
_TOP_SHARE = 0.05
# Angles are means over so many seconds before and after their moment, as single poses jitter.
_AROUND_S = 0.1
_LEAST_VISIBILITY = 0.3
# Standard deviation of the Gaussian by which the way of the hands is smoothed.
_SMOOTH_S = 0.06
# Half of the repetition's poses must show the hands.
_LEAST_SEEN = 0.5
# Shorter ways of the hands, in leg lengths, are no lift that a speed could be told of.
_LEAST_WAY = 0.1
# A leg is as long as it looks at most, but for outliers: bent towards the camera it looks shorter.
_LEG_QUANTILE = 0.9


@dataclass(frozen=True)
class Angles:
    """Degrees at one moment, from the landmarks in metres, each the middle of left and right: at the hip (shoulder to
    knee) and at the knee (hip to ankle) 180 is straight, and back is the trunk's angle to the vertical."""

    hip: float
    knee: float
    back: float


@dataclass(frozen=True)
class RepMeasures:
    """What is measured of one repetition.

    up_s, pause_s, down_s: seconds from the start until the hands are within 5 % of their way from the top, there, and
    from there to the end. way: how far the hands rise, in lengths of the lifter's leg (hip-knee-ankle) as it looks in
    the picture; speed: its mean while they go up, leg lengths per second. time [P] seconds and path [P, 2] pixels of
    the displayed picture: the middle of the wrists, which the bar follows. start, lockout: the angles when the load
    leaves the floor, and in the middle of the time at the top.
    """

    up_s: float
    pause_s: float
    down_s: float
    way: float
    speed: float
    time: _Doubles
    path: _Doubles
    start: Angles
    lockout: Angles


def measure(pose: Pose, reps: Sequence[Rep]) -> tuple[RepMeasures | None, ...]:
    """The measures of each repetition; None where the hands or the body are hardly seen.

    They are as exact in time as the poses are dense: about 0.1 s by default, 0.2 s with the engine openvino. Lengths
    are of the picture: a camera that moves, or a lifter who walks towards it, spoils them.
    """
    within = np.zeros(len(pose.time), bool)
    for rep in reps:
        within |= (pose.time >= rep.start_s) & (pose.time <= rep.end_s)
    legs = {int(shot): _leg_length(pose, within & (pose.shot == shot)) for shot in np.unique(pose.shot[within])}
    return tuple(_measured(pose, rep, legs) for rep in reps)


def _leg_length(pose: Pose, within: NDArray[np.bool_]) -> float:
    """Pixels from hip over knee to ankle, nearly as long as it ever looks in those poses; NaN if never seen."""
    lengths = []
    for side in ("left", "right"):
        hip, knee, ankle = (INDEX[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        seen = within & (pose.visibility[:, [hip, knee, ankle]].min(axis=1) >= _LEAST_VISIBILITY)
        points = pose.image[seen].astype(np.float64)
        thigh = np.linalg.norm(points[:, hip] - points[:, knee], axis=1)
        lengths.append(thigh + np.linalg.norm(points[:, knee] - points[:, ankle], axis=1))
    known = np.concatenate(lengths)
    return float(np.quantile(known, _LEG_QUANTILE)) if len(known) else float("nan")


def velocity_loss(speeds: Sequence[float]) -> float | None:
    """How much slower the last repetition was lifted than the fastest one, in percent of that (0..100).

    Sanchez-Medina and Gonzalez-Badillo, 2011: 100 (fastest - last) / fastest, of mean upward velocities. Being a ratio
    it needs no calibration. None with less than two repetitions.
    """
    if len(speeds) < 2 or max(speeds) <= 0:
        return None
    return 100 * (max(speeds) - speeds[-1]) / max(speeds)


def _measured(pose: Pose, rep: Rep, legs: dict[int, float]) -> RepMeasures | None:
    near = (pose.time >= rep.start_s - _AROUND_S) & (pose.time <= rep.end_s + _AROUND_S) & pose.detected
    if near.sum() < 2:
        return None
    shots, counts = np.unique(pose.shot[near], return_counts=True)
    shot = int(shots[counts.argmax()])
    near &= pose.shot == shot
    leg = legs.get(shot, np.nan)
    if not np.isfinite(leg):
        return None
    hands = _hands(pose, near)
    seen = np.isfinite(hands).all(axis=1)
    if seen.mean() < _LEAST_SEEN or seen.sum() < 2:
        return None
    grid = np.append(np.arange(rep.start_s, rep.end_s, _STEP_S), rep.end_s)
    path = values_at(pose.time[near][seen], smooth(pose.time[near][seen], hands[seen], _SMOOTH_S), grid)
    height = -path[:, 1]
    top = float(height.max())
    way = top - float(height[0])
    if way < _LEAST_WAY * leg:
        return None
    up = np.flatnonzero(height >= top - _TOP_SHARE * way)
    first_s, last_s = float(grid[up[0]]), float(grid[up[-1]])
    up_s = max(first_s - rep.start_s, _STEP_S)
    return RepMeasures(
        up_s=up_s,
        pause_s=last_s - first_s,
        down_s=rep.end_s - last_s,
        way=way / leg,
        speed=(float(height[up[0]]) - float(height[0])) / leg / up_s,
        time=grid,
        path=path,
        start=_angles(pose, near, rep.start_s),
        lockout=_angles(pose, near, (first_s + last_s) / 2),
    )


def _hands(pose: Pose, near: NDArray[np.bool_]) -> _Doubles:
    """[n, 2] the middle of the wrists in the picture, NaN where both are hardly seen."""
    middle = middle_of(pose.image[near].astype(np.float64), "wrist")
    # The arm behind the body is a guess, but the bar keeps both hands together: the better one decides.
    rows = [INDEX["left_wrist"], INDEX["right_wrist"]]
    hidden = pose.visibility[near][:, rows].max(axis=1) < _LEAST_VISIBILITY
    middle[hidden] = np.nan
    return middle


def _angles(pose: Pose, near: NDArray[np.bool_], moment_s: float) -> Angles:
    moments = moment_s + np.linspace(-_AROUND_S, _AROUND_S, 5)
    world = values_at(pose.time[near], pose.world[near].astype(np.float64), moments).mean(axis=0)
    shoulder, hip, knee, ankle = (middle_of(world, joint) for joint in ("shoulder", "hip", "knee", "ankle"))
    return Angles(
        hip=float(angle_between(shoulder - hip, knee - hip)),
        knee=float(angle_between(hip - knee, ankle - knee)),
        back=float(lean_of(shoulder - hip)),
    )
