"""What labelled anomalies of other videos teach about those of a new one, on SkeleMotion images: does it pay to learn?

    python benchmarks/labelled_anomalies.py --normal DIR --anomalous DIR [--draws 3]

The default's statistics judge each normal video by the others, as `deadlift evaluate anomaly --method statistics` does.
Beside that, with 1, 3 or 10 anomalous images of other videos than the one that is judged: weights of the blocks that
put these beyond the normal ones, and a logistic layer over how unusual groups of joints and moments are, added to the
distance. Printed: mean false alarms of unseen videos and recall at nominal rates of 5 and 10 %, and the AUROC.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.distances import deviation, distances, fit_normal_model
from pipeline.anomaly.features import Block, Blocks
from pipeline.anomaly.reference import ORDER, in_units, scales_of
from pipeline.learning.auroc import auroc
from pipeline.original.pictures import load_pictures, picture_blocks

Doubles = NDArray[np.float64]
_RATES = (0.05, 0.1)
_GROUPS = (6, 5)
"""Of joints and of moments."""
_FOLDS = 3
_PULL = 0.05
"""How strongly weights are held together: with four times as much the figures are the same."""
_STRENGTH, _SHARE = 0.01, 0.5
"""Of the logistic layer (C), and its share in the sum. C from 0.001 to 0.1 and shares to 1 were no better."""


@dataclass(frozen=True)
class Fold:
    """One normal video held out. groups: the videos of the R others. Of these (each without its own video), of the held
    images and of the A anomalous ones: logarithms of the blocks' distances [B, .], how unusual groups are [., G].
    """

    groups: list[str]
    own: Doubles
    held: Doubles
    odd: Doubles
    own_cells: Doubles
    held_cells: Doubles
    odd_cells: Doubles


def rows(blocks: Blocks, chosen: NDArray[np.bool_]) -> Blocks:
    return tuple(block.rows(np.flatnonzero(chosen)) for block in blocks)


def measured(blocks: Blocks, known: Blocks) -> tuple[Doubles, Doubles]:
    """Distances [B, N] of repetitions from known ones, and how unusual each group of theirs is [N, G]."""
    far, cells = [], []
    for block, its in zip(blocks, known, strict=True):
        model = fit_normal_model(its.values)
        far.append(distances(block.values, model))
        squares = np.stack([deviation(one.ravel(), model).reshape(one.shape) for one in block.values]).sum(axis=-1)
        cells += list(_pooled(block, squares))
    return np.stack(far).astype(np.float64), np.log(np.stack(cells, axis=1) + 1e-6).astype(np.float64)


def _pooled(block: Block, squares: NDArray[np.floating]) -> Iterator[Doubles]:
    for joints in np.array_split(np.arange(squares.shape[1]), _GROUPS[0]):
        for moments in np.array_split(np.arange(squares.shape[2]), _GROUPS[1]):
            yield squares[:, joints][:, :, moments].mean(axis=(1, 2))


def folds_of(normal: Blocks, names: NDArray[np.str_], odd: Blocks) -> list[Fold]:
    found = []
    for video in dict.fromkeys(names.tolist()):
        groups = names[names != video]
        scales = scales_of(rows(normal, names != video), groups.tolist())
        known, held, anomalous = (
            in_units(one, scales) for one in (rows(normal, names != video), rows(normal, names == video), odd)
        )
        own, own_cells = np.zeros((len(known), len(groups))), np.zeros((0, 0))
        for other in dict.fromkeys(groups.tolist()):
            mine = groups == other
            own[:, mine], cells = measured(rows(known, mine), rows(known, ~mine))
            own_cells = own_cells if own_cells.size else np.zeros((len(groups), cells.shape[1]))
            own_cells[mine] = cells
        usual = np.median(own, axis=1)[:, None]
        (far, far_cells), (beyond, beyond_cells) = (measured(one, known) for one in (held, anomalous))
        a, b, c = (np.log(one / usual) for one in (own, far, beyond))
        found.append(Fold(groups.tolist(), a, b, c, own_cells, far_cells, beyond_cells))
    return found


def joined(logarithms: Doubles, weights: Doubles) -> Doubles:
    """[N] the logarithm of the blocks' power mean with weights [B]."""
    result: Doubles = np.log((weights[:, None] * np.exp(ORDER * logarithms)).sum(axis=0)) / ORDER
    return result


