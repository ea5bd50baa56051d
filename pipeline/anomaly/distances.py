"""How far repetitions are from normal ones: the geometric mean of two distances, in whitened features.

The Mahalanobis distance, with a shrunk covariance, takes account of how the features of normal repetitions vary
together; the mean distance to the nearest of them (the memory bank) takes account of normal repetitions being of
several kinds. On videos that neither had learnt from, both together separated better than either.

Few repetitions say little of a covariance of a thousand features, but much of how body parts vary together, whatever
the moment, and moments, whatever the body part. Features are whitened by these two covariances first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

_NEIGHBOURS = 3
_MOST_AXES = 64
# The covariances that features are whitened by are shrunk by at least so much, and by half for so many repetitions: the
# more normal ones are known, the better their neighbours tell what is usual in directions that vary much.
_LEAST_SHRINKAGE = 0.2
_HALF_SHRUNK_AT = 50
_FLIP_FLOPS = 2
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class NormalModel:
    """R normal repetitions in one block of P rows, B pieces of time and F features, D in all, in units of its scale.

    mean: [D] of the whitened repetitions. axes, variance: [K, D] and [K], the main axes of their covariance and the
    variance along each. rest: the variance in every other direction. memory_bank: [R, D], the repetitions themselves,
    not whitened. whitening: [P, P] and [B, B], what rows and pieces of time are multiplied with; empty for a model of
    an earlier release, which compares features as they are.
    """

    mean: Floats
    axes: Floats
    variance: Floats
    rest: float
    memory_bank: Floats
    whitening: tuple[Floats, ...] = ()

    @cached_property
    def spread(self) -> Floats:
        """[D] the variance of each feature, with the mean variance added: what never varied in few repetitions may do
        so."""
        variance = self.memory_bank.var(axis=0)
        result: Floats = variance + variance.mean() + np.float32(1e-9)
        return result

    @cached_property
    def whitened_bank(self) -> Floats:
        """[R, D] the memory bank as it is compared with."""
        shape = (len(self.memory_bank), *(len(matrix) for matrix in self.whitening), -1)
        return whitened(self.memory_bank.reshape(shape), self.whitening)


def whitening_of(values: Floats) -> tuple[Floats, Floats]:
    """Symmetric matrices [P, P] and [B, B] that whiten the rows and the pieces of time of values [R, P, B, F].

    The covariance is taken for a Kronecker product of one of rows and one of pieces of time, each estimated in turn
    from values that are whitened by the other (Dutilleul, "The MLE algorithm for the matrix normal distribution", J.
    Statistical Computation and Simulation 64, 1999), and shrunk towards the identity.
    """
    count, rows, pieces, _ = values.shape
    share = max(_LEAST_SHRINKAGE, count**2 / (count**2 + _HALF_SHRUNK_AT**2))
    centred = (values - values.mean(axis=0)).astype(np.float64)
    of_rows, of_pieces = np.eye(rows), np.eye(pieces)
    for _ in range(_FLIP_FLOPS):
        of_rows = _inverse_root(np.swapaxes(centred, 1, 2), of_pieces, share)
        of_pieces = _inverse_root(centred, of_rows, share)
    return of_rows.astype(np.float32), of_pieces.astype(np.float32)


def whitened(values: Floats, whitening: tuple[Floats, ...]) -> Floats:
    """[N, D] values [N, P, B, F] with their rows and pieces of time multiplied by matrices; as they are without any."""
    if whitening:
        of_rows, of_pieces = whitening
        count, rows, pieces, kinds = values.shape
        turned = of_rows @ values.reshape(count, rows, pieces * kinds)
        values = of_pieces @ turned.reshape(count, rows, pieces, kinds)
    return np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)


def fit_normal_model(values: Floats) -> NormalModel:
    """A model of normal repetitions, values [R, P, B, F].

    Whitened, their covariance is shrunk towards a multiple of the identity (Ledoit and Wolf, "A well-conditioned
    estimator for large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004, section 3.2). R is much
    smaller than D, so it is computed from the R x R products.
    Raises ValueError for fewer than two repetitions.
    """
    if len(values) < 2:
        raise ValueError(f"Expected two or more repetitions, got {len(values)}.")
    whitening = whitening_of(values)
    memory_bank = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)
    values = whitened(values, whitening)
    count, size = values.shape
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
        memory_bank,
        whitening,
    )


def distances(values: Floats, normal: NormalModel) -> _Doubles:
    """[N] the distance of values [N, P, B, F] from the normal ones: 1 is about that of a normal repetition from the
    rest."""
    values = whitened(values, normal.whitening)
    centred = values - normal.mean
    along = centred @ normal.axes.T
    across = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    mahalanobis = np.sqrt(((along**2 / normal.variance).sum(axis=1) + across / normal.rest) / values.shape[1])
    combined: _Doubles = np.sqrt(mahalanobis * _to_neighbours(values, normal.whitened_bank)).astype(np.float64)
    return combined


def deviation(values: Floats, normal: NormalModel) -> Floats:
    """[D] the squared difference of one repetition [D] from its neighbours in the memory bank, feature by feature, as a
    multiple of how much the normal repetitions vary there."""
    squares = (normal.memory_bank - values) ** 2
    nearest = np.argsort(squares.sum(axis=1))[:_NEIGHBOURS]
    mean: Floats = squares[nearest].mean(axis=0) / normal.spread
    return mean


def _inverse_root(values: _Doubles, whitening: _Doubles, share: float) -> _Doubles:
    """[A, A] the inverse square root of the covariance of axis 2 of centred values [R, C, A, F] after axis 1 is
    whitened, mixed with the identity by `share`; so scaled that these values keep their mean variance."""
    count, others, size, kinds = values.shape
    turned = (whitening @ values.reshape(count, others, -1)).reshape(count, others, size, kinds)
    flat = np.swapaxes(turned, 2, 3).reshape(-1, size)
    covariance = flat.T @ flat
    scale = np.trace(covariance) / size
    if scale <= 0.0:
        return np.eye(size)
    variance, axes = np.linalg.eigh(covariance / scale)
    shrunk = (1.0 - share) * np.maximum(variance, 0.0) + share
    # Values keep their mean variance, whatever the share: distances from few and from many are of one scale.
    root: _Doubles = (axes / np.sqrt(shrunk * (variance / shrunk).mean())) @ axes.T
    return root


def _to_neighbours(values: Floats, memory_bank: Floats) -> _Doubles:
    squares = (values**2).sum(axis=1)[:, None] + (memory_bank**2).sum(axis=1) - 2 * values @ memory_bank.T
    root = np.sqrt(np.maximum(squares, 0.0) / values.shape[1])
    nearest: _Doubles = np.sort(root, axis=1)[:, :_NEIGHBOURS].mean(axis=1)
    return nearest
