"""Does the confidence rank clips with errors first? Clips and degraded copies of them, AUROC for "has an error".

    python benchmarks/rep_confidence.py --groundtruth FILE --videos DIR --cache DIR [--seed 0]

An error is a wrong count or a boundary off by more than 0.3 s. Copies: pictures blurred, darkened with noise, shrunk
(a distant lifter), mirrored, with the head out of the picture at lockout, with the feet out of it; and landmarks
dropped in bursts or sampled at half the rate. Pictures are changed before the pose network sees them, so that the
network makes its own mistakes. The table also shows F1 for every kind of copy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import roc_auc_score

from pipeline import synthetic
from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.evaluation.reps import ClipResult, evaluate_reps, load_groundtruth
from pipeline.landmarks import INDEX
from pipeline.media import reading
from pipeline.media.reading import SampledFrame, shrunk
from pipeline.pose.cache import PoseCache
from pipeline.pose.estimation import estimate_samples
from pipeline.pose.estimator import open_estimator
from pipeline.records import Floats, Pose
from pipeline.reps import segment

Picture = NDArray[np.uint8]
Change = Callable[[Picture], Picture]

BOUNDARY_ERROR_S = 0.3
_DISTANT = 0.35


def changed(samples: Iterable[SampledFrame], change: Change, side: int) -> Iterator[SampledFrame]:
    """The samples with their pictures, of a longer side of `side` pixels at most, changed: no more detail is left."""
    for sample in samples:
        picture = np.ascontiguousarray(change(sample.shrunk(side)))
        yield SampledFrame(sample.time_s, partial(shrunk, picture))


def changes(pose: Pose, rng: np.random.Generator) -> dict[str, Change]:
    """Name -> change of the picture, for a clip with this undegraded pose. Moving, shrinking and mirroring are nothing
    to the cut, so that landmarks need not be put back."""
    shoulder = np.nanmin(_heights(pose, "shoulder")) / pose.height if pose.detected.any() else 0.2
    knee = np.nanmedian(_heights(pose, "knee")) / pose.height if pose.detected.any() else 0.8

    def blur(picture: Picture) -> Picture:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.012 * max(picture.shape)), np.uint8)

    def dark(picture: Picture) -> Picture:
        noisy = 0.25 * picture + rng.normal(0.0, 12.0, picture.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    def distant(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        small = cv2.resize(picture, None, fx=_DISTANT, fy=_DISTANT, interpolation=cv2.INTER_AREA)
        canvas = np.full_like(picture, 110)
        top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        return canvas

    def headless(picture: Picture) -> Picture:
        changed = picture.copy()
        changed[: int(shoulder * len(picture))] = 0
        return changed

    def footless(picture: Picture) -> Picture:
        changed = picture.copy()
        changed[int(knee * len(picture)) :] = 0
        return changed

    return {
        "blurred": blur,
        "dark": dark,
        "distant": distant,
        "mirrored": lambda picture: np.asarray(picture[:, ::-1], np.uint8),
        "headless": headless,
        "footless": footless,
    }


def _heights(pose: Pose, joint: str) -> Floats:
    heights: Floats = pose.image[:, [INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]], 1].mean(axis=1)
    return heights


def dropped(pose: Pose, share: float, rng: np.random.Generator) -> Pose:
    """Poses missing in bursts of half a second, `share` of all."""
    lost = np.zeros(len(pose.time), bool)
    while lost.mean() < share:
        at = rng.choice(pose.time)
        lost |= (pose.time >= at) & (pose.time < at + 0.5)
    return synthetic.drop_poses(pose, lost)


def halved(pose: Pose) -> Pose:
    """Every other pose."""
    return replace(
        pose,
        image=pose.image[::2],
        world=pose.world[::2],
        depth=pose.depth[::2],
        visibility=pose.visibility[::2],
        time=pose.time[::2],
        shot=pose.shot[::2],
        back_bow=pose.back_bow[::2],
    )


def poses_of(path: Path, folder: Path, seed: int) -> dict[str, Pose]:
    """The pose of a clip and of every degraded copy, from the folder where they are known."""
    config = PoseConfig()
    info, digest, clean = landmarks_of(path, PoseCache(folder), config)
    poses = {"clean": clean}
    for name, change in changes(clean, np.random.default_rng(seed)).items():
        cache = PoseCache(folder / name)
        pose = cache.get(digest, config)
        if pose is None:
            samples = changed(reading.samples(path, config.poses_per_second), change, config.max_side_px)
            with open_estimator(config) as estimator:
                pose = estimate_samples(samples, info, config, estimator)
            cache.put(digest, config, pose)
        poses[name] = pose
    rng = np.random.default_rng(seed)
    poses["20 % dropped"] = dropped(clean, 0.2, rng)
    poses["40 % dropped"] = dropped(clean, 0.4, rng)
    poses["half rate"] = halved(clean)
    return poses


def has_error(result: ClipResult) -> bool:
    """A wrong count, or a boundary off by more than BOUNDARY_ERROR_S."""
    errors = evaluate_reps([result]).errors
    return result.count_error != 0 or bool((np.abs(errors) > BOUNDARY_ERROR_S).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder in which landmarks are kept")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results: dict[str, list[ClipResult]] = {}
    config = SegmentConfig()
    for truth in track(load_groundtruth(arguments.groundtruth), "poses", console=Console(stderr=True)):
        for name, pose in poses_of(arguments.videos / truth.name, arguments.cache, arguments.seed).items():
            found = segment(pose, config)
            results.setdefault(name, []).append(ClipResult(truth, found.reps, found.confidence))
    Console().print(table(results))
    everything = [result for rows in results.values() for result in rows]
    wrong = [has_error(result) for result in everything]
    doubt = [1.0 - result.confidence for result in everything]
    print(
        f"AUROC of the confidence for an error: {roc_auc_score(wrong, doubt):.3f} ({sum(wrong)} of {len(wrong)} wrong)"
    )


def table(results: dict[str, list[ClipResult]]) -> Table:
    rows = Table("copies", "F1@.5", "F1@.75", "start / top / end MAE ms", "false on negatives", "wrong", "confidence")
    for name, clips in results.items():
        scores = evaluate_reps(clips)
        rows.add_row(
            name,
            f"{scores.f1[0.5]:.3f}",
            f"{scores.f1[0.75]:.3f}",
            " / ".join(f"{value:.0f}" for value in scores.mae_ms()),
            str(scores.false_on_negatives),
            f"{sum(map(has_error, clips))} of {len(clips)}",
            f"{np.mean([clip.confidence for clip in clips]):.2f}",
        )
    return rows


if __name__ == "__main__":
    main()
