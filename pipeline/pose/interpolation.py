"""Between two poses in time: the samples beside a moment, how far it is from the one to the other, a smooth curve
through them, and how long each stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Neighbours:
    """For L moments the indices [L] of the samples before and after each, and how far it lies between them: share [L]
    0..1, 0 at the one before. Moments before the first sample or after the last have the share of that sample."""

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: _Doubles


def neighbours(time: _Doubles, moments: ArrayLike) -> Neighbours:
    """The samples beside moments [L], in seconds like the times [T] of the samples: increasing, two or more."""
    at = np.asarray(moments, np.float64)
    after = np.clip(np.searchsorted(time, at), 1, len(time) - 1)
    before = after - 1
    return Neighbours(before, after, np.clip((at - time[before]) / (time[after] - time[before]), 0.0, 1.0))


def values_at(time: _Doubles, values: _Doubles, moments: ArrayLike) -> _Doubles:
    """Values [T, ...] of samples at moments: [L, ...], linear between the samples, held at the ends."""
    beside = neighbours(time, moments)
    share: _Doubles = beside.share.reshape(-1, *[1] * (values.ndim - 1))
    before, after = values[beside.before], values[beside.after]
    mixed: _Doubles = before * (1 - share) + after * share
    return mixed


def curve_at(time: _Doubles, values: _Doubles, moments: ArrayLike) -> _Doubles:
    """Values [T] of samples at moments: [L], on a smooth curve that passes no value of the two samples beside.

    Between samples a cubic with the slopes of Fritsch and Butland, "A method for constructing local monotone piecewise
    cubic interpolants" (1984), equation 5: zero at a turning point, elsewhere a harmonic mean of the slopes of both
    sides; at the first and the last sample that of the line beside. The ends are held beyond.
    """
    if len(time) < 3:
        return np.interp(np.asarray(moments, np.float64), time, values)
    beside = neighbours(time, moments)
    gap_s = np.diff(time)
    chords = np.diff(values) / gap_s
    left, right = chords[:-1], chords[1:]
    share = (gap_s[:-1] + 2 * gap_s[1:]) / (3 * (gap_s[:-1] + gap_s[1:]))
    is_monotone = left * right > 0
    mean = np.where(is_monotone, share * right + (1 - share) * left, 1.0)
    slopes = np.concatenate([chords[:1], np.where(is_monotone, left * right / mean, 0.0), chords[-1:]])
    before, after, at = beside.before, beside.after, beside.share
    rest, length = 1 - at, gap_s[before]
    line = values[before] * rest + values[after] * at
    bow = (slopes[before] - chords[before]) * rest - (slopes[after] - chords[before]) * at
    curve: _Doubles = line + at * rest * length * bow
    return curve


def seconds_of(time: _Doubles) -> _Doubles:
    """[T] how long each sample at times [T] stands for, seconds: they are denser where somebody is lost. 1 for one."""
    if len(time) < 2:
        return np.ones(len(time))
    between = np.diff(time)
    seconds: _Doubles = (np.append(between[0], between) + np.append(between, between[-1])) / 2
    return seconds
