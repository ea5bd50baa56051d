"""The signals in which lifts are found: heights of a person's joints within one shot, in metres, gaps bridged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.pose.attention import FOLLOW_S
from pipeline.pose.interpolation import curve_at
from pipeline.pose.joints import middle_of
from pipeline.pose.tracks import Frames, pixels_per_metre, tracks
from pipeline.records import Pose

Series = NDArray[np.float64]

# Heights are resampled to this rate, so that smoothing means seconds whatever the sampling of the poses.
GRID_HZ = 50.0
_MIN_SAMPLES = 5
# Standard deviations of the smoothing beyond which nothing counts.
_REACH = 4.0
# Speeds beside a gap are measured over so many seconds.
_SLOPE_S = 0.35
_SHORT_GAP_S = 0.25
# A sample counts as seen with a pose so near, or between two that follow each other.
_SEEN_S = 0.15
# A bridge over a gap rises and falls little further than its ends, unless the person was seen there at another time.
_BRIDGE_BEYOND_M = 0.05
# An unseen lockout: so long a gap, entered while shoulders and hands had risen by so much within so many seconds, and
# left with the shoulders back at the floor, but for so much, within so many seconds.
_UNSEEN_LOCKOUT_S = 0.8
_PULL_S, _PULL_M = 1.5, 0.12
_BACK_S, _BACK_M = 0.7, 0.15
# Where nobody saw how far the shoulders of this person go up: the least travel of grown people in the clips, and the
# least speeds at which they go up and down half way.
_TRAVEL_M = 0.45
_UP_MPS, _DOWN_MPS = 0.5, 0.8
# An arc through the gap that rises less from the floor is none through a lockout.
_ARC_M = 0.3


@dataclass(frozen=True)
class LiftSignal:
    """One person in one shot on an even time grid of G samples; lengths in metres of the person's own scale.

    time [G] seconds. shoulder, hip, knee and wrist [G] are heights (up is positive), the mean of left and right.
    hands and lean [G, 2] are horizontal vectors, right and away from the camera, from the landmarks in metres: of the
    wrists from the middle of the trunk, and of the shoulders from the hips. place [G] and reach [G] are the horizontal
    places in the picture of the hips, and of the wrists relative to the feet. elbow [G] is the angle of the elbows in
    the picture, degrees, 180 for straight arms; the arm that is seen better counts for more. arm_visibility [G], 0..1,
    is that of the better arm. seen [G] False far from any pose.
    """

    time: Series
    shoulder: Series
    hip: Series
    knee: Series
    wrist: Series
    hands: Series
    lean: Series
    place: Series
    reach: Series
    elbow: Series
    arm_visibility: Series
    seen: NDArray[np.bool_]


def lift_signals(pose: Pose, smoothing_s: float, max_gap_s: float) -> Iterator[LiftSignal]:
    """The signals of every person and shot that has enough poses. smoothing_s: standard deviation of a Gaussian."""
    for frames in tracks(pose, max_gap_s):
        if len(frames) >= _MIN_SAMPLES:
            yield _signal(pose, frames, smoothing_s)


def _signal(pose: Pose, frames: Frames, smoothing_s: float) -> LiftSignal:
    time = pose.time[frames]
    grid = np.arange(time[0], time[-1] + 1e-9, 1.0 / GRID_HZ)
    scale = float(np.median(pixels_per_metre(pose)[frames]))
    image = pose.image[frames].astype(np.float64) / scale

    def even(values: Series) -> Series:
        return _smooth(curve_at(time, values, grid), smoothing_s)

    def height(*joints: str) -> Series:
        return even(-middle_of(image, *joints)[:, 1])

    after = np.clip(np.searchsorted(time, grid, side="right"), 1, len(time) - 1)
    # Poses that follow each other, though few are taken while nobody moves: nobody was lost between them.
    followed = (np.diff(frames) == 1) & (np.diff(time) <= FOLLOW_S)
    shoulder = -middle_of(image, "shoulder")[:, 1]
    world = pose.world[frames].astype(np.float64)
    hands = (middle_of(world, "wrist") - middle_of(world, "shoulder", "hip"))[:, [0, 2]]
    lean = (middle_of(world, "shoulder") - middle_of(world, "hip"))[:, [0, 2]]
    elbow, arm_visibility = _elbow(image, pose.visibility[frames].astype(np.float64))
    return LiftSignal(
        time=grid,
        shoulder=_smooth(_bridged(grid, time, shoulder, -middle_of(image, "wrist")[:, 1], followed), smoothing_s),
        hip=height("hip"),
        knee=height("knee"),
        wrist=height("wrist"),
        hands=np.stack([even(side) for side in hands.T], axis=1),
        lean=np.stack([even(side) for side in lean.T], axis=1),
        place=even(middle_of(image, "hip")[:, 0]),
        reach=even((middle_of(image, "wrist") - middle_of(image, "heel", "foot_index"))[:, 0]),
        elbow=even(elbow),
        arm_visibility=even(arm_visibility),
        seen=(np.minimum(np.abs(grid - time[after - 1]), np.abs(time[after] - grid)) <= _SEEN_S) | followed[after - 1],
    )


def _smooth(values: Series, smoothing_s: float) -> Series:
    """Averaged with the weights of a Gaussian, the first and the last value drawn out.

    As scipy.ndimage.gaussian_filter1d does it, whose import takes a quarter of a second.
    """
    reach = int(_REACH * smoothing_s * GRID_HZ + 0.5)
    if not reach:
        return values
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (smoothing_s * GRID_HZ)) ** 2)
    return np.convolve(np.pad(values, reach, mode="edge"), weights / weights.sum(), mode="valid")


def _elbow(image: Series, visibility: Series) -> tuple[Series, Series]:
    """Of image [T, 33, 2] and visibility [T, 33]: [T] degrees, the mean of both arms by how well they are seen, and [T]
    the visibility of the better one."""
    total = weights = best = np.full(len(image), 1e-6)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (INDEX[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
        upper, fore = image[:, shoulder] - image[:, elbow], image[:, wrist] - image[:, elbow]
        cross = upper[:, 0] * fore[:, 1] - upper[:, 1] * fore[:, 0]
        angle = np.degrees(np.arctan2(np.abs(cross), (upper * fore).sum(axis=1)))
        seen = visibility[:, [shoulder, elbow, wrist]].min(axis=1)
        total, weights, best = total + seen * angle, weights + seen, np.maximum(best, seen)
    return total / weights, best


def _bridged(grid: Series, time: Series, height: Series, wrist: Series, followed: NDArray[np.bool_]) -> Series:
    """Heights of the shoulders on the grid, from poses at `time`: a curve through them, and an arc over long gaps but
    those between poses that follow each other."""
    bridged = curve_at(time, height, grid)
    lowest, highest = (float(value) for value in np.quantile(height, [0.02, 0.98]))
    for index in np.flatnonzero((np.diff(time) > _SHORT_GAP_S) & ~followed):
        inside = (grid > time[index]) & (grid < time[index + 1])
        arc = _arc(grid[inside], time, height, index)
        ends = height[index : index + 2]
        least, most = min(lowest, ends.min() - _BRIDGE_BEYOND_M), max(highest, ends.max() + _BRIDGE_BEYOND_M)
        floor = _pulled_from(time, height, wrist, index)
        if floor is not None and (not len(arc) or not floor + _ARC_M < arc.max() < most):
            corners = _lockout(time, height, index, max(highest, floor + _TRAVEL_M))
            bridged[inside] = np.interp(grid[inside], corners[:, 0], corners[:, 1])
        elif len(arc):
            bridged[inside] = np.clip(arc, least, most)
    return bridged


def _arc(inside: Series, time: Series, height: Series, index: int) -> Series:
    """Heights in the gap after pose `index`: an arc that keeps the speeds at both ends (cubic Hermite) where these bend
    the same way, as for a lockout with the head out of the picture, or a floor behind plates; nothing elsewhere."""
    before, after = time[index], time[index + 1]
    ends = height[index : index + 2]
    entering = _slope(time, height, before - _SLOPE_S, before)
    leaving = _slope(time, height, after, after + _SLOPE_S)
    mean = (ends[1] - ends[0]) / (after - before)
    if (entering - mean) * (mean - leaving) <= 0:
        return np.empty(0)
    share = (inside - before) / (after - before)
    rest = 1 - share
    bow = share * rest * (after - before) * (rest * (entering - mean) - share * (leaving - mean))
    arc: Series = ends[0] * rest + ends[1] * share + bow
    return arc


def _pulled_from(time: Series, height: Series, wrist: Series, index: int) -> float | None:
    """Height of the shoulders at the floor where the whole lockout is in the gap after pose `index`: somebody pulled
    before it, with the hands, and was at the floor after it. None for other gaps."""
    before, after = time[index], time[index + 1]
    pulling = (time >= before - _PULL_S) & (time <= before)
    back = (time >= after) & (time <= after + _BACK_S)
    low = int(np.flatnonzero(pulling)[np.argmin(height[pulling])])
    risen = min(height[index] - height[low], wrist[index] - wrist[low])
    if after - before < _UNSEEN_LOCKOUT_S or risen < _PULL_M or height[back].min() > height[low] + _BACK_M:
        return None
    return float(height[low])


def _lockout(time: Series, height: Series, index: int, top: float) -> Series:
    """[N, 2] times and heights from the pose `index` up to the top, and down to the next pose."""
    before, after = time[index], time[index + 1]
    middle = (before + after) / 2
    speed = max(_slope(time, height, before - _SLOPE_S, before), _UP_MPS)
    up, down = _rest(before, middle, height[index], top, speed), _rest(after, middle, height[index + 1], top, _DOWN_MPS)
    return np.concatenate([up, down[::-1]])


def _rest(seen_s: float, middle_s: float, height: float, top: float, speed: float) -> Series:
    """[N, 2] the way from a height seen at `seen_s` to the top before (or after) `middle_s`: a quarter of a sine, which
    begins at `speed` and ends at rest."""
    left = max(top - height, 0.0)
    lasts = min(np.pi / 2 * left / speed, abs(middle_s - seen_s))
    share = np.linspace(0.0, 1.0, 7)
    times = seen_s + (lasts if middle_s > seen_s else -lasts) * share
    return np.stack([times, height + left * np.sin(np.pi / 2 * share)], axis=1)


def _slope(time: Series, height: Series, begin: float, end: float) -> float:
    """Speed in m/s over the poses from `begin` to `end`, 0 with less than two."""
    near = (time >= begin - 1e-9) & (time <= end + 1e-9)
    return float(np.polyfit(time[near], height[near], 1)[0]) if near.sum() > 1 else 0.0
