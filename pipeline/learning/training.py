"""From labelled repetitions to a detector: a pure function of samples, configuration, seed and base model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.anomaly.autoencoder import EPOCHS, OnEpoch
from pipeline.anomaly.calibration import calibrate, with_more
from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import features_of
from pipeline.anomaly.methods import METHODS, Learnt, quarters_of
from pipeline.anomaly.posture import fault_score, with_people
from pipeline.anomaly.reference import fit_reference
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning.base_detector import fault_changes, fit_base
from pipeline.learning.normals import Normals, backs_of, settings_of
from pipeline.learning.samples import bows_of_samples
from pipeline.records import LabelledRep
from pipeline.skelemotion import Encoded, encode

TRAINING = 3
"""Stands in a model's run.json. Raise it with every change of what comes of a training or is said of it (here, in
`promotion_gate`, in what features and encoding make of landmarks): the same labels are worth another one then."""
_FEWEST = 3


@dataclass(frozen=True)
class TrainingProgress:
    """How far training is. phase: "encode", "fit" or "calibrate". loss: of the epoch, and held_out that on videos that
    its networks have not seen, as multiples of the variance of normal repetitions; NaN where there is none."""

    phase: str
    epoch: int
    loss: float
    percent: float
    held_out: float = float("nan")


@dataclass(frozen=True)
class TrainingReport:
    """What a detector was trained on, and what it does on it, each repetition judged without its own video.

    `unusable` repetitions could not be judged. false_alarms: the share of normal repetitions of known settings at or
    above the threshold; NaN without a known setting.
    """

    normals: int
    videos: int
    settings: int
    unusable: int
    false_alarms: float


ProgressCallback = Callable[[TrainingProgress], None]
"""May raise to cancel: nothing is left behind."""


@dataclass(frozen=True)
class Fit:
    """Normal repetitions and what the method has learnt of them: a detector of all their videos, or of some of them, is
    made of it at once.

    quarters: the quarter 0..3 of each video; a part of what was learnt knows nothing of the videos of one quarter.
    learnt: None where no lifter and camera has enough repetitions.
    """

    base: Detector
    known: Normals
    config: TrainConfig
    seed: int
    report: TrainingReport
    quarters: Mapping[str, int]
    learnt: Learnt | None

    @staticmethod
    def of(
        base: Detector,
        known: Normals,
        config: TrainConfig,
        seed: int,
        report: TrainingReport,
        on_epoch: OnEpoch | None = None,
        quarters: Mapping[str, int] | None = None,
    ) -> Fit:
        """Learn from `known`, which were counted as `report` says."""
        quarters = quarters_of(known.groups) if quarters is None else quarters
        learnt = None
        if settings_of(known, config)[1]:
            method, of_each = METHODS[config.detector.method], [quarters[group] for group in known.groups]
            learnt = method.fit(known.features.blocks, base.scales, known.groups, of_each, seed, on_epoch)
        return Fit(base, known, config, seed, report, quarters, learnt)

    def detector(self, name: str = "model") -> tuple[Detector, TrainingReport]:
        """The base with the settings of all repetitions and with their people, and what it was trained on."""
        config = self.config.detector
        names, rows_of = settings_of(self.known, self.config)
        people = replace(_with_people(self.base, self.known, names, self.config), config=config, name=name)
        if self.learnt is None or not rows_of:
            return people, self.report
        rng = np.random.default_rng(self.seed)
        references, far = [], []
        groups: list[str] = []
        for setting, rows in rows_of.items():
            kept = rows[_spread_over([self.known.groups[row] for row in rows], self.config.most_references, rng)]
            appearance = np.median(self.known.features.appearances[rows], axis=0).astype(np.float32)
            own = [self.known.groups[row] for row in kept]
            blocks = tuple(block.rows(kept) for block in self.learnt.own)
            reference, without_own = fit_reference(setting, blocks, own, appearance)
            references.append(reference)
            far.append(without_own)
            groups += own
        distances = np.concatenate(far)
        in_setting = calibrate(distances, groups, config.false_alarm_rate)
        representation = self.learnt.representation
        detector = replace(people, references=tuple(references), in_setting=in_setting, representation=representation)
        false_alarms = float(np.mean(distances >= in_setting.threshold))
        return detector, replace(self.report, settings=len(references), false_alarms=false_alarms)

    def without(self, videos: Set[str]) -> Detector:
        """The detector of the other videos alone; the base where too few repetitions are left."""
        held = [row for row, group in enumerate(self.known.groups) if group in videos]
        rest = [row for row, group in enumerate(self.known.groups) if group not in videos]
        if len(rest) < _FEWEST:
            return self.base
        known = self.known.rows(rest)
        learnt = None if self.learnt is None else self.learnt.without(held, rest)
        if learnt is None:
            return Fit.of(self.base, known, self.config, self.seed, self.report).detector()[0]
        return replace(self, known=known, learnt=learnt).detector()[0]


def train(
    samples: Sequence[LabelledRep],
    config: TrainConfig = TrainConfig(),  # noqa: B008  # frozen
    seed: int = 0,
    on_progress: ProgressCallback | None = None,
    base: Detector | None = None,
    name: str = "model",
) -> tuple[Detector, TrainingReport]:
    """Train a detector on the normal repetitions among `samples`.

    Args:
        samples: labelled repetitions of one or more videos; those labelled anomalous are left out.
        config: the method and its settings.
        seed: equal input and seed give an equal detector.
        on_progress: called with how far training is; what it raises ends the training.
        base: what to start from: its units, posture model and calibrations serve lifters that are not known. Without it
            these are learnt from `samples`.
        name: how the detector's version begins.

    Returns:
        The detector, and what it was trained on.

    Raises:
        DatasetError: too few normal repetitions can be used.
        ValueError: the base knows settings by another method.
    """
    on_progress = on_progress or _ignore
    if base is not None:
        detector, report = fit(samples, base, config, seed, on_progress).detector(name)
    else:
        known, report = _normals(samples, config, on_progress)
        detector = replace(fit_base(known, fault_changes(config, seed), config), name=name)
    on_progress(TrainingProgress("calibrate", 0, float("nan"), 100.0))
    return detector, report


def fit(
    samples: Sequence[LabelledRep],
    base: Detector,
    config: TrainConfig = TrainConfig(),  # noqa: B008  # frozen
    seed: int = 0,
    on_progress: ProgressCallback | None = None,
    quarters: Mapping[str, int] | None = None,
) -> Fit:
    """What the method learns of the normal repetitions among `samples`: all of `train` that takes time.

    quarters: of videos that have one, see `Fit`. The other arguments, and what is raised, are as of `train`.
    """
    base = replace(base, learnt=None)  # what comes of it is no other rate of the base
    if base.references and base.config.method != config.detector.method:
        raise ValueError(f"Expected a base model of method {config.detector.method}, got {base.config.method}.")
    on_progress = on_progress or _ignore
    known, report = _normals(samples, config, on_progress)
    on_epoch = partial(_report_epoch, on_progress)
    return Fit.of(base, known, config, seed, report, on_epoch, quarters_of(known.groups, quarters))


def card(detector: Detector, report: TrainingReport) -> str:
    """A model card in Markdown: what the detector was trained on, how it judges, what it is worth, and its limits."""
    known = "none" if not detector.references else ", ".join(setting.name for setting in detector.references)
    alarms = "not measured (no known setting)" if np.isnan(report.false_alarms) else f"{report.false_alarms:.1%}"
    return f"""# {detector.version}

