"""Repetitions of one video compared with each other, which needs no model of the lifter.

A repetition is compared with its nearest half only: a video that shows two views has two kinds of repetitions, and
neither is unusual for being unlike the other kind. How far it is from those is taken as a multiple of how far they are
from their own nearest ones. That is the local outlier factor (Breunig, Kriegel, Ng, Sander, "LOF: Identifying
Density-Based Local Outliers", SIGMOD 2000, section 4), simplified: mean distances take the place of reachability
densities, and the neighbours' median that of their mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import Blocks, added_by_rows
from pipeline.anomaly.reference import ORDER, flattened
from pipeline.records import Floats


def compare_within_video(blocks: Blocks) -> Floats:
    """[N] how far each repetition of a video is from the nearest others, as a multiple of how far those are from
    theirs; about 1 for an ordinary one. Expects three repetitions or more, in units."""
    ratios = []
    for block in blocks:
        apart, order = _neighbours(flattened(block))
        own = np.take_along_axis(apart, order, axis=1).mean(axis=1)
        ratios.append(own / np.maximum(np.median(own[order], axis=1), 1e-9))
    joined: Floats = ((np.array(ratios) ** ORDER).mean(axis=0) ** (1 / ORDER)).astype(np.float32)
    return joined


def within_video_cells(blocks: Blocks) -> list[list[tuple[tuple[str, ...], Floats]]]:
    """For each repetition and block the body part of every row, and what each cell [P, B] adds to its distance."""
    shares: list[list[tuple[tuple[str, ...], Floats]]] = [[] for _ in blocks[0].values]
    for block in blocks:
        flat = flattened(block)
        apart, order = _neighbours(flat)
        own = np.take_along_axis(apart, order, axis=1).mean(axis=1)
        for index, cells in enumerate(shares):
            squares = ((flat[order[index]] - flat[index]) ** 2).mean(axis=0).reshape(block.values.shape[1:])
            usual = max(float(np.median(own[order[index]])), 1e-9)
            cells.append((block.parts, (added_by_rows(squares, block.name) / usual**2).astype(np.float32)))
    return shares


def _neighbours(flat: Floats) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances [N, N] between repetitions, and the indices [N, k] of the nearest half of the others."""
    # Row by row: all differences at once are a gigabyte for the hundreds of repetitions of an hour.
    apart = np.sqrt(np.stack([((flat - row) ** 2).mean(axis=-1) for row in flat])).astype(np.float64)
    np.fill_diagonal(apart, np.inf)
    return apart, np.argsort(apart, axis=1)[:, : max(2, len(flat) // 2)]
