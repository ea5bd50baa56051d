"""How far repetitions are from a set of normal ones: a shrunk Mahalanobis distance and nearest neighbours, together.

The Mahalanobis distance knows how normal repetitions vary together, the neighbours know that they come in kinds; their
geometric mean separated better than either on videos that neither had seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

_NEIGHBOURS = 3
_MOST_AXES = 64
_LEAST_SPREAD = np.float32(0.3)
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class NormalModel:
    """Normal repetitions in one block of D features: mean [D], main axes [K, D] with their variance [K], the variance
    `rest` in every other direction, and the repetitions themselves, memory_bank [R, D]."""

    mean: Floats
    axes: Floats
    variance: Floats
    rest: float
    memory_bank: Floats

    @cached_property
    def spread(self) -> Floats:
        """[D] the variance of each feature, with a floor: what never varied in few repetitions may well do so."""
        variance = self.memory_bank.var(axis=0)
        result: Floats = variance + _LEAST_SPREAD * variance.mean() + np.float32(1e-9)
        return result


def fit_normal_model(values: Floats) -> NormalModel:
    """The normal of values [R, D], its covariance shrunk towards a sphere.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Analysis
    88 (2004), section 3.2, computed from the R x R products because R is much smaller than D.
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
