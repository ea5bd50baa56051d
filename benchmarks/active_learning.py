"""How many labels does a good model need, in which order they are given? A simulation of the learning loop.

    python benchmarks/active_learning.py --pictures DIR [--seeds 10]
    python benchmarks/active_learning.py --groundtruth FILE --videos DIR --cache DIR [--seeds 10]

DIR of --pictures holds SkeleMotion pictures in `normal` and `anomaly`. A person labels one whole video after the other;
the model is retrained more often than the server does it, which is in favour of the orders that follow the model:

- random,
- as imported: by name, which is what Label Studio does by itself,
- most repetitions: the video with the most of them first, which needs no model,
- uncertainty: the lowest confidence first, as the server computes it,
- diverse: as Label Studio does where predictions carry a cluster: the cluster with the fewest labelled videos first,
  and of that the lowest confidence.

Judged on videos that are never labelled (five folds, or each video in turn where they are few). Every run has another
four fifths of the rest to label, the same for all orders; intervals are 95 %, over runs. Needed are the labels from
which on the AUROC stays at or above 95 % of what all labels give.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backend.commands.landmarks import video_pose
from pipeline.anomaly.appearance import appearance_of, clusters_of
from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.reference import compare, fit_reference, in_units, scales_of
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.evaluation.anomaly import auroc, duration_baseline
from pipeline.learning import training
from pipeline.learning.samples import labelled_samples
from pipeline.original.pictures import load_pictures, picture_blocks
from pipeline.synthetic.samples import synthetic_samples

Doubles = NDArray[np.float64]
Judge = Callable[[frozenset[int]], Sequence[Doubles]]
"""Videos whose labels are known -> of every video the scores of its repetitions."""
Order = Callable[["Pool", Sequence[int], Sequence[int], Sequence[Doubles], np.random.Generator], int]
"""The pool, labelled and unlabelled videos, everybody's scores -> which unlabelled video is next."""

RATE = 0.05
SHARE = 0.95
FOLDS = 5
KEPT = 0.8
"""Of the videos that are not held out, so many are there to be labelled: other ones in every run."""
RETRAINED = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12)
"""Labelled videos after which there is a new model; the last one comes of them all."""
FEW = 15
"""Up to so many videos, each is a fold of its own."""
PICTURE_CLUSTERS = 5
DRAWN_VIDEOS = 100


@dataclass(frozen=True)
class Pool:
    """Videos in the order of their import: truth of each one's repetitions (True: anomalous), and its cluster.

    trivial: AUROC of scores that need no label at all.
    """

    truths: tuple[NDArray[np.bool_], ...]
    clusters: tuple[int, ...]
    judge: Judge
    trivial: dict[str, float]


@dataclass(frozen=True)
class Curve:
    """At each retraining how many videos and repetitions (mean over folds) are labelled, and the AUROC."""

    videos: NDArray[np.int64]
    reps: Doubles
    auroc: Doubles

    @property
    def needed(self) -> int:
        """The retraining from which on the AUROC stays at SHARE of the last one or above."""
        below = np.flatnonzero(self.auroc < SHARE * self.auroc[-1])
        return int(below[-1]) + 1 if len(below) else 0

    @property
    def mean(self) -> float:
        """The AUROC on the way, every video with the same weight."""
        return float(np.trapz(self.auroc, self.videos) / self.videos[-1])


def as_imported(
    pool: Pool, labelled: Sequence[int], rest: Sequence[int], scores: Sequence[Doubles], rng: np.random.Generator
) -> int:
    return min(rest)


def random(
    pool: Pool, labelled: Sequence[int], rest: Sequence[int], scores: Sequence[Doubles], rng: np.random.Generator
) -> int:
    return int(rng.choice(rest))


def uncertainty(
    pool: Pool, labelled: Sequence[int], rest: Sequence[int], scores: Sequence[Doubles], rng: np.random.Generator
) -> int:
    luck = rng.permutation(len(rest))
    return min(zip(rest, luck, strict=True), key=lambda item: (confidence(scores[item[0]]), item[1]))[0]


def most_repetitions(
    pool: Pool, labelled: Sequence[int], rest: Sequence[int], scores: Sequence[Doubles], rng: np.random.Generator
) -> int:
    return max(rest, key=lambda video: len(pool.truths[video]))


def diverse(
    pool: Pool, labelled: Sequence[int], rest: Sequence[int], scores: Sequence[Doubles], rng: np.random.Generator
) -> int:
    solved = [pool.clusters[video] for video in labelled]
    fewest = min(solved.count(pool.clusters[video]) for video in rest)
    return uncertainty(pool, labelled, [v for v in rest if solved.count(pool.clusters[v]) == fewest], scores, rng)


