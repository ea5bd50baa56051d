"""Why a repetition looks unusual: its distance taken apart by body part and phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.records import Floats, Phase, Reason

_MOST = 3
_LEAST_SHARE = 0.1


def reasons(cells: Floats, parts: Sequence[str], phases: Sequence[Phase]) -> tuple[Reason, ...]:
    """The body parts and phases that carry a distance, strongest first; at most three, each a tenth or more.

    cells [P, B]: what each row (its body part in `parts`) and piece of time (its phase in `phases`) adds to the
    squared distance. Only what exceeds a cell's ordinary share counts: the sum over the body is large for everyone.
    """
    excess = np.clip(cells - np.median(cells), 0.0, None)
    total = float(excess.sum())
    if total <= 0:
        return ()
    shares: dict[tuple[str, Phase], float] = {}
    for row, part in enumerate(parts):
        for column, phase in enumerate(phases):
            shares[part, phase] = shares.get((part, phase), 0.0) + float(excess[row, column]) / total
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:_MOST]
    return tuple(Reason(part, phase, share) for (part, phase), share in ranked if share >= _LEAST_SHARE)
