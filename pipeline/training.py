"""From labelled repetitions to a detector: a pure function of samples, configuration, seed and base model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.autoencoder import Encoder, fit_encoder
from pipeline.calibration import Calibration, calibrate
from pipeline.config import TrainConfig
from pipeline.dataset import Sample
from pipeline.detector import Detector
from pipeline.errors import DatasetError
from pipeline.features import Blocks, blocks_of, features_of, stance_of
from pipeline.records import Floats
from pipeline.reference import Reference, Scale, compare, fit_reference, scales_of
from pipeline.siblings import compare_siblings
from pipeline.skelemotion import encode

_EPOCHS = 10


@dataclass(frozen=True)
class Progress:
    """How far training is. phase: "encode", "fit" or "calibrate"; loss is NaN where the phase has none."""

    phase: str
    epoch: int
    loss: float
    percent: float


@dataclass(frozen=True)
class Report:
    """What a detector was trained on, and what it does on it, each repetition judged without its own video.

    `unusable` repetitions could not be judged. false_alarms: the share of normal repetitions of known settings at or
    above the threshold; NaN without a known setting.
    """

    normals: int
    videos: int
    settings: int
    unusable: int
    false_alarms: float


ProgressCallback = Callable[[Progress], None]
"""May raise to cancel: nothing is left behind."""


@dataclass(frozen=True)
class _Data:
    """Normal repetitions that can be judged, their features and stances [N, D], videos and shots (a view each)."""

    samples: tuple[Sample, ...]
    blocks: Blocks
    stances: Floats
    views: tuple[str, ...]

    @property
    def groups(self) -> list[str]:
        return [sample.group for sample in self.samples]

    def rows(self, chosen: Sequence[int]) -> _Data:
        return _Data(
            tuple(self.samples[i] for i in chosen),
            tuple(block.rows(list(chosen)) for block in self.blocks),
            self.stances[list(chosen)],
            tuple(self.views[i] for i in chosen),
        )


def fit(
    samples: Sequence[Sample],
    config: TrainConfig,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    base: Detector | None = None,
    name: str = "model",
) -> tuple[Detector, Report]:
    """Train on the normal repetitions among `samples`; equal input and seed give an equal detector.

    base: what to start from: its scales, general reference and calibrations serve lifters that are not known. Without
    it they are learnt from `samples`. An autoencoder is fitted without a base only: the base's references and
    calibrations are in its own latent, and the images that they were made of are not kept.
    Raises DatasetError where too few normal repetitions can be used, ValueError for a base of another method.
    """
    method = config.detector.method
    if base is not None and base.config.method != method:
        raise ValueError(f"Expected a base model of method {method}, got {base.config.method}.")
    tell = progress if progress is not None else _ignore
    normals = [sample for sample in samples if sample.label == "normal"]
    used, images, views = _encoded(normals, config, tell)
    learnt = [index for index, sample in enumerate(used) if sample.role == "reference"]
    if len(learnt) < 3:
        raise DatasetError(f"Expected at least 3 usable normal repetitions to learn from, got {len(learnt)}.")
    rng = np.random.default_rng(seed)
    tell(Progress("fit", 0, float("nan"), 60.0))
    encoder = base.encoder if base is not None else None
    if base is None and method == "autoencoder":
        encoder = _fitted_encoder(images[learnt], seed, tell)
    data = _Data(used, features_of(images, encoder), stance_of(blocks_of(images)), views)
    detector = base if base is not None else _general(data, learnt, config, rng)
    detector = replace(detector, config=config.detector, name=name, encoder=encoder)
    report = Report(len(learnt), len(set(data.groups)), 0, len(normals) - len(data.samples), float("nan"))
    if base is not None:
        known = data.rows(learnt)
        detector, false_alarms = _with_settings(detector, known, config, rng)
        report = replace(report, settings=len(detector.settings), false_alarms=false_alarms)
    tell(Progress("calibrate", 0, float("nan"), 100.0))
    return detector, report


def card(detector: Detector, report: Report) -> str:
    """A model card in Markdown: what the detector was trained on, how it judges, what it is worth, and its limits."""
    known = "none" if not detector.settings else ", ".join(setting.name for setting in detector.settings)
    alarms = "not measured (no known setting)" if np.isnan(report.false_alarms) else f"{report.false_alarms:.1%}"
    return f"""# {detector.version}

- Method: {detector.config.method}.
- Data: {report.normals} normal repetitions of {report.videos} videos; {report.unusable} more could not be judged.
- Settings (lifter and camera) that it knows: {len(detector.settings)} ({known}).
- Protocol: every repetition's distance is computed without its whole video (without itself where a setting has only
  one video); the threshold is the conformal quantile of these distances, each video with the same weight.
- Nominal false alarm rate: {detector.config.false_alarm_rate:.0%}. On the training videos, by that protocol: {alarms}.
- Limits: a lifter or camera that it does not know is compared with strangers and with the other repetitions of the
  same video only; a fault that every repetition of such a video shows is not found. One camera says little of depth.
