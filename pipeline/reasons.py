"""Why a repetition looks unusual: its distance taken apart by body part and phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.features import phase_of_bin
from pipeline.records import Floats, Phase, Reason

Cells = Sequence[tuple[tuple[str, ...], Floats]]
"""For each block the body part of each of its P rows, and [P, B] what every row and piece of time adds to a squared
distance."""
_MOST = 3
_LEAST_SHARE = 0.1


def reasons(cells: Cells, length: int) -> tuple[Reason, ...]:
    """The body parts and phases that carry a distance, strongest first; at most three, each a tenth or more.

    Only what exceeds a block's median cell counts: a little of everything is what normal repetitions have too.
    length: columns of the images that the cells come from.
    """
    phases = phase_of_bin(length)
    shares: dict[tuple[str, Phase], float] = {}
    for parts, values in cells:
        excess = np.clip(values - np.median(values), 0.0, None)
        for row, part in enumerate(parts):
            for column, phase in enumerate(phases):
                shares[part, phase] = shares.get((part, phase), 0.0) + float(excess[row, column])
    total = sum(shares.values())
    if total <= 0:
        return ()
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:_MOST]
    return tuple(Reason(part, phase, value / total) for (part, phase), value in ranked if value >= _LEAST_SHARE * total)
