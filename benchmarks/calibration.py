"""Whether the nominal false alarm rate holds on unseen videos, by the number of normal repetitions that are known.

    python benchmarks/calibration.py --normal DIR [--anomalous DIR] [--method both] [--draws 20]

DIR holds SkeleMotion pictures named VIDEO_rep_NUMBER...png. For each number of normals, videos are drawn at random
until they have so many repetitions; the method learns from these, and all others are judged. Units of drawn lifters'
pictures are known beforehand, as a base model knows those of its images. One video, another in each draw, is never
among the drawn ones: give as many draws as there are videos, or a multiple. Beside what is found at a nominal rate
stands what would be found at the threshold that has this rate on the unseen videos: no calibration does better.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.methods import METHODS, quarters_of
from pipeline.anomaly.reference import Scale, compare, fit_reference, in_units
from pipeline.config import Method
from pipeline.original.drawn import drawn_scales
from pipeline.original.pictures import load_pictures, picture_blocks

_RATES = (0.05, 0.1, 0.2)


class Result(NamedTuple):
    """The mean share of false alarms over unseen videos, the share of anomalies that are found, and the share that is
    found at the threshold that has the nominal rate on the unseen videos."""

    alarms: float
    found: float
    best: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--normal", type=Path, required=True)
    parser.add_argument("--anomalous", type=Path, help="to see how many anomalies are found as well")
    parser.add_argument("--method", choices=get_args(Method), default="both")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--counts", default="10,20,50,100,250", help="of normal repetitions")
    options = parser.parse_args()
    normal, scales = load_pictures(options.normal), drawn_scales()
    blocks, names = picture_blocks(normal), np.array(normal.groups)
    odd = picture_blocks(load_pictures(options.anomalous)) if options.anomalous else None
    kinds = ("false alarms", "found", "at best")
    table = Table("normals", *(f"{kind} at {rate:.0%}" for rate in _RATES for kind in kinds), title=options.method)
    for count in map(int, options.counts.split(",")):
        rng = np.random.default_rng([options.seed, count])
        results: dict[float, list[Result]] = defaultdict(list)
        least = len(names)
        for draw in range(options.draws):
            known = drawn(names, count, draw, rng)
            least = min(least, len(known))
            for rate, result in judged(blocks, odd, scales, names, known, options.method).items():
                results[rate].append(result)
        cells = []
        for rate in _RATES:
            alarms, found, best = zip(*results[rate], strict=True)
            cells.append(f"{np.mean(alarms):.1%} +- {np.std(alarms):.1%}")
            cells += [f"{np.mean(found):.0%}", f"{np.mean(best):.0%}"] if odd is not None else ["", ""]
        table.add_row(str(min(count, least)), *cells)
    Console(width=200).print(table)


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
    blocks: Blocks,
    odd: Blocks | None,
    scales: Sequence[Scale],
    names: np.ndarray,
    known: np.ndarray,
    method: Method,
) -> dict[float, Result]:
    """What a method that has learnt from the known repetitions says of all repetitions of other videos."""
    groups, quarter = names[known].tolist(), quarters_of(names[known].tolist())
    mine = tuple(block.rows(known) for block in blocks)
    learnt = METHODS[method].fit(mine, scales, groups, [quarter[group] for group in groups], 0, None)
    reference, own = fit_reference("normal", learnt.own, groups, np.full(1, np.nan, np.float32))
    unseen = np.flatnonzero(~np.isin(names, groups))
    views = learnt.representation.views
    far = compare(views(in_units(tuple(block.rows(unseen) for block in blocks), scales)), reference)
    faults = compare(views(in_units(odd, scales)), reference) if odd is not None else np.zeros(1)
    result = {}
    for rate in _RATES:
        threshold = calibrate(own, groups, rate).threshold
        alarms = [(far[names[unseen] == video] >= threshold).mean() for video in np.unique(names[unseen])]
        best = best_threshold(far, names[unseen], rate)
        result[rate] = Result(
            float(np.mean(alarms)), float((faults >= threshold).mean()), float((faults > best).mean())
        )
    return result


def best_threshold(far: np.ndarray, videos: np.ndarray, rate: float) -> float:
    """The distance that a share `rate` of the normal repetitions exceeds, at most, every video with the same weight."""
    _, inverse, sizes = np.unique(videos, return_inverse=True, return_counts=True)
    furthest = np.argsort(-far)
    share = np.cumsum(1.0 / (len(sizes) * sizes[inverse[furthest]]))
    return float(far[furthest[np.searchsorted(share, rate + 1e-9)]])


if __name__ == "__main__":
    main()
