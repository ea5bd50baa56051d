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

_TAIL = 3
_LEAST_WIDTH = 0.05
# What is taken for the difference between videos before many are seen: a tenth (of lengths; of the unit of distances
# that have a sign), which counts as much as one video does. Distances within a single video must have been lengthened
# by it already.
_BETWEEN = 0.1
_BETWEEN_VIDEOS = 1


@dataclass(frozen=True)
class Calibration:
    """Distances of normal repetitions, [n] ascending, the video [n] of each as a number from 0, and the threshold and
    the width of the score's slope that they give. `positive`: distances are above zero and vary by ratios."""

    distances: Floats
    videos: NDArray[np.int32]
    threshold: float
    spread: float
    positive: bool = True

    def p_value(self, distance: float) -> float:
        """0..1, the weighted share of normal repetitions that are at least as far, counting this one as one of them."""
        count = len(self.distances)
        beyond = float(_weights(self.videos)[self.distances >= distance].sum())
        return min(1.0, (1.0 + count * beyond) / (count + 1.0))

    def score(self, distance: float) -> float:
        """0..1, 0.5 at the threshold; a typical normal repetition gets 0.1."""
        return float(1.0 / (1.0 + np.exp(-np.clip((distance - self.threshold) / self.spread, -50.0, 50.0))))


def calibrate(distances: Floats, groups: Sequence[str], rate: float, positive: bool = True) -> Calibration:
    """Calibrate on distances [n] of normal repetitions that were computed without their own group.

    positive: distances are lengths, which differ by ratios; else they have either sign, and differ by differences.
    Raises ValueError without any distance.
    """
    if len(distances) == 0:
        raise ValueError("Expected distances of normal repetitions to calibrate on, got none.")
    order = np.argsort(distances)
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    videos = inverse[order].astype(np.int32)
    ordered = np.asarray(distances, np.float32)[order]
    threshold = _threshold(ordered, videos, rate, positive)
    middle = float(np.interp(0.5, np.cumsum(_weights(videos)), ordered))
    spread = max((threshold - middle) / np.log(9.0), 1e-6)
    return Calibration(ordered, videos, threshold, spread, positive)


def with_more(known: Calibration, distances: Floats, groups: Sequence[str], rate: float) -> Calibration:
    """Calibrated on further distances [n] of other groups as well."""
    names = [f"known-{video}" for video in known.videos] + [f"new-{group}" for group in groups]
    return calibrate(np.concatenate([known.distances, distances]), names, rate, known.positive)


def _weights(videos: NDArray[np.int32]) -> Floats:
    """[n] summing to 1, the same for every video."""
    _, inverse, sizes = np.unique(videos, return_inverse=True, return_counts=True)
    weights: Floats = (1.0 / (len(sizes) * sizes[inverse])).astype(np.float32)
    return weights


def _threshold(ordered: Floats, videos: NDArray[np.int32], rate: float, positive: bool) -> float:
    """The distance that a share `rate` of normal repetitions of a video not seen exceeds.

    Repetitions of one video say less than as many of different ones: n of them count as n / (1 + (m - 1) icc), m of
    each video, with the intraclass correlation icc (Kish, "Survey Sampling", 1965, section 5.4). The conformal
    quantile needs several of these beyond itself to be more than luck: it is used where at least `_TAIL` are. With
    fewer, the tail of a (log-)normal is taken, as wide as the spread within and between videos leaves it uncertain: a
    prediction interval by Student's t, its degrees of freedom after Satterthwaite, "An approximate distribution of
    estimates of variance components", Biometrics Bulletin 2 (1946).
    """
    values = ordered.astype(np.float64)
    values = np.log(np.maximum(values, 1e-9)) if positive else values
    _, of_video, sizes = np.unique(videos, return_inverse=True, return_counts=True)
    count, families = len(values), len(sizes)
    means = np.bincount(of_video, values) / sizes
    freedom_within = max(count - families, 1)
    within = max(float(((values - means[of_video]) ** 2).sum()) / freedom_within, _LEAST_WIDTH**2)
    seen = max(float(means.var(ddof=1)) - within * float(np.mean(1 / sizes)), 0.0) if families > 1 else 0.0
    freedom_between = _BETWEEN_VIDEOS + families - 1
    between = (_BETWEEN_VIDEOS * _BETWEEN**2 + (families - 1) * seen) / freedom_between if families > 1 else 0.0
    alike = between / (between + within)
    effective = count / (1 + (count / families - 1) * alike)
    if effective * rate >= _TAIL:
        level = (1.0 - rate) * (effective + 1) / effective
        return float(np.interp(level, np.cumsum(_weights(videos)), ordered))
    from scipy import stats

    freedom = (within + between) ** 2 / (within**2 / freedom_within + between**2 / freedom_between)
    width = np.sqrt(within * (1 + float(np.mean(1 / sizes)) / families) + between * (1 + 1 / families))
    tail = float(means.mean() + stats.t.ppf(1.0 - rate, freedom) * width)
    return float(np.exp(tail)) if positive else tail
