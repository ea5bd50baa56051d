"""From a detector's own distance to a p-value and a score whose decision is at 0.5, by conformal prediction.

Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 4.2: with n normal repetitions whose
distances were computed without themselves, p = (1 + number at least as far) / (n + 1), and the share of normal
repetitions with p <= rate is at most rate. Repetitions of one video are not exchangeable with those of another, so
every distance is computed without its whole video, and every video has the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats


@dataclass(frozen=True)
class Calibration:
    """Distances of normal repetitions, [n] ascending, with weights [n] that sum to 1, and the threshold they give."""

    distances: Floats
    weights: Floats
    threshold: float
    spread: float

    def p_value(self, distance: float) -> float:
        """0..1, the weighted share of normal repetitions that are at least as far, counting this one as one of them."""
        count = len(self.distances)
        beyond = float(self.weights[self.distances >= distance].sum())
        return min(1.0, (1.0 + count * beyond) / (count + 1.0))

    def score(self, distance: float) -> float:
        """0..1, 0.5 at the threshold; a typical normal repetition gets 0.1."""
        return float(1.0 / (1.0 + np.exp(-np.clip((distance - self.threshold) / self.spread, -50.0, 50.0))))


def calibrate(distances: Floats, groups: Sequence[str], rate: float) -> Calibration:
    """Calibrate on distances [n] of normal repetitions that were computed without their own group.

    Raises ValueError without any distance.
    """
    if len(distances) == 0:
        raise ValueError("Expected distances of normal repetitions to calibrate on, got none.")
    order = np.argsort(distances)
    names, inverse, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weights = (1.0 / (len(names) * sizes[inverse]))[order]
    ordered = np.asarray(distances, np.float64)[order]
    threshold = _threshold(ordered, weights, rate)
    middle = float(np.interp(0.5, np.cumsum(weights), ordered))
    spread = max((threshold - middle) / np.log(9.0), 1e-6)
    return Calibration(ordered.astype(np.float32), weights.astype(np.float32), threshold, spread)


def _threshold(ordered: NDArray[np.float64], weights: NDArray[np.float64], rate: float) -> float:
    """The distance that a share `rate` of normal repetitions exceeds, with a margin for how few were seen.

    Where fewer than 1 / rate repetitions are known the conformal quantile is infinite; the tail is then continued by
    the spread of what is known (log-normal, with the width of its own uncertainty).
    """
    count = len(ordered)
    level = (1.0 - rate) * (count + 1) / count
    quantile = float(np.interp(min(level, 1.0), np.cumsum(weights), ordered))
    if level < 1.0:
        return quantile
    logs = np.log(np.maximum(ordered, 1e-9))
    from scipy import stats

    width = float(stats.t.ppf(1.0 - rate, max(count - 1, 1))) if count > 1 else 3.0
    tail = float(np.exp(logs.mean() + width * max(float(logs.std(ddof=1)) if count > 1 else 0.2, 0.05)))
    return max(quantile, tail)