ORDERS: dict[str, Order] = {
    "random": random,
    "as imported": as_imported,
    "most repetitions": most_repetitions,
    "uncertainty": uncertainty,
    "diverse": diverse,
}


def confidence(scores: Doubles) -> float:
    """As of a prediction in Label Studio, without what is about the cuts: how clear the least clear repetition is."""
    return float(np.abs(2.0 * scores - 1.0).min())


def pictures_pool(folder: Path) -> Pool:
    """Pictures judged as `evaluate anomaly` does, by the videos called normal; chance before there are any.

    Their clusters are by the mean picture of each video: the pictures do not tell lifter and camera.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    normal, odd = load_pictures(folder / "normal"), load_pictures(folder / "anomaly")
    blocks = tuple(
        type(a)(a.name, np.concatenate([a.values, b.values]), a.parts)
        for a, b in zip(picture_blocks(normal), picture_blocks(odd), strict=True)
    )
    names = [*normal.groups, *odd.groups]
    anomalous = np.r_[np.zeros(len(normal.groups), bool), np.ones(len(odd.groups), bool)]
    videos = list(dict.fromkeys(names))
    rows = [np.flatnonzero(np.array(names) == video) for video in videos]

    @cache
    def judge(labelled: frozenset[int]) -> Sequence[Doubles]:
        known = [row for video in sorted(labelled) for row in rows[video] if not anomalous[row]]
        if len(known) < 3:
            return [np.full(len(mine), 0.5) for mine in rows]
        groups = [names[row] for row in known]
        comparable = in_units(blocks, scales_of(tuple(block.rows(known) for block in blocks), groups))
        mine = tuple(block.rows(known) for block in comparable)
        reference, own = fit_reference("normal", mine, groups, np.full(1, np.nan, np.float32))
        calibration = calibrate(own, groups, RATE)
        scores = np.array([calibration.score(float(raw)) for raw in compare([comparable], reference)])
        return [scores[mine] for mine in rows]

    means = np.stack([np.concatenate([block.values[mine].mean(axis=0).ravel() for block in blocks]) for mine in rows])
    clusters = fcluster(linkage(means, method="ward"), PICTURE_CLUSTERS, criterion="maxclust")
    far = duration_baseline(np.r_[normal.frames, odd.frames], anomalous)
    static = auroc(normal.static_share, odd.static_share)
    return Pool(
        tuple(anomalous[mine] for mine in rows),
        tuple(int(cluster) for cluster in clusters),
        lambda labelled: judge(frozenset(video for video in labelled if not anomalous[rows[video]].all())),
        {"share of static pixels": static, "duration": auroc(far[~anomalous], far[anomalous])},
    )


def clips_pool(groundtruth: Path, videos: Path, cache_folder: Path | None) -> Pool:
    """Clips judged by what a base model learns from those called normal; clusters are the server's.

    The base is of drawn lifters alone: the shipped one may have learnt from these very clips.
    """
    samples = labelled_samples(groundtruth, videos, lambda path: video_pose(path, cache_folder))
    base = training.train(synthetic_samples(DRAWN_VIDEOS, seed=0), TrainConfig())[0]
    names = list(dict.fromkeys(sample.group for sample in samples))
    of_video = [[sample for sample in samples if sample.group == name] for name in names]

    @cache
    def judge(labelled: frozenset[int]) -> Sequence[Doubles]:
        known = [sample for video in sorted(labelled) for sample in of_video[video] if sample.label == "normal"]
        try:
            detector = training.train(known, TrainConfig(), base=base)[0]
        except DatasetError:
            detector = base
        return [np.array([one.score for one in detector.score(m[0].pose, [s.rep for s in m])]) for m in of_video]

    anomalous = [np.array([sample.label == "anomalous" for sample in mine]) for mine in of_video]
    truth = np.concatenate(anomalous)
    looks = [appearance_of(mine[0].pose, [sample.rep for sample in mine], base.config.encode) for mine in of_video]
    far = duration_baseline(np.array([sample.rep.duration_s for mine in of_video for sample in mine]), truth)
    return Pool(
        tuple(anomalous),
        clusters_of(looks, base.config.setting_distance),
        lambda labelled: judge(frozenset(video for video in labelled if not anomalous[video].all())),
        {"duration": auroc(far[~truth], far[truth])},
    )


def simulate(pool: Pool, order: Order, seed: int) -> Curve:
    """Label all videos of a pool, one after the other, for each fold; a seed has the same pools for all orders."""
    split, luck = np.random.default_rng(seed), np.random.default_rng(seed)
    folds = []
    for fold in held_out(pool, split):
        others = [video for video in range(len(pool.truths)) if video not in fold]
        folds.append((fold, sorted(split.choice(others, round(KEPT * len(others)), replace=False).tolist())))
    size = min(len(kept) for _, kept in folds)
    steps = [step for step in RETRAINED if step < size] + [size]
    reps = np.zeros(len(steps))
    judged: list[list[tuple[Doubles, NDArray[np.bool_]]]] = [[] for _ in steps]
    for fold, kept in folds:
        labelled: list[int] = []
        for number, step in enumerate(steps):
            scores = pool.judge(frozenset(labelled))
            judged[number] += [(scores[video], pool.truths[video]) for video in fold]
            reps[number] += sum(len(pool.truths[video]) for video in labelled) / len(folds)
            while len(labelled) < (steps[number + 1] if step < size else size):
                rest = [video for video in kept if video not in labelled]
                labelled.append(order(pool, labelled, rest, scores, luck))
    curve = []
    for parts in judged:
        scored, truth = (np.concatenate(one) for one in zip(*parts, strict=True))
        curve.append(auroc(scored[~truth], scored[truth]))
    return Curve(np.array(steps), reps, np.array(curve))


def held_out(pool: Pool, rng: np.random.Generator) -> list[list[int]]:
    """The folds; videos with anomalies are spread over them."""
    videos = np.arange(len(pool.truths))
    if len(videos) <= FEW:
        return [[video] for video in videos.tolist()]
    odd = np.array([truth.any() for truth in pool.truths])
    shuffled = np.concatenate([rng.permutation(videos[odd]), rng.permutation(videos[~odd])]).tolist()
    return [shuffled[first::FOLDS] for first in range(FOLDS)]


def report(name: str, pool: Pool, seeds: int) -> None:
    console = Console(highlight=False, width=110)
    progress = Console(stderr=True)
    curves = {
        label: [simulate(pool, order, seed) for seed in track(range(seeds), f"{name}: {label}", console=progress)]
        for label, order in ORDERS.items()
    }
    full = np.mean([curve.auroc[-1] for curve in curves["random"]])
    none = np.mean([curve.auroc[0] for curve in curves["random"]])
    videos, reps = len(pool.truths), sum(map(len, pool.truths))
    console.print(f"\n{name}: {videos} videos, {reps} repetitions, {len(set(pool.clusters))} clusters, {seeds} seeds")
    trivial = ", ".join(f"{label} {value:.2f}" for label, value in pool.trivial.items())
    console.print(f"AUROC with all labels {full:.3f}, with none {none:.3f}; of trivial scores: {trivial}")
    table = Table("order", "videos", "repetitions", "mean AUROC", "videos saved", "repetitions saved", box=box.SIMPLE)
    verdicts = []
    chance = curves["random"]
    for label, found in curves.items():
        saved = [of(chance) - of(found) for of in (videos_needed, reps_needed)]
        table.add_row(
            label,
            shown(videos_needed(found)),
            shown(reps_needed(found)),
            f"{np.mean([curve.mean for curve in found]):.3f}",
            *(("", "") if label == "random" else map(shown, saved)),
        )
        if label != "random":
            verdicts.append(f"{label}: {verdict(saved[0])} videos, {verdict(saved[1])} repetitions.")
    console.print(
        f"Needed for {SHARE:.0%} of the AUROC with all labels, and saved against random order (95 % interval):"
    )
    console.print(table)
    console.print("\n".join(verdicts))


def videos_needed(curves: Sequence[Curve]) -> Doubles:
    return np.array([curve.videos[curve.needed] for curve in curves], float)


def reps_needed(curves: Sequence[Curve]) -> Doubles:
    return np.array([curve.reps[curve.needed] for curve in curves])


def verdict(saved: Doubles) -> str:
    low, high = interval(saved)
    return "fewer" if low > 0 else "more" if high < 0 else "no fewer"


def interval(values: Doubles) -> tuple[float, float]:
    """The 95 % interval of the mean, by resampling seeds."""
    draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def shown(values: Doubles) -> str:
    low, high = interval(values)
    return f"{values.mean():.1f} ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder with `normal` and `anomaly`")
    parser.add_argument("--groundtruth", type=Path, help="JSON list of labelled videos")
    parser.add_argument("--videos", type=Path, help="folder of the videos that it names")
    parser.add_argument("--cache", type=Path, help="folder in which landmarks are kept")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.pictures is not None:
        report("pictures", pictures_pool(options.pictures), options.seeds)
    if options.groundtruth is not None:
        folder = options.videos or options.groundtruth.parent
        report("clips", clips_pool(options.groundtruth, folder, options.cache), options.seeds)


if __name__ == "__main__":
    main()
