"""Whether the nominal false alarm rate holds on unseen videos, by the number of normal repetitions that are known.

    python benchmarks/calibration.py --normal DIR [--anomalous DIR] [--draws 20]

DIR holds SkeleMotion pictures named VIDEO_rep_NUMBER...png. For each number of normals, videos are drawn at random
until they have so many repetitions; a detector learns from these and judges all others. One video, another in
each draw, is never among the drawn ones: give as many draws as there are videos.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.reference import compare, fit_reference, in_units, scales_of
from pipeline.original.pictures import load_pictures, picture_blocks

_NORMALS = (10, 20, 50, 100, 250)
_RATES = (0.05, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--normal", type=Path, required=True)
    parser.add_argument("--anomalous", type=Path, help="to see how many anomalies are found as well")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    normal = load_pictures(options.normal)
    blocks, names = picture_blocks(normal), np.array(normal.groups)
    odd = picture_blocks(load_pictures(options.anomalous)) if options.anomalous else None
    table = Table("normals", *(f"{kind} at {rate:.0%}" for rate in _RATES for kind in ("false alarms", "found")))
    for count in _NORMALS:
        rng = np.random.default_rng([options.seed, count])
        alarms: dict[float, list[float]] = defaultdict(list)
        found: dict[float, list[float]] = defaultdict(list)
        least = len(names)
        for draw in range(options.draws):
            known = drawn(names, count, draw, rng)
            least = min(least, len(known))
            for rate, (false, true) in judged(blocks, odd, names, known).items():
                alarms[rate].append(false)
                found[rate].append(true)
        cells = [
            text
            for rate in _RATES
            for text in (
                f"{np.mean(alarms[rate]):.1%} +- {np.std(alarms[rate]):.1%}",
                f"{np.mean(found[rate]):.0%}" if odd is not None else "",
            )
        ]
        table.add_row(str(min(count, least)), *cells)
    Console().print(table)


def drawn(names: np.ndarray, count: int, draw: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of `count` repetitions of videos drawn at random, but not of the draw's own video."""
    known: list[int] = []
    videos = np.unique(names)
    for video in rng.permutation(np.delete(videos, draw % len(videos))):
        known += rng.permutation(np.flatnonzero(names == video)).tolist()
        if len(known) >= count:
            break
    return np.sort(np.array(known[:count]))


def judged(
    blocks: Blocks, odd: Blocks | None, names: np.ndarray, known: np.ndarray
) -> dict[float, tuple[float, float]]:
    """For each rate the mean share of false alarms over unseen videos, and the share of anomalies that are found."""
    groups = names[known].tolist()
    scales = scales_of(tuple(block.rows(known) for block in blocks), groups)
    blocks = in_units(blocks, scales)
    mine = tuple(block.rows(known) for block in blocks)
    reference, own = fit_reference("normal", mine, groups, np.full(1, np.nan, np.float32))
    unseen = np.flatnonzero(~np.isin(names, np.unique(names[known])))
    far = compare([tuple(block.rows(unseen) for block in blocks)], reference)
    faults = compare([in_units(odd, scales)], reference) if odd is not None else np.zeros(1)
    result = {}
    for rate in _RATES:
        threshold = calibrate(own, groups, rate).threshold
        videos = [(far[names[unseen] == video] >= threshold).mean() for video in np.unique(names[unseen])]
        result[rate] = float(np.mean(videos)), float((faults >= threshold).mean())
    return result


if __name__ == "__main__":
    main()
