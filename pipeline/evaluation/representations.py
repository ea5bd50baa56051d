"""Our representation of a repetition against the original project's picture, by one and the same detector.

Every labelled video is judged by detectors that have not seen it: cold, by a base model of drawn lifters that is
calibrated on the good repetitions of the other videos; and warm, by that base with those repetitions as its normals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import Features, appearance_features, blocks_of, features_of
from pipeline.anomaly.reference import in_units
from pipeline.anomaly.within_video import compare_within_video
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.evaluation.anomaly import Doubles, Judged, duration_baseline
from pipeline.learning import training
from pipeline.learning.auroc import auroc
from pipeline.learning.base_detector import fault_changes, fit_base, mean_changes
from pipeline.learning.normals import Normals
from pipeline.learning.samples import bows_of_samples, of_label
from pipeline.original.drawn import DRAWN_VIDEOS, FRAMES_PER_SECOND, pictures_of
from pipeline.original.pictures import picture_blocks, picture_images
from pipeline.records import LabelledRep
from pipeline.skelemotion import encode
from pipeline.synthetic.fault_pairs import fault_pairs
from pipeline.synthetic.samples import synthetic_samples

_DRAWN_FAULTY_VIDEOS = 40
_OURS_PER_SECOND = 10.0
# Joints of the walk and columns of a picture for each cell that faults are looked for in, and what makes a cosine as
# large as an angle in degrees.
_POOL = (5, 10)
_DEGREES = 180.0 / np.pi


@dataclass(frozen=True)
class Comparison:
    """How one representation does: the scores of all labelled repetitions, cold and warm, and how many good repetitions
    of how many are flagged by the comparison with the others of their video alone."""

    cold: Judged
    warm: Judged
    within_video_alarms: tuple[int, int]


def compare_representations(
    samples: Sequence[LabelledRep],
    at_full_rate: Sequence[LabelledRep],
    config: TrainConfig,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Comparison, Comparison, dict[str, float]]:
    """Ours, the original's picture, and the AUROC of trivial scores.

    samples: labelled repetitions with landmarks at the default rate; at_full_rate: the same with landmarks of every
    frame, which is what the original's picture is made of. Repetitions without landmarks are left out.
    Raises DatasetError where fewer than three videos of good repetitions are left.
    """
    both = list(zip(samples, at_full_rate, strict=True))
    seen = [pair for pair in both if all(encode(s.pose, s.rep, config.detector.encode).coverage > 0 for s in pair)]
    ours, theirs = [sample for sample, _ in seen], [sample for _, sample in seen]
    _check_are_enough(ours)
    report = on_progress or _ignore
    first = _compare(ours, _ours, _OURS_PER_SECOND, config, seed, lambda share: report(0.3 * share))
    second = _compare(theirs, _pictured, FRAMES_PER_SECOND, config, seed, lambda share: report(0.3 + 0.7 * share))
    odd = np.array([sample.label == "anomalous" for sample in ours])
    static = pictures_of(theirs).static_share
    far = duration_baseline(np.array([sample.rep.duration_s for sample in ours]), odd)
    trivial = {
        "share of static pixels": auroc(static[~odd], static[odd]),
        "duration's distance from the median": auroc(far[~odd], far[odd]),
    }
    return first, second, trivial


def compare_ours(samples: Sequence[LabelledRep], config: TrainConfig, seed: int = 0) -> Comparison:
    """Ours alone, of labelled repetitions with landmarks at the default rate; those without any are left out.

    Raises DatasetError where fewer than three videos of good repetitions are left.
    """
    seen = [sample for sample in samples if encode(sample.pose, sample.rep, config.detector.encode).coverage > 0]
    _check_are_enough(seen)
    return _compare(seen, _ours, _OURS_PER_SECOND, config, seed, _ignore)


def _check_are_enough(samples: Sequence[LabelledRep]) -> None:
    if len({sample.group for sample in of_label(samples, "normal")}) < 3:
        raise DatasetError("Expected good repetitions of three or more videos to compare on.")


_Represent = Callable[[Sequence[LabelledRep], TrainConfig], Features]


def _compare(
    samples: Sequence[LabelledRep],
    represent: _Represent,
    per_second: float,
    config: TrainConfig,
    seed: int,
    on_progress: Callable[[float], None],
) -> Comparison:
    drawn = of_label(synthetic_samples(DRAWN_VIDEOS, seed, per_second), "normal")
    drawn_features = represent(drawn, config)
    on_progress(0.5)
    faults = (
        fault_changes(config, seed)
        if represent is _ours
        else mean_changes(
            fault_pairs(_DRAWN_FAULTY_VIDEOS, seed, per_second), lambda samples: represent(samples, config).angles
        )
    )
    on_progress(0.8)
    features = represent(samples, config)
    groups = np.array([sample.group for sample in samples])
    odd = np.array([sample.label == "anomalous" for sample in samples])
    cold, warm, alarms = np.zeros(len(samples)), np.zeros(len(samples)), np.zeros(len(samples), bool)
    several = np.zeros(len(samples), bool)
    for video in dict.fromkeys(groups.tolist()):
        mine = np.flatnonzero(groups == video)
        others = np.flatnonzero((groups != video) & ~odd)
        known = Normals.of([samples[i] for i in others], features.rows(others.tolist()))
        base = fit_base(_calibrated(drawn_features, drawn, known), faults, config)
        held = features.rows(mine.tolist())
        cold[mine] = _scores(base, held)
        report = training.TrainingReport(len(others), len(set(known.groups)), 0, 0, float("nan"))
        warm[mine] = _scores(training.Fit.of(base, known, config, seed, report).detector()[0], held)
        if len(mine) >= config.detector.min_siblings:
            several[mine] = True
            alarms[mine] = compare_within_video(in_units(held.blocks, base.scales)) >= base.within_video.threshold
    on_progress(1.0)
    names = tuple(groups.tolist())
    return Comparison(
        Judged(cold, odd, names), Judged(warm, odd, names), (int((alarms & ~odd).sum()), int((several & ~odd).sum()))
    )


def _scores(detector: Detector, features: Features) -> Doubles:
    return np.array([one.score for one in detector.judge(features)])


def _calibrated(drawn_features: Features, drawn: Sequence[LabelledRep], known: Normals) -> Normals:
    """Drawn repetitions to learn from, and people's to calibrate on."""
    own = Normals.of(drawn, drawn_features)
    return Normals(
        own.features.with_more(known.features),
        own.groups + known.groups,
        own.settings + known.settings,
        own.views + known.views,
        np.r_[own.apart, np.ones(len(known.groups), bool)],
    )


