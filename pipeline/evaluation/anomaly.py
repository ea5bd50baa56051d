"""How well anomaly scores separate normal from anomalous repetitions: figures, intervals, and trivial baselines.

No repetition is judged by a model that has learnt from its video.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.calibration import Calibration, calibrate
from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import Block, Blocks
from pipeline.anomaly.methods import METHODS, Learnt, quarters_of
from pipeline.anomaly.reference import Reference, Scale, compare, fit_reference, in_units
from pipeline.config import Method, TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning import training
from pipeline.learning.auroc import auroc
from pipeline.original.drawn import drawn_scales
from pipeline.original.model import OriginalModel, network_input
from pipeline.original.pictures import Pictures, picture_blocks
from pipeline.records import DECISION, LabelledRep

Doubles = NDArray[np.float64]
_RESAMPLES = 500
_FOLDS = 4


@dataclass(frozen=True)
class Judged:
    """Judged repetitions: scores [N], higher is more anomalous, the decision is at 0.5; labels [N], True is anomalous;
    the video [N] of each. hidden: [N] those too little of which is seen, which people are told of instead of a score;
    None where that is not known."""

    scores: Doubles
    anomalous: NDArray[np.bool_]
    groups: tuple[str, ...]
    hidden: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Figures:
    """The quality of scores. Everything but AUROC and average precision is at the threshold 0.5.

    auroc_interval: 95 %, by resampling videos. false_alarms: the share of each unseen video's normal repetitions that
    are flagged; false_alarm_mean and _std over videos. hidden_normals, hidden_anomalies: how many of them could not be
    judged; they count by their scores all the same.
    """

    normals: int
    anomalies: int
    hidden_normals: int
    hidden_anomalies: int
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


@dataclass(frozen=True)
class AtRate:
    """What a nominal rate of false alarms comes to: the mean share of an unseen video's normal repetitions that are
    flagged, the share of anomalous ones that are, and the share of all that are judged right."""

    rate: float
    false_alarms: float
    recall: float
    accuracy: float


def figures(judged: Judged, seed: int = 0) -> Figures:
    """The figures of scores. seed: of the resampling for the interval.

    Raises DatasetError unless there are normal and anomalous repetitions.
    """
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support

    truth, scores = _checked(judged), judged.scores
    flagged = scores >= DECISION
    precision, recall, f1, _ = precision_recall_fscore_support(truth, flagged, average="binary", zero_division=0.0)
    alarms = _false_alarms(judged)
    rates = np.array(list(alarms.values()))
    hidden = judged.hidden if judged.hidden is not None else np.zeros(len(truth), bool)
    return Figures(
        normals=int((~truth).sum()),
        anomalies=int(truth.sum()),
        hidden_normals=int((hidden & ~truth).sum()),
        hidden_anomalies=int((hidden & truth).sum()),
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
    rates: Sequence[float],
    on_progress: Callable[[float], None] | None = None,
    method: Method = "both",
    reference: Pictures | None = None,
) -> dict[float, Judged]:
    """Judge pictures at several nominal rates of false alarms, 0..1: by a reference, or else by leaving one video out.

    By leaving one video out, every normal video is judged by a model of the other normal ones, which is calibrated on
    them as well, each without its own video. An anomalous repetition gets its mean score by all those models. What is
    known beforehand is the units of drawn lifters' pictures, as the shipped model knows those of its images.

    Args:
        normal: pictures to judge, without a reference of three or more videos.
        anomalous: pictures to separate from them.
        rates: what each model is calibrated for.
        on_progress: called with the share 0..1 of the videos that are done.
        method: what pictures are compared by. Without a reference it learns four times, each time without a quarter of
            the normal videos, which are the ones judged by it.
        reference: normal pictures, which alone are learnt from.

    Returns:
        The scores by each rate.

    Raises:
        DatasetError: the pictures to learn from are too few.
    """
    if reference is not None:
        return _judge_by_reference(normal, anomalous, rates, method, reference)
    blocks, odd, scales = picture_blocks(normal), picture_blocks(anomalous), drawn_scales()
    names = np.array(normal.groups)
    scores, far = np.zeros((len(rates), len(names))), np.zeros((len(rates), len(anomalous.groups)))
    videos = list(dict.fromkeys(normal.groups))
    if len(videos) < 3:
        raise DatasetError(f"Expected pictures of 3 or more normal videos, got {len(videos)}.")
    folds = [_learnt(blocks, names, odd, scales, videos[fold::_FOLDS], method) for fold in range(_FOLDS)]
    for number, video in enumerate(videos):
        good, unseen, bad = folds[number % _FOLDS]
        rest, held = np.flatnonzero(names != video), np.flatnonzero(names == video)
        judge = _PictureJudge.of(_rows(unseen, rest), names[rest].tolist(), rates)
        scores[:, held] = judge.scores([_rows(view, held) for view in good])
        far += judge.scores(bad)
        if on_progress is not None:
            on_progress((number + 1) / len(videos))
    return _by_rate(rates, np.concatenate([scores, far / len(videos)], axis=1), normal, anomalous)


def _learnt(
    blocks: Blocks,
    names: NDArray[np.str_],
    odd: Blocks,
    scales: Sequence[Scale],
    without: Sequence[str],
    method: Method,
) -> tuple[tuple[Blocks, ...], Blocks, tuple[Blocks, ...]]:
    """Views of all normal pictures by a method that has not seen some of their videos, the blocks of each as if it had
    not learnt from its video, and views of the anomalous ones."""
    known = np.flatnonzero(~np.isin(names, without))
    groups = names[known].tolist()
    learnt = _fitted(_rows(blocks, known), scales, groups, method)
    good, bad = (learnt.representation.views(in_units(all_of, scales)) for all_of in (blocks, odd))
    unseen = []
    for block, own in zip(good[0], learnt.own, strict=True):
        values = block.values.copy()
        values[known] = own.values
        unseen.append(Block(block.name, values, block.parts))
    return good, tuple(unseen), bad


def _fitted(blocks: Blocks, scales: Sequence[Scale], groups: Sequence[str], method: Method) -> Learnt:
    quarter = quarters_of(groups)
    return METHODS[method].fit(blocks, scales, groups, [quarter[group] for group in groups], 0, None)


def _judge_by_reference(
    normal: Pictures, anomalous: Pictures, rates: Sequence[float], method: Method, reference: Pictures
) -> dict[float, Judged]:
    if len(reference.groups) < 3:
        raise DatasetError(f"Expected 3 or more pictures to learn from, got {len(reference.groups)}.")
    scales = drawn_scales()
    known, good, odd = (picture_blocks(pictures) for pictures in (reference, normal, anomalous))
    learnt = _fitted(known, scales, reference.groups, method)
    judge = _PictureJudge.of(learnt.own, reference.groups, rates)
    judged = [judge.scores(learnt.representation.views(in_units(one, scales))) for one in (good, odd)]
    return _by_rate(rates, np.concatenate(judged, axis=1), normal, anomalous)


@dataclass(frozen=True)
class _PictureJudge:
    """Normal pictures as a reference, and what their distances from it mean at each nominal rate of false alarms."""

    reference: Reference
    calibrations: tuple[Calibration, ...]

    @staticmethod
    def of(blocks: Blocks, groups: Sequence[str], rates: Sequence[float]) -> _PictureJudge:
        reference, own = fit_reference("normal", blocks, groups, np.full(1, np.nan, np.float32))
        return _PictureJudge(reference, tuple(calibrate(own, groups, rate) for rate in rates))

    def scores(self, views: Sequence[Blocks]) -> Doubles:
        """[R, N] the scores of pictures at each rate."""
        far = compare(views, self.reference)
        return np.array([[at.score(float(raw)) for raw in far] for at in self.calibrations])


def _by_rate(rates: Sequence[float], scores: Doubles, normal: Pictures, anomalous: Pictures) -> dict[float, Judged]:
    """scores [R, N] of normal pictures and then of anomalous ones, by rate."""
    truth = np.r_[np.zeros(len(normal.groups), bool), np.ones(len(anomalous.groups), bool)]
    groups = normal.groups + anomalous.groups
    return {rate: Judged(row, truth, groups) for rate, row in zip(rates, scores, strict=True)}


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
    rates: Sequence[float],
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
    reference: Sequence[LabelledRep] = (),
) -> dict[float, Judged]:
    """Judge every video by a detector that is trained on the normal repetitions of a reference, or else of all others.

    The base itself may have learnt from the videos; then its threshold makes their figures better than they would be,
    as the shipped model's does those of the videos on its card. `compare_representations` makes a base without each
    video.

    Args:
        samples: labelled repetitions, normal and anomalous.
        base: what training starts from.
        config: how detectors are trained; None to judge by the base as it is.
        rates: nominal rates of false alarms, 0..1, to judge at.
        seed: of the training.
        on_progress: called with the share 0..1 of the videos that are done.
        reference: labelled repetitions whose normal ones alone are learnt from.

    Returns:
        The scores of the samples, in their order, by each rate. Raises DatasetError for a reference that is too small.
    """
    videos = list(dict.fromkeys(sample.group for sample in samples))
    scores, hidden = np.zeros((len(rates), len(samples))), np.zeros(len(samples), bool)
    learnt = training.train(reference, config or TrainConfig(), seed, base=base)[0] if reference else None
    for number, video in enumerate(videos):
        mine = [index for index, sample in enumerate(samples) if sample.group == video]
        others = [s for s in samples if s.group != video and s.label == "normal"]
        detector = learnt or base
        if learnt is None and config is not None and len(others) >= 3:
            detector, _ = training.train(others, config, seed, base=base)
        first, reps = samples[mine[0]], [samples[i].rep for i in mine]
        for row, scored in enumerate(detector.score_at(rates, first.pose, reps, first.setting)):
            scores[row, mine] = [one.score for one in scored]
            hidden[mine] = [not one.reliable for one in scored]
        if on_progress is not None:
            on_progress((number + 1) / len(videos))
    truth = np.array([sample.label == "anomalous" for sample in samples], dtype=bool)
    groups = tuple(sample.group for sample in samples)
    return {rate: Judged(row, truth, groups, hidden) for rate, row in zip(rates, scores, strict=True)}


def at_rates(judged: Mapping[float, Judged]) -> tuple[AtRate, ...]:
    """What each nominal rate comes to. Raises DatasetError as `figures` does."""
    found = []
    for rate, one in judged.items():
        flagged, truth = one.scores >= DECISION, _checked(one)
        alarms = float(np.mean(list(_false_alarms(one).values())))
        found.append(AtRate(rate, alarms, float(flagged[truth].mean()), float((flagged == truth).mean())))
    return tuple(found)


def _checked(judged: Judged) -> NDArray[np.bool_]:
    """Which ones are anomalous. Raises DatasetError unless there are both kinds."""
    if judged.anomalous.all() or not judged.anomalous.any():
        raise DatasetError("Expected normal and anomalous repetitions to evaluate on, got only one kind.")
    return judged.anomalous


def _false_alarms(judged: Judged) -> dict[str, float]:
    """For each video with normal repetitions the share of them that is flagged."""
    names, flagged = np.array(judged.groups), judged.scores >= DECISION
    return {
        video: float(flagged[mine].mean())
        for video in dict.fromkeys(judged.groups)
        if (mine := (names == video) & ~judged.anomalous).any()
    }


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
