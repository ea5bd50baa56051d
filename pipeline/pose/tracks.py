"""Which poses can be used and show the same person in the same shot: estimators lose people whose head leaves the
picture or find somebody else, and people leave and come back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.records import Pose

Frames = NDArray[np.intp]
Series = NDArray[np.float64]

_SHOULDERS, _HIPS, _WRISTS = ([INDEX[f"left_{j}"], INDEX[f"right_{j}"]] for j in ("shoulder", "hip", "wrist"))
_TRUNK = _SHOULDERS + _HIPS
_LEVEL_TRUNK = np.radians(45.0)
_LEVEL_ARM = np.radians(65.0)
_OVERTURNED_TRUNK = np.radians(105.0)
# The landmarks slide into such a guess and out of it.
_SLIDING_S = 0.12
_AMONG_S = 0.6
_MIN_RUN_S = 0.15
# Between two poses a person moves at most so far: the trunk of a lifter or walker by 2.5 m/s, and the landmarks err by
# a hand's breadth. The size in the picture changes by steps only when another person is found.
_MAX_SPEED = 2.5
_MAX_ERROR_M = 0.35
_MAX_SIZE_RATIO = 1.5
# Poses apart by a jump are the same person again where both place and size agree to within this.
_SAME_PLACE_M = 0.6
_SAME_SIZE_RATIO = 1.25


def pixels_per_metre(pose: Pose) -> Series:
    """[T] scale of the person: spread of the landmarks in the picture over their spread in metres, NaN if missing.

    The world landmarks turn with the body, so that the scale holds in a bend as well as upright, and needs no single
    joint to be visible.
    """
    return scale_of(pose.image.astype(np.float64), pose.world.astype(np.float64))


def scale_of(image: Series, world: Series) -> Series:
    """[...] pixels per metre of people with landmarks image [..., N, 2] in pixels and world [..., N, 3] in metres."""
    spread_px, spread_m = (
        np.sqrt(((points - points.mean(axis=-2, keepdims=True)) ** 2).sum(axis=(-2, -1)))
        for points in (image, world[..., :2])
    )
    scale: Series = spread_px / np.maximum(spread_m, 1e-6)
    return scale


def is_plausible(pose: Pose) -> NDArray[np.bool_]:
    """[T] False without a person, where the trunk lies level and an arm does too, and where it stands on its head:
    such are an estimator's guesses when the head has left the picture. Nobody takes that posture with a load."""
    sprawled = _is_sprawled(pose.world.astype(np.float64))
    good: NDArray[np.bool_] = pose.detected & ~_near(sprawled, pose.time, _SLIDING_S)
    # A plausible moment among such guesses is chance.
    doubtful = _near(sprawled, pose.time, _AMONG_S)
    for run in np.split(np.arange(len(good)), np.flatnonzero(np.diff(good.astype(int))) + 1):
        inside = len(run) and run[0] > 0 and run[-1] < len(good) - 1
        if inside and good[run[0]] and doubtful[run].all() and pose.time[run[-1]] - pose.time[run[0]] < _MIN_RUN_S:
            good[run] = False
    return good


def _is_sprawled(world: Series) -> NDArray[np.bool_]:
    """[T] whether trunk and an arm lie level, or the trunk stands on its head, by landmarks [T, 33, 3] in metres."""
    shoulders, hips, wrists = (world[:, rows] for rows in (_SHOULDERS, _HIPS, _WRISTS))
    trunk = tilt_of(hips.mean(axis=1) - shoulders.mean(axis=1))
    arm = np.maximum(*(tilt_of(wrists[:, side] - shoulders[:, side]) for side in (0, 1)))
    sprawled: NDArray[np.bool_] = ((trunk > _LEVEL_TRUNK) & (arm > _LEVEL_ARM)) | (trunk > _OVERTURNED_TRUNK)
    return sprawled


def _near(these: NDArray[np.bool_], time: Series, seconds: float) -> NDArray[np.bool_]:
    """[T] True within so many seconds of a sample that is True."""
    if not these.any():
        return these
    marked = time[these]
    after = np.clip(np.searchsorted(marked, time), 1, len(marked) - 1) if len(marked) > 1 else np.zeros(len(time), int)
    nearest = np.minimum(np.abs(time - marked[after]), np.abs(time - marked[np.maximum(after - 1, 0)]))
    near: NDArray[np.bool_] = nearest <= seconds
    return near


def tilt_of(vector: Series) -> Series:
    """[...] radians between vectors [..., 3] and straight down."""
    length = np.maximum(np.linalg.norm(vector, axis=-1), 1e-6)
    tilt: Series = np.arccos(np.clip(vector[..., 1] / length, -1.0, 1.0))
    return tilt


def tracks(pose: Pose, max_gap_s: float) -> Iterator[Frames]:
    """Indices of the poses of one person in one shot, with no gap longer than `max_gap_s`; persons may overlap in time
    when the estimator jumped back and forth."""
    good = is_plausible(pose)
    scale = pixels_per_metre(pose)
    place = pose.image[:, _TRUNK, 0].astype(np.float64).mean(axis=1)
    for shot in np.unique(pose.shot):
        people: list[list[Frames]] = []
        for piece in _pieces(np.flatnonzero((pose.shot == shot) & good), pose.time, place, scale):
            for person in people:
                if _is_same(person[-1], piece, place, scale):
                    person.append(piece)
                    break
            else:
                people.append([piece])
        for person in people:
            frames = np.concatenate(person)
            yield from np.split(frames, np.flatnonzero(np.diff(pose.time[frames]) > max_gap_s) + 1)


def _pieces(frames: Frames, time: Series, place: Series, scale: Series) -> list[Frames]:
    """Poses split where place or size jumps."""
    if not len(frames):
        return []
    moved_m = np.abs(np.diff(place[frames])) / np.minimum(scale[frames][1:], scale[frames][:-1])
    allowed_m = _MAX_ERROR_M + _MAX_SPEED * np.minimum(np.diff(time[frames]), 1.0)
    resized = np.abs(np.diff(np.log(scale[frames]))) > np.log(_MAX_SIZE_RATIO)
    return np.split(frames, np.flatnonzero((moved_m > allowed_m) | resized) + 1)


def _is_same(one: Frames, other: Frames, place: Series, scale: Series) -> bool:
    one, other = one[-_RECENT:], other[:_RECENT]
    size, size_other = float(np.median(scale[one])), float(np.median(scale[other]))
    apart_m = abs(float(np.median(place[one]) - np.median(place[other]))) / min(size, size_other)
    return apart_m < _SAME_PLACE_M and max(size, size_other) < _SAME_SIZE_RATIO * min(size, size_other)


_RECENT = 10
