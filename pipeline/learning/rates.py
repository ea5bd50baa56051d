"""What nominal rates of false alarms come to on videos that a detector has not learnt from: false alarms and recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Nominal rates of false alarms for a table of what each comes to."""
ENOUGH_NORMALS, ENOUGH_ANOMALIES = 30, 10
"""With fewer, rates would have to differ by more than half for chance to be ruled out."""


def are_enough(normals: float, anomalies: float) -> bool:
    """Whether so many repetitions of unseen videos say anything about a detector."""
    return normals >= ENOUGH_NORMALS and anomalies >= ENOUGH_ANOMALIES


@dataclass(frozen=True)
class UnseenAtRate:
    """What a nominal rate comes to on unseen videos.

    false_alarms: 0..1, of each video the share of its normal repetitions that are flagged, on average over videos; None
    without a normal one. recall: 0..1, the share of the anomalous ones that are; None without one. normals, videos,
    anomalies: how many normal repetitions of how many videos, and how many anomalous ones, these are shares of.
    """

    rate: float
    false_alarms: float | None
    recall: float | None
    normals: int
    videos: int
    anomalies: int


def unseen_at_rates(
    rates: Sequence[float], flagged: NDArray[np.bool_], truth: NDArray[np.bool_], groups: NDArray[np.str_]
) -> tuple[UnseenAtRate, ...]:
    """What each rate comes to.

    Args:
        rates: R nominal rates of false alarms, 0..1.
        flagged: [R, N] which repetitions are flagged at each.
        truth: [N] which are anomalous.
        groups: [N] the video of each.
    """
    of_video = [(groups == name) & ~truth for name in np.unique(groups[~truth])]
    found = []
    for rate, row in zip(rates, flagged, strict=True):
        alarms = round(float(np.mean([row[mine].mean() for mine in of_video])), 4) if of_video else None
        recall = round(float(row[truth].mean()), 4) if truth.any() else None
        found.append(UnseenAtRate(rate, alarms, recall, int((~truth).sum()), len(of_video), int(truth.sum())))
    return tuple(found)