"""


def _ignore(_: Progress) -> None:
    pass


def _encoded(
    samples: Sequence[Sample], config: TrainConfig, tell: ProgressCallback
) -> tuple[tuple[Sample, ...], Floats, tuple[str, ...]]:
    """The samples that can be judged, their images [N, C, J, L] and views."""
    used, images, views = [], [], []
    limits = config.detector
    for number, sample in enumerate(samples):
        one = encode(sample.pose, sample.rep, limits.encode)
        tell(Progress("encode", 0, float("nan"), 60.0 * (number + 1) / len(samples)))
        if one.coverage >= limits.min_coverage and sample.rep.duration_s >= limits.min_duration_s:
            used.append(sample)
            images.append(one.image)
            views.append(f"{sample.group}#{one.shot}")
    if not used:
        raise DatasetError("Expected normal repetitions to learn from, got none that can be used.")
    return tuple(used), np.stack(images), tuple(views)


def _fitted_encoder(images: Floats, seed: int, tell: ProgressCallback) -> Encoder:
    return fit_encoder(
        images,
        seed,
        _EPOCHS,
        lambda epoch, loss: tell(Progress("fit", epoch, loss, 60.0 + 30.0 * epoch / _EPOCHS)),
    )


def _general(data: _Data, learnt: Sequence[int], config: TrainConfig, rng: np.random.Generator) -> Detector:
    """A detector that knows no setting, calibrated on the samples that are for calibration, or else on its own."""
    known = data.rows(learnt)
    scales = scales_of(known.blocks, known.groups)
    kept = known.rows(_spread_over(known.groups, config.most_references, rng))
    general, without_own = fit_reference("general", kept.blocks, scales, kept.groups, _no_stance(kept))
    apart = [index for index, sample in enumerate(data.samples) if sample.role == "calibration"]
    far, groups = without_own, kept.groups
    if apart:
        unseen = data.rows(apart)
        far, groups = compare(unseen.blocks, scales, general), unseen.groups
    # Two comparisons share the false alarms of a setting that is not known.
    rate = config.detector.false_alarm_rate / 2
    siblings, families = _among_siblings(data, scales, config.detector.min_siblings)
    return Detector(
        config.detector, scales, general, (), calibrate(far, groups, rate), calibrate(siblings, families, rate)
    )


def _with_settings(
    base: Detector, data: _Data, config: TrainConfig, rng: np.random.Generator
) -> tuple[Detector, float]:
    """The base with the settings of the data, and the false alarms in them."""
    settings, far, groups = [], [], []
    names = _setting_names(data, config.detector.setting_distance)
    for setting in sorted(set(names)):
        mine = data.rows([index for index, name in enumerate(names) if name == setting])
        if len(mine.samples) < config.least_references:
            continue
        kept = mine.rows(_spread_over(mine.groups, config.most_references, rng))
        stance = np.median(mine.stances, axis=0).astype(np.float32)
        reference, without_own = fit_reference(setting, kept.blocks, base.scales, kept.groups, stance)
        settings.append(reference)
        far.append(without_own)
        groups += kept.groups
    if not settings:
        return base, float("nan")
    distances = np.concatenate(far)
    in_setting = calibrate(distances, groups, config.detector.false_alarm_rate)
    detector = replace(base, settings=tuple(settings), in_setting=in_setting)
    if len(settings) >= config.least_settings:
        general, in_general = _own_general(base, data, names, config, rng)
        detector = replace(detector, general=general, in_general=in_general)
    return detector, float(np.mean(distances >= in_setting.threshold))


def _own_general(
    base: Detector, data: _Data, names: Sequence[str], config: TrainConfig, rng: np.random.Generator
) -> tuple[Reference, Calibration]:
    """A general reference of the labelled lifters themselves, calibrated on lifters that it leaves out."""
    kept = _spread_over(names, config.most_references, rng)
    chosen = data.rows(kept)
    general, without_own = fit_reference(
        "general", chosen.blocks, base.scales, [names[i] for i in kept], _no_stance(chosen)
    )
    rate = config.detector.false_alarm_rate / 2
    return general, calibrate(without_own, [names[i] for i in kept], rate)


def _setting_names(data: _Data, distance: float) -> list[str]:
    """For each repetition the name of its lifter and camera: given with the sample, or found by its stance.

    Views (a video, or one shot of it) whose stances are within `distance` of each other form a setting.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    views = list(dict.fromkeys(data.views))
    of_view = np.array([views.index(view) for view in data.views])
    stances = np.stack([np.median(data.stances[of_view == number], axis=0) for number in range(len(views))])
    found = np.ones(len(views), dtype=int)
    if len(views) > 1:
        root = np.sqrt(stances.shape[1])
        found = fcluster(linkage(stances / root, method="complete"), distance, criterion="distance")
    return [sample.setting or f"setting-{found[number]}" for sample, number in zip(data.samples, of_view, strict=True)]


def _among_siblings(data: _Data, scales: Sequence[Scale], least: int) -> tuple[Floats, list[str]]:
    """Distances among siblings in every video with enough of them."""
    far, groups = [], []
    names = np.array(data.groups)
    for group in dict.fromkeys(data.groups):
        rows: NDArray[np.intp] = np.flatnonzero(names == group)
        if len(rows) >= least:
            far.append(compare_siblings(tuple(block.rows(rows) for block in data.blocks), scales))
            groups += [group] * len(rows)
    if not far:
        raise DatasetError(f"Expected a video with {least} or more normal repetitions, got none.")
    return np.concatenate(far), groups


def _spread_over(groups: Sequence[str], most: int, rng: np.random.Generator) -> list[int]:
    """At most `most` indices, drawn so that every group gives one before any gives a second."""
    rank: dict[str, int] = {}
    order = []
    for index in rng.permutation(len(groups)):
        order.append((rank.get(groups[index], 0), int(index)))
        rank[groups[index]] = rank.get(groups[index], 0) + 1
    return sorted(index for _, index in sorted(order, key=lambda item: item[0])[:most])


def _no_stance(data: _Data) -> Floats:
    return np.full(data.stances.shape[1], np.nan, np.float32)
