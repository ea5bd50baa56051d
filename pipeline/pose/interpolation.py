"""Between two poses in time: the samples beside a moment, and how far it is from the one to the other."""

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
