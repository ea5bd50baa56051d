"""How far repetitions are from normal ones: the geometric mean of two distances.

The Mahalanobis distance, with a shrunk covariance, takes account of how the features of normal repetitions vary
together; the mean distance to the nearest of them (the memory bank) takes account of normal repetitions being of
several kinds. On videos that neither had learnt from, both together separated better than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

_NEIGHBOURS = 3
_MOST_AXES = 64
# The share of the features' mean variance that is added to each one's: what never varied in few repetitions may do so.
_LEAST_SPREAD = np.float32(0.3)
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class NormalModel:
    """R normal repetitions in one block of D features, in units of its scale.

    mean: [D]. axes, variance: [K, D] and [K], the main axes of the covariance and the variance along each. rest: the
    variance in every other direction. memory_bank: [R, D], the repetitions themselves.
    """

    mean: Floats
    axes: Floats
    variance: Floats
    rest: float
    memory_bank: Floats

    @cached_property
    def spread(self) -> Floats:
        """[D] the variance of each feature, with a floor."""
        variance = self.memory_bank.var(axis=0)
        result: Floats = variance + _LEAST_SPREAD * variance.mean() + np.float32(1e-9)
        return result


def fit_normal_model(values: Floats) -> NormalModel:
    """A model of normal repetitions, values [R, D].

    The covariance is shrunk towards a multiple of the identity (Ledoit and Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004, section 3.2). R is much smaller than D,
    so it is computed from the R x R products.
    Raises ValueError for fewer than two repetitions.
    """
    count, size = values.shape
    if count < 2:
        raise ValueError(f"Expected two or more repetitions, got {count}.")
    mean = values.mean(axis=0, dtype=np.float64)
    centred = values - mean
    variance, turned = np.linalg.eigh(centred @ centred.T / count)
    # The smallest of the R eigenvalues belongs to the mean that was taken away.
    variance, turned = np.maximum(variance[:0:-1], 0.0), turned[:, :0:-1]
    average = variance.sum() / size
    spread = (variance**2).sum() / size - average**2
    noise = ((((centred**2).sum(axis=1)) ** 2).sum() / count**2 - (variance**2).sum() / count) / size
    shrinkage = min(1.0, max(0.0, noise / spread)) if spread > 0 else 1.0
    kept = min(int((variance > 1e-9 * variance.max(initial=0.0)).sum()), _MOST_AXES)
    axes = turned[:, :kept].T @ centred / np.sqrt(count * variance[:kept, None])
    dropped = variance[kept:].sum() / max(1, size - kept)
    sphere = shrinkage * average
    return NormalModel(
        mean.astype(np.float32),
        axes.astype(np.float32),
        ((1 - shrinkage) * variance[:kept] + sphere).astype(np.float32),
        max(float(sphere + (1 - shrinkage) * dropped), 1e-9),
        values.astype(np.float32),
    )


def distances(values: Floats, normal: NormalModel) -> _Doubles:
    """[N] the distance of values [N, D] from the normal ones: 1 is about that of a normal repetition from the rest."""
    centred = values - normal.mean
    along = centred @ normal.axes.T
    across = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    mahalanobis = np.sqrt(((along**2 / normal.variance).sum(axis=1) + across / normal.rest) / values.shape[1])
    combined: _Doubles = np.sqrt(mahalanobis * _to_neighbours(values, normal.memory_bank)).astype(np.float64)
    return combined


def deviation(values: Floats, normal: NormalModel) -> Floats:
    """[D] the squared difference of one repetition [D] from its neighbours in the memory bank, feature by feature, as a
    multiple of how much the normal repetitions vary there."""
    squares = (normal.memory_bank - values) ** 2
    nearest = np.argsort(squares.sum(axis=1))[:_NEIGHBOURS]
    mean: Floats = squares[nearest].mean(axis=0) / normal.spread
    return mean


def _to_neighbours(values: Floats, memory_bank: Floats) -> _Doubles:
    squares = (values**2).sum(axis=1)[:, None] + (memory_bank**2).sum(axis=1) - 2 * values @ memory_bank.T
    root = np.sqrt(np.maximum(squares, 0.0) / values.shape[1])
    nearest: _Doubles = np.sort(root, axis=1)[:, :_NEIGHBOURS].mean(axis=1)
    return nearest