- Method: {detector.config.method}.
- Data: {report.normals} normal repetitions of {report.videos} videos; {report.unusable} more could not be judged.
- Settings (lifter and camera) that it knows: {len(detector.references)} ({known}).
- Protocol: every repetition's distance is computed without its whole video (without itself where a setting has only
  one video); the threshold is the conformal quantile of these distances, each video with the same weight, or where
  they are too few for one, the tail of Student's t around them, within and between videos.
- Nominal false alarm rate: {detector.config.false_alarm_rate:.0%}. On the training videos, by that protocol: {alarms}.
- Posture: the joint angles of a lifter or camera that it does not know are checked for two faults, hips that rise
  before the chest and an unfinished lockout. Sound lifts: means and spreads over {detector.posture.videos} videos.
  Faults: from drawn lifters.
- Back: of such a lifter the bow of the back's outline is compared with {_sound_backs(detector)}.
- Limits: of such a lifter, other faults are found only where the other repetitions of the video do not show them too.
  One camera says little of depth.
"""


def _sound_backs(detector: Detector) -> str:
    if detector.in_back is None:
        return "none, as too few sound ones are known: it does not count"
    return f"those of sound lifts of {len(set(detector.in_back.videos.tolist()))} videos, where a side view shows it"


def _normals(
    samples: Sequence[LabelledRep], config: TrainConfig, on_progress: ProgressCallback
) -> tuple[Normals, TrainingReport]:
    """The normal repetitions that can be learnt from, and how many they are. Raises DatasetError for too few."""
    normals = [sample for sample in samples if sample.label == "normal"]
    used, encoded = _encoded(normals, config, on_progress)
    references = sum(sample.role == "reference" for sample in used)
    if references < _FEWEST:
        raise DatasetError(f"Expected at least 3 usable normal repetitions to learn from, got {references}.")
    on_progress(TrainingProgress("fit", 0, float("nan"), 60.0))
    features = features_of([one.pose for one in used], encoded, bows_of_samples(used), config.detector.encode)
    known = Normals.of(used, features)
    report = TrainingReport(references, len(set(known.groups)), 0, len(normals) - len(used), float("nan"))
    return known, report


def _ignore(_: TrainingProgress) -> None:
    pass


def _encoded(
    samples: Sequence[LabelledRep], config: TrainConfig, on_progress: ProgressCallback
) -> tuple[list[LabelledRep], list[Encoded]]:
    """The samples that can be judged, and their images."""
    used, encoded = [], []
    limits = config.detector
    for number, sample in enumerate(samples):
        one = encode(sample.pose, sample.rep, limits.encode)
        on_progress(TrainingProgress("encode", 0, float("nan"), 60.0 * (number + 1) / len(samples)))
        if one.coverage >= limits.min_coverage and sample.rep.duration_s >= limits.min_duration_s:
            used.append(sample)
            encoded.append(one)
    if not used:
        raise DatasetError("Expected normal repetitions to learn from, got none that can be used.")
    return used, encoded


def _report_epoch(on_progress: ProgressCallback, epoch: int, loss: float, held_out: float) -> None:
    on_progress(TrainingProgress("fit", epoch, loss, 60.0 + 30.0 * epoch / EPOCHS, held_out))


def _with_people(base: Detector, known: Normals, names: Sequence[str], config: TrainConfig) -> Detector:
    """The base with the sound lifts of further people in its posture model, each judged by what the others teach."""
    of_person = np.array(names)
    angles = known.features.angles
    unseen = np.zeros(len(names), np.float32)
    for person in set(names):
        held = of_person == person
        others = base.posture if held.all() else with_people(base.posture, angles[~held], of_person[~held].tolist())
        unseen[held] = fault_score(angles[held], others)
    in_posture = with_more(base.in_posture, unseen, names, config.detector.false_alarm_rate / 2)
    in_back = base.in_back
    if in_back is not None:
        in_back = with_more(in_back, *backs_of(known, names), config.detector.false_alarm_rate / 2)
    return replace(base, posture=with_people(base.posture, angles, names), in_posture=in_posture, in_back=in_back)


def _spread_over(groups: Sequence[str], most: int, rng: np.random.Generator) -> list[int]:
    """At most `most` indices, drawn so that every group gives one before any gives a second."""
    rank: dict[str, int] = {}
    order = []
    for index in rng.permutation(len(groups)):
        order.append((rank.get(groups[index], 0), int(index)))
        rank[groups[index]] = rank.get(groups[index], 0) + 1
    return sorted(index for _, index in sorted(order, key=lambda item: item[0])[:most])