def _ours(samples: Sequence[LabelledRep], config: TrainConfig) -> Features:
    encoding = config.detector.encode
    encoded = [encode(one.pose, one.rep, encoding) for one in samples]
    return features_of([one.pose for one in samples], encoded, bows_of_samples(samples), encoding)


def _pictured(samples: Sequence[LabelledRep], config: TrainConfig) -> Features:
    """What the default method's features are, made of the original's pictures alone; only the appearance of lifter and
    camera is the same as ours."""
    pictures = pictures_of(samples)
    encoded = [encode(sample.pose, sample.rep, config.detector.encode) for sample in samples]
    channels = picture_images(pictures)
    count, kinds, rows, columns = channels.shape
    cells = channels.reshape(count, kinds, rows // _POOL[0], _POOL[0], columns // _POOL[1], _POOL[1]).mean(axis=(3, 5))
    angles = np.ascontiguousarray(cells.transpose(0, 2, 1, 3).reshape(count, rows // _POOL[0], -1) * _DEGREES)
    appearances = appearance_features(blocks_of(np.stack([one.image for one in encoded])))
    nothing = np.full(count, np.nan, np.float32)  # a picture shows no outline
    shots = tuple(one.shot for one in encoded)
    return Features(picture_blocks(pictures), angles.astype(np.float32), nothing, appearances, shots)


def _ignore(_: float) -> None:
    pass
