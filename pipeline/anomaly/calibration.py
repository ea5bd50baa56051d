"""From a detector's own distance to a p-value, and to a score whose decision is at 0.5, by conformal prediction.

Conformal prediction (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 4.2) needs n
normal repetitions, the distance of each computed by a detector that has not learnt from it. The p-value of another
repetition is (1 + the number of those at least as far) / (n + 1). If it is exchangeable with them, its p-value is at
most r with a probability of at most r, whatever the distances are distributed like.

Repetitions of one video are more alike than those of different ones, that is, not exchangeable. Every distance is
therefore computed by a detector that has not learnt from the whole video, and all videos have the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

# The least number of (effective) repetitions beyond the threshold for which it is read off the distances themselves.
_TAIL = 3
# The least standard deviation within a video that is believed (of logarithms; of signed distances in their unit).
_LEAST_WIDTH = 0.05
# The prior for the standard deviation between videos (of logarithms; of signed distances in their unit), and the number
# of videos that it has the weight of. It is for two videos and more: who has only one has lengthened its distances
# already.
_BETWEEN = 0.05
_BETWEEN_VIDEOS = 2


@dataclass(frozen=True)
class Calibration:
    """What distances mean, by those of normal repetitions.

    distances: [n] of normal repetitions, ascending. videos: [n] the video of each, as a number from 0. threshold: the
    distance whose score is 0.5. spread: the distance over which the score changes (the scale of the logistic function).
    positive: distances are above zero and differ by ratios; otherwise they have either sign and differ by differences.
    """

    distances: Floats
    videos: NDArray[np.int32]
    threshold: float
    spread: float
    positive: bool = True

    def p_value(self, distance: float) -> float:
        """0..1, the share of normal repetitions that are at least as far, this one counted among them; every video has
        the same weight."""
        count = len(self.distances)
        beyond = float(_weights(self.videos)[self.distances >= distance].sum())
        return min(1.0, (1.0 + count * beyond) / (count + 1.0))

    def score(self, distance: float) -> float:
        """0..1 by a logistic function: 0.5 at the threshold; 0.1 at the median of normal repetitions, where the
        threshold is of the rate that was calibrated for."""
        return float(1.0 / (1.0 + np.exp(-np.clip((distance - self.threshold) / self.spread, -50.0, 50.0))))

    def at(self, rate: float) -> Calibration:
        """The same with the threshold of another nominal rate of false alarms, 0..1; a lower rate has no lower one.

        The spread stays: at a threshold near the median it would be next to nothing, and every score 0 or 1.
        """
        return replace(self, threshold=_threshold(self.distances, self.videos, rate, self.positive))


def calibrate(distances: Floats, groups: Sequence[str], rate: float, positive: bool = True) -> Calibration:
    """A calibration on normal repetitions.

    Args:
        distances: [n] of normal repetitions, each by a detector that has not learnt from its group.
        groups: [n] the video (or person) of each.
        rate: the nominal rate of false alarms, 0..1: the share of normal repetitions at or above the threshold.
        positive: distances are above zero and differ by ratios; otherwise they have either sign.

    Raises:
        ValueError: there is no distance.
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
    """The distance that a share `rate` of the normal repetitions of a new video exceeds.

    Repetitions of one video say less than as many of different ones: n repetitions, m of each video, have an effective
    number of n / (1 + (m - 1) icc), icc being the intraclass correlation (Kish, "Survey Sampling", 1965, section 5.4).

    Where at least `_TAIL` effective repetitions lie above it, the threshold is the conformal quantile. With fewer it
    would be a matter of luck; then distances (their logarithms, if positive) are taken for normally distributed, and
    the threshold is the upper end of a prediction interval by Student's t. Its width is of the variance within and
    between videos, its degrees of freedom are Satterthwaite's ("An approximate distribution of estimates of variance
    components", Biometrics Bulletin 2, 1946). It is no lower than the quantile of the lowest rate that has one: where
    tails are heavier than a normal distribution's, fewer false alarms would otherwise have a lower threshold.
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
    least = _TAIL / effective
    level = (1.0 - max(rate, least)) * (effective + 1) / effective
    quantile = float(np.interp(level, np.cumsum(_weights(videos)), ordered)) if least < 1.0 else -np.inf
    if rate >= least:
        return quantile
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes half a second to import

    freedom = (within + between) ** 2 / (within**2 / freedom_within + between**2 / freedom_between)
    width = np.sqrt(within * (1 + float(np.mean(1 / sizes)) / families) + between * (1 + 1 / families))
    tail = float(means.mean() + stdtrit(freedom, 1.0 - rate) * width)
    return max(float(np.exp(tail)) if positive else tail, quantile)
