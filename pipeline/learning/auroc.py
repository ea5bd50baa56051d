"""The area under the ROC curve, by the formula: the gate and the evaluation take it of hundreds of resamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def auroc(normal: Doubles, anomalous: Doubles) -> float:
    """The chance that an anomalous repetition scores higher than a normal one, ties counted half.

    The Mann-Whitney statistic over the number of pairs (Hanley and McNeil, Radiology 1982), 0..1.
    """
    ordered = np.sort(normal)
    below, up_to = (np.searchsorted(ordered, anomalous, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2.0 * len(normal)))