def weighted(fold: Fold, examples: NDArray[np.intp], judged: NDArray[np.intp]) -> tuple[Doubles, Doubles, Doubles]:
    """Distances by weights that put the examples far beyond most of the normal ones, not far from equal ones."""

    def of(raw: Doubles) -> Doubles:
        weights = np.exp(raw - raw.max())
        return np.asarray(weights / weights.sum())

    def loss(raw: Doubles) -> float:
        own, odd = joined(fold.own, of(raw)), joined(fold.odd[:, examples], of(raw))
        beyond = (odd - np.quantile(own, 0.95)) / (own.std() + 1e-9)
        return float(np.log1p(np.exp(-2 * beyond)).mean() + _PULL * (raw**2).sum())

    raw = np.zeros(len(fold.own))
    if len(examples):
        raw = minimize(loss, raw, method="Nelder-Mead", options={"maxiter": 400}).x
    weights = of(raw)
    return joined(fold.own, weights), joined(fold.held, weights), joined(fold.odd[:, judged], weights)


def layered(fold: Fold, examples: NDArray[np.intp], judged: NDArray[np.intp]) -> tuple[Doubles, Doubles, Doubles]:
    """Distances, and beside them a logistic layer; the normal ones by one that has not learnt from their video."""
    plain = weighted(fold, np.zeros(0, np.intp), judged)
    mean, spread = fold.own_cells.mean(axis=0), fold.own_cells.std(axis=0)
    own, held, odd = ((one - mean) / spread for one in (fold.own_cells, fold.held_cells, fold.odd_cells))

    def layer(chosen: NDArray[np.bool_]) -> LogisticRegression:
        values = np.concatenate([own[chosen], odd[examples]])
        truth = np.r_[np.zeros(int(chosen.sum())), np.ones(len(examples))]
        return LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=500).fit(values, truth)

    videos = list(dict.fromkeys(fold.groups))
    part = np.array([videos.index(group) % _FOLDS for group in fold.groups])
    unseen = np.zeros(len(own))
    for number in range(_FOLDS):
        unseen[part == number] = layer(part != number).decision_function(own[part == number])
    whole, scale = layer(np.ones(len(own), bool)), plain[0].std()
    added = (unseen, whole.decision_function(held), whole.decision_function(odd[judged]))
    first, second, third = (
        far + _SHARE * scale * (one - unseen.mean()) / unseen.std() for far, one in zip(plain, added, strict=True)
    )
    return first, second, third


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--normal", type=Path, required=True)
    parser.add_argument("--anomalous", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3, help="random choices of examples, whose mean is printed")
    arguments = parser.parse_args()
    normal, odd = load_pictures(arguments.normal), load_pictures(arguments.anomalous)
    folds = folds_of(picture_blocks(normal), np.array(normal.groups), picture_blocks(odd))
    names, chance = np.array(odd.groups), np.random.default_rng(0)
    for kind, learn, counts in (("weights", weighted, (0, 1, 3, 10)), ("logistic layer", layered, (3, 10))):
        for count in counts:
            alarms: dict[float, list[float]] = {rate: [] for rate in _RATES}
            found: dict[float, list[float]] = {rate: [] for rate in _RATES}
            areas = []
            for _ in range(arguments.draws if count else 1):
                for video in dict.fromkeys(names.tolist()):
                    judged = np.flatnonzero(names == video)
                    examples = chance.choice(np.flatnonzero(names != video), count, replace=False)
                    for fold in folds:
                        own, held, beyond = learn(fold, examples, judged)
                        areas += [auroc(held, beyond)] * len(judged)
                        for rate in _RATES:
                            threshold = calibrate(np.exp(own).astype(np.float32), fold.groups, rate).threshold
                            alarms[rate].append(float((np.exp(held) >= threshold).mean()))
                            found[rate] += [float(one) for one in np.exp(beyond) >= threshold]
            at = "; ".join(
                f"at {rate:.0%} false alarms {np.mean(alarms[rate]):.1%}, recall {np.mean(found[rate]):.2f}"
                for rate in _RATES
            )
            print(f"{kind}, {count} labelled anomalies: {at}; AUROC {np.mean(areas):.3f}", flush=True)


if __name__ == "__main__":
    main()
