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

_TAIL = 5
_LEAST_WIDTH = 0.05


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
    _, inverse, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    videos = inverse[order]
    weights = (1.0 / (len(sizes) * sizes[videos])).astype(np.float32)
    ordered = np.asarray(distances, np.float32)[order]
    threshold = _threshold(ordered, weights, videos, rate)
    middle = float(np.interp(0.5, np.cumsum(weights), ordered))
    spread = max((threshold - middle) / np.log(9.0), 1e-6)
    return Calibration(ordered, weights, threshold, spread)


def _threshold(ordered: Floats, weights: Floats, videos: NDArray[np.intp], rate: float) -> float:
    """The distance that a share `rate` of normal repetitions of a video not seen exceeds.

    The conformal quantile needs several repetitions beyond itself to be more than luck: it is used where at least
    `_TAIL` of them are. With fewer, the tail of a log-normal is taken, as wide as the spread within and between videos
    leaves it uncertain: a prediction interval by Student's t, its degrees of freedom after Satterthwaite, "An
    approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946).
    """
    count, families = len(ordered), len(set(videos.tolist()))
    if count * rate >= _TAIL:
        return float(np.interp((1.0 - rate) * (count + 1) / count, np.cumsum(weights), ordered))
    from scipy import stats

    logs = np.log(np.maximum(ordered.astype(np.float64), 1e-9))
    means = np.array([logs[videos == video].mean() for video in sorted(set(videos.tolist()))])
    own = (logs - means[videos]) ** 2
    within = float(own.sum() / max(count - families, 1))
    between = max(float(means.var(ddof=1)) - within * families / count, 0.0) if families > 1 else 0.0
    within = max(within, _LEAST_WIDTH**2)
    freedom = (within + between) ** 2 / (within**2 / max(count - families, 1) + between**2 / max(families - 1, 1))
    width = np.sqrt(within * (1 + 1 / count) + between * (1 + 1 / families))
    return float(np.exp(means.mean() + stats.t.ppf(1.0 - rate, max(freedom, 1.0)) * width))
