"""How well anomaly scores separate normal from anomalous repetitions: figures, intervals, and trivial baselines.

No repetition is judged by a model that has learnt from its video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.methods import METHODS
from pipeline.anomaly.reference import compare, fit_reference, scales_of
from pipeline.config import Method, TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning import training
from pipeline.learning.auroc import auroc
from pipeline.original.model import OriginalModel, network_input
from pipeline.original.pictures import Pictures, picture_blocks, picture_images
from pipeline.records import LabelledRep

Doubles = NDArray[np.float64]
_RESAMPLES = 500
_FOLDS = 4


@dataclass(frozen=True)
class Judged:
    """Judged repetitions: scores [N], higher is more anomalous, the decision is at 0.5; labels [N], True is anomalous;
    the video [N] of each."""

    scores: Doubles
    anomalous: NDArray[np.bool_]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Figures:
    """The quality of scores. Everything but AUROC and average precision is at the threshold 0.5.

    auroc_interval: 95 %, by resampling videos. false_alarms: the share of each unseen video's normal repetitions that
    are flagged; false_alarm_mean and _std over videos.
    """

    normals: int
    anomalies: int
    auroc: float
    auroc_interval: tuple[float, float]
    average_precision: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int
    false_alarms: dict[str, float]
    false_alarm_mean: float
    false_alarm_std: float


def figures(judged: Judged, seed: int = 0) -> Figures:
    """The figures of scores. seed: of the resampling for the interval.

    Raises DatasetError unless there are normal and anomalous repetitions.
    """
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support

    truth, scores = judged.anomalous, judged.scores
    if truth.all() or not truth.any():
        raise DatasetError("Expected normal and anomalous repetitions to evaluate on, got only one kind.")
    flagged = scores >= 0.5
    precision, recall, f1, _ = precision_recall_fscore_support(truth, flagged, average="binary", zero_division=0.0)
    names = np.array(judged.groups)
    alarms = {
        video: float(flagged[mine].mean())
        for video in dict.fromkeys(judged.groups)
        if (mine := (names == video) & ~truth).any()
    }
    rates = np.array(list(alarms.values()))
    return Figures(
        normals=int((~truth).sum()),
        anomalies=int(truth.sum()),
        auroc=auroc(scores[~judged.anomalous], scores[judged.anomalous]),
        auroc_interval=_interval(judged, seed),
        average_precision=float(average_precision_score(truth, scores)),
        accuracy=float((flagged == truth).mean()),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        true_negative=int((~flagged & ~truth).sum()),
        false_positive=int((flagged & ~truth).sum()),
        false_negative=int((~flagged & truth).sum()),
        true_positive=int((flagged & truth).sum()),
        false_alarms=alarms,
        false_alarm_mean=float(rates.mean()),
        false_alarm_std=float(rates.std()),
    )


def judge_pictures(
    normal: Pictures,
    anomalous: Pictures,
    rate: float,
    on_progress: Callable[[float], None] | None = None,
    method: Method = "statistics",
) -> Judged:
    """Judge pictures by leaving one video out.

    Every normal video is judged by a model of the other normal ones, which is calibrated on them as well, each without
    its own video. An anomalous repetition gets its mean score by all those models.

    Args:
        normal: pictures of three or more videos.
        anomalous: pictures to separate from them.
        rate: the nominal rate of false alarms, 0..1.
        on_progress: called with the share 0..1 of the videos that are done.
        method: what pictures are compared by. A method that learns is fitted four times, each time without a quarter
            of the normal videos, which are the ones judged by it.

    Raises:
        DatasetError: the normal pictures are of fewer than three videos.
    """
    blocks, odd = picture_blocks(normal), picture_blocks(anomalous)
    names = np.array(normal.groups)
    scores, far = np.zeros(len(names)), np.zeros(len(anomalous.groups))
    videos = list(dict.fromkeys(normal.groups))
    if len(videos) < 3:
        raise DatasetError(f"Expected pictures of 3 or more normal videos, got {len(videos)}.")
    folds = [] if method == "statistics" else _folds(normal, anomalous, videos, method)
    for number, video in enumerate(videos):
        held = names == video
        if folds:
            blocks, odd = folds[number % _FOLDS]
        groups = [group for group in normal.groups if group != video]
        known = _rows(blocks, np.flatnonzero(~held))
        scales = scales_of(known, groups)
        reference, own = fit_reference("normal", known, scales, groups, np.full(1, np.nan, np.float32))
        calibration = calibrate(own, groups, rate)
        unseen = compare(_rows(blocks, np.flatnonzero(held)), scales, reference)
        scores[held] = [calibration.score(float(raw)) for raw in unseen]
        far += [calibration.score(float(raw)) for raw in compare(odd, scales, reference)]
        if on_progress is not None:
            on_progress((number + 1) / len(videos))
    truth = np.r_[np.zeros(len(names), bool), np.ones(len(far), bool)]
    return Judged(np.r_[scores, far / len(videos)], truth, normal.groups + anomalous.groups)


def judge_by_original(normal: Pictures, anomalous: Pictures, model: OriginalModel) -> tuple[Judged, NDArray[np.bool_]]:
    """Pictures by the original's rule, which has two thresholds and no score.

    Returns:
        Scores from 0.5 for those that the rule flags, and below for the others, larger for larger errors of the
        reconstruction. And which ones [N] the rule flags where the density is computed exactly.
    """
    images = network_input(normal.files + anomalous.files, "bicubic")
    flagged, errors = model.is_anomaly(images, "literal"), model.errors(images)
    scores = 0.5 * flagged + 0.5 * errors / (errors.max() + 1e-9) * (1 - 1e-6)
    truth = np.r_[np.zeros(len(normal.files), bool), np.ones(len(anomalous.files), bool)]
    return Judged(scores, truth, normal.groups + anomalous.groups), model.is_anomaly(images, "exact")


def judge_videos(
    samples: Sequence[LabelledRep],
    base: Detector,
    config: TrainConfig | None,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Judged:
    """Judge every video by a detector that is trained on the normal repetitions of all others.

    The base itself may have learnt from the videos; then its threshold makes their figures better than they would be,
    as the shipped model's does those of the videos on its card. `compare_representations` makes a base without each
    video.

    Args:
        samples: labelled repetitions, normal and anomalous.
        base: what training starts from.
        config: how detectors are trained; None to judge by the base as it is.
        seed: of the training.
        on_progress: called with the share 0..1 of the videos that are done.

    Returns:
        The scores of the samples, in their order.
    """
    videos = list(dict.fromkeys(sample.group for sample in samples))
    scores: dict[int, float] = {}
    for number, video in enumerate(videos):
        mine = [index for index, sample in enumerate(samples) if sample.group == video]
        others = [s for s in samples if s.group != video and s.label == "normal"]
        detector = base
        if config is not None and len(others) >= 3:
            detector, _ = training.train(others, config, seed, base=base)
        judged = detector.score(samples[mine[0]].pose, [samples[i].rep for i in mine], samples[mine[0]].setting)
        scores.update(zip(mine, (one.score for one in judged), strict=True))
        if on_progress is not None:
            on_progress((number + 1) / len(videos))
    return Judged(
        np.array([scores[index] for index in range(len(samples))]),
        np.array([sample.label == "anomalous" for sample in samples], dtype=bool),
        tuple(sample.group for sample in samples),
    )


def _folds(normal: Pictures, anomalous: Pictures, videos: Sequence[str], method: Method) -> list[tuple[Blocks, Blocks]]:
    """The blocks of all pictures, by representations that have not seen every fourth normal video."""
    images, odd = picture_images(normal), picture_images(anomalous)
    folds: list[tuple[Blocks, Blocks]] = []
    for fold in range(_FOLDS):
        learnt = images[~np.isin(np.array(normal.groups), videos[fold::_FOLDS])]
        representation = METHODS[method].fit(learnt, 0, lambda epoch, loss: None)
        folds.append((representation.blocks(images), representation.blocks(odd)))
    return folds


def duration_baseline(values: Doubles, anomalous: NDArray[np.bool_]) -> Doubles:
    """[N] how far a duration is from the median of the normal ones, as a ratio: a trivial score."""
    result: Doubles = np.abs(np.log(values / np.median(values[~anomalous])))
    return result


def _interval(judged: Judged, seed: int) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the AUROC over resampled videos (normal and anomalous ones apart)."""
    rng = np.random.default_rng(seed)
    names = np.array(judged.groups)
    pools = []
    for truth in (False, True):
        groups = dict.fromkeys(names[judged.anomalous == truth].tolist())
        pools.append([judged.scores[(names == group) & (judged.anomalous == truth)] for group in groups])
    values = []
    for _ in range(_RESAMPLES):
        normal, odd = (np.concatenate([pool[i] for i in rng.integers(len(pool), size=len(pool))]) for pool in pools)
        values.append(auroc(normal, odd))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _rows(blocks: Blocks, rows: NDArray[np.intp]) -> Blocks:
    return tuple(block.rows(rows) for block in blocks)
