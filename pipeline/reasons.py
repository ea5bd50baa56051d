"""Why a repetition looks unusual: its distance taken apart by body part and phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.features import PARTS_OF_WALK, phase_of_bin
from pipeline.records import Floats, Phase, Reason

Cells = Sequence[tuple[tuple[str, ...], Floats]]
"""For each block the body part of each of its P rows, and [P, B] what every row and piece of time adds to a squared
distance."""
_MOST = 3
_LEAST_SHARE = 0.1


def reasons(cells: Cells, length: int) -> tuple[Reason, ...]:
    """The body parts and phases that carry a distance, strongest first; at most two after the first.

    length: columns of the images that the cells come from.
    """
    phases = phase_of_bin(length)
    shares: dict[tuple[str, Phase], float] = {}
    for part, excess in _excess(cells):
        for value, phase in zip(excess, phases, strict=True):
            shares[part, phase] = shares.get((part, phase), 0.0) + float(value)
    total = sum(shares.values())
    if total <= 0:
        return ()
    ranked = sorted(((value / total, *where) for where, value in shares.items()), reverse=True)[:_MOST]
    return tuple(
        Reason(part, phase, share)
        for rank, (share, part, phase) in enumerate(ranked)
        if rank == 0 or share >= _LEAST_SHARE
    )


def heat_over_walk(cells: Cells, length: int) -> Floats:
    """[45, L] in 0..1, the same laid over the rows and columns of a SkeleMotion image: every row of the walk shows what
    its body part adds."""
    heat = np.zeros((len(PARTS_OF_WALK), length), np.float64)
    for part, excess in _excess(cells):
        columns = np.repeat(excess, length // len(excess))
        heat[[index for index, name in enumerate(PARTS_OF_WALK) if name == part], : len(columns)] += columns
    highest = float(heat.max())
    return (heat / highest if highest > 0 else heat).astype(np.float32)


def _excess(cells: Cells) -> Iterator[tuple[str, Floats]]:
    """For each block and body part what it adds [B] beyond the block's median cell (a little of everything is what
    normal repetitions have too), as a mean over its rows: arms have more joints than a head."""
    for parts, values in cells:
        excess = np.clip(values - np.median(values), 0.0, None)
        for part in dict.fromkeys(parts):
            yield part, excess[[index for index, name in enumerate(parts) if name == part]].mean(axis=0)
