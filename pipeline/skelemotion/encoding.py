"""One repetition as a SkeleMotion image: where each joint of the walk moves, how fast, and where it is.

After Caetano et al., "SkeleMotion: A New Representation of Skeleton Joint Sequences Based on Motion Information for 3D
Action Recognition", AVSS 2019 (sections 3.1 and 3.2), with what a single camera and free frame rates ask for: lengths
in torsos, temporal distance in seconds, isotropic pixels, an explicit motion mask instead of a marker value, and
columns that are phases of the lift, so that the length of a repetition does not show in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX, LANDMARK_COUNT, MIRRORED
from pipeline.pose.interpolation import seconds_of, values_at
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion.layout import CHANNELS, WALK, phase_lengths

_PLANES = ((1, 0), (1, 2), (2, 0))
_Doubles = NDArray[np.float64]
_SHOULDERS = (INDEX["left_shoulder"], INDEX["right_shoulder"])
_HIPS = (INDEX["left_hip"], INDEX["right_hip"])
_ANKLES = (INDEX["left_ankle"], INDEX["right_ankle"])
_HEELS = (INDEX["left_heel"], INDEX["right_heel"])
_TOES = (INDEX["left_foot_index"], INDEX["right_foot_index"])
# Feet that point sideways by more than this (torsos) say which way the lifter faces.
_FACING = 0.12
_LOCKOUT_DROP = 0.05
_FEWEST_POSES = 4
SCALE_S = 30.0
"""Seconds before and after a repetition in which the length of the torso may be measured."""
_SAME_SPOT = 0.25


@dataclass(frozen=True)
class Encoded:
    """A SkeleMotion image [C, J, L] float32 and how far it can be trusted.

    coverage 0..1: the share of the repetition's time in which the body was found, in the shot that the image is from;
    0 where nothing can be encoded (the image is then all zeros). gap 0..1: the longest stretch without a pose, as a
    share of the repetition. shot: the camera shot that it was taken from. seen [33] 0..1: the mean visibility of
    each landmark, of the image's left and right. times [L]: the media time of each column, seconds; empty where nothing
    can be encoded.
    """

    image: Floats
    coverage: float
    shot: int
    seen: Floats
    times: NDArray[np.float64]
    gap: float = 1.0


def encode(pose: Pose, rep: Rep, config: EncodeConfig = EncodeConfig()) -> Encoded:  # noqa: B008  # frozen
    """The SkeleMotion image of one repetition, independent of the sampling rate, of place and of size in the picture.

    Channels as named in CHANNELS. For the planes y-x, y-z and z-x: cosine and sine of the motion's direction times the
    motion mask of that plane, and the mask, 0..1: 1 where the joint moves, 0 where it rests, and a direction would be
    noise. magnitude: torsos per second. x, y: the joint relative to the midpoint of the ankles, in torsos, y up.
    Columns go through pull, lockout and lowering (`phase_of_column`). Lifters who face left are mirrored.

    Args:
        pose: the landmarks of the person in the video; those up to SCALE_S before and after the repetition count.
        rep: the repetition, in seconds of media time.
        config: the number of columns L, and how motion is measured.

    Returns:
        The image [C, J, L] with what can be said about its quality. Its coverage is 0, and the image all zeros, where
        hardly any pose was found.
    """
    image = np.zeros((len(CHANNELS), len(WALK), config.length), np.float32)
    track = _track(pose, rep, config)
    if track is None:
        return Encoded(image, 0.0, 0, np.zeros(LANDMARK_COUNT, np.float32), np.zeros(0))
    times = _phase_times(track, rep, config.length)
    span = config.distance_s
    around = _at(track, np.concatenate([times - span / 2, times, times + span / 2]))[:, list(WALK)]
    before, here, after = around.reshape(3, len(times), len(WALK), 3)
    velocity, position = (after - before) / (span * track.scale), here / track.scale
    for plane, (first, second) in enumerate(_PLANES):
        along, across = velocity[..., second], velocity[..., first]
        speed = np.hypot(along, across)
        motion = speed**2 / (speed**2 + config.rest_speed**2)
        unit = motion / np.maximum(speed, 1e-9)
        image[3 * plane : 3 * plane + 3] = (along * unit).T, (across * unit).T, motion.T
    image[9] = np.linalg.norm(velocity, axis=-1).T
    image[10], image[11] = position[..., 0].T, position[..., 1].T
    return Encoded(image, track.coverage, track.shot, track.seen, times, track.gap)


def joint_positions(pose: Pose, rep: Rep, config: EncodeConfig) -> NDArray[np.float64] | None:
    """[L, 33, 3] the landmarks in the columns of `encode`: x, y (up) and z relative to the ankles, in torsos; or None
    where no pose was found."""
    track = _track(pose, rep, config)
    if track is None:
        return None
    positions: _Doubles = _at(track, _phase_times(track, rep, config.length)) / track.scale
    return positions


def _phase_times(track: _Track, rep: Rep, length: int) -> _Doubles:
    """The media time [L] of each column, seconds: equal steps within the pull, the lockout and the lowering.

    Lockout is where the body is within a few percent of its highest; its length says nothing about form, and where
    exactly a person or a program marks its beginning neither.
    """
    grid = np.linspace(rep.start_s, rep.end_s, 101)
    joints = _at(track, grid)
    height = _middle(joints, _SHOULDERS)[:, 1] + _middle(joints, _HIPS)[:, 1]
    level = height.max() - _LOCKOUT_DROP * (height.max() - min(height[0], height[-1]))
    high = np.flatnonzero(height >= level)
    # The ends of the repetition are never lockout, whatever the landmarks say: each phase keeps some columns.
    first, last = int(np.clip(high[0], 10, 89)), int(np.clip(high[-1], 11, 90))
    top, lower = grid[first], grid[max(last, first + 1)]
    pull, lockout = phase_lengths(length)
    return np.concatenate(
        [
            np.linspace(rep.start_s, top, pull, endpoint=False),
            np.linspace(top, lower, lockout, endpoint=False),
            np.linspace(lower, rep.end_s, length - pull - lockout),
        ]
    )


@dataclass(frozen=True)
class _Track:
    """Joint tracks over time: values [T, 33, 3] in pixels, y up, relative to the ankles' midpoint; the torso's length
    in pixels, the share of poses that were found and of the time of the longest gap between them, the shot they are
    from, and the visibility of each landmark."""

    time: _Doubles
    values: _Doubles
    scale: float
    coverage: float
    gap: float
    shot: int
    seen: Floats


def _track(pose: Pose, rep: Rep, config: EncodeConfig) -> _Track | None:
    """Smoothed tracks about a repetition, or None where hardly any pose was found."""
    inside = (pose.time >= rep.start_s - 1e-6) & (pose.time <= rep.end_s + 1e-6)
    if not inside.any():
        return None
    shot = int(np.bincount(pose.shot[inside]).argmax())
    margin = config.distance_s + 3 * config.smooth_s
    near = (pose.time >= rep.start_s - margin) & (pose.time <= rep.end_s + margin)
    use = near & pose.detected & (pose.shot == shot)
    if (use & inside).sum() < _FEWEST_POSES:
        return None
    time = pose.time[use]
    values = np.concatenate([pose.image[use], pose.depth[use][..., None]], axis=-1).astype(np.float64)
    values[..., 1] *= -1.0
    scale = _scale(pose, rep, shot)
    if not scale > 0:
        return None
    seen = pose.visibility[use & inside].mean(axis=0)
    if _faces_left(values, scale):
        values, seen = values[:, list(MIRRORED)], seen[list(MIRRORED)]
        values[..., 0] *= -1.0
    # The feet stay where they are during a lift: one origin for all frames does not carry the ankles' noise.
    values -= np.median(_middle(values, _ANKLES), axis=0)
    found = pose.time[use & inside]
    seconds = seconds_of(pose.time)
    coverage = float(seconds[use & inside].sum() / seconds[inside].sum())
    gap = float(np.diff([rep.start_s, *found, rep.end_s]).max()) / rep.duration_s
    return _Track(time, smooth(time, values, config.smooth_s), scale, coverage, gap, shot, seen)


def _scale(pose: Pose, rep: Rep, shot: int) -> float:
    """The length of the torso, pixels, 0 where it is not seen.

    A body bent towards the camera appears shorter: the long end of the distribution is its true length. One that never
    stands up during the repetition does so before or after it, on the same spot.
    """
    near = (pose.time >= rep.start_s - SCALE_S) & (pose.time <= rep.end_s + SCALE_S)
    use = near & pose.detected & (pose.shot == shot)
    time, joints = pose.time[use], pose.image[use].astype(np.float64)
    torso = np.linalg.norm(_middle(joints, _SHOULDERS) - _middle(joints, _HIPS), axis=-1)
    inside = (time >= rep.start_s) & (time <= rep.end_s)
    own = float(np.percentile(torso[inside], 90))
    feet = _middle(joints, _ANKLES)
    there = np.linalg.norm(feet - np.median(feet[inside], axis=0), axis=-1) < _SAME_SPOT * own
    return max(own, float(np.percentile(torso[there | inside], 90)))


def _middle(values: _Doubles, pair: tuple[int, int]) -> _Doubles:
    middle: _Doubles = (values[:, pair[0]] + values[:, pair[1]]) / 2
    return middle


def _faces_left(values: _Doubles, scale: float) -> bool:
    forward = (_middle(values, _TOES) - _middle(values, _HEELS))[:, 0]
    return bool(np.median(forward) < -_FACING * scale)


def smooth(time: _Doubles, values: _Doubles, sigma_s: float) -> _Doubles:
    """Tracks [T, ...] after Gaussian smoothing in seconds: dense sampling loses its jitter, sparse sampling is left as
    it is."""
    distance = (time[:, None] - time[None, :]) / sigma_s
    weight = np.exp(-0.5 * distance**2)
    weight /= weight.sum(axis=1, keepdims=True)
    smoothed: _Doubles = np.tensordot(weight, values, axes=1)
    return smoothed


def _at(track: _Track, times: _Doubles) -> _Doubles:
    """Tracks at the given times [L, 33, 3], linear between the samples, held at the ends."""
    return values_at(track.time, track.values, times)
