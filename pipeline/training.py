"""From labelled repetitions to a detector: a pure function of samples, configuration and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline import features
from pipeline.calibration import calibrate
from pipeline.config import TrainConfig
from pipeline.dataset import Sample, of_label
from pipeline.detector import Detector, distance
from pipeline.errors import DatasetError
from pipeline.records import Floats
from pipeline.skelemotion import encode


@dataclass(frozen=True)
class Progress:
    """How far training is. phase: "encode", "fit" or "calibrate"; loss is NaN where the phase has none."""

    phase: str
    epoch: int
    loss: float
    percent: float


@dataclass(frozen=True)
class Report:
    """What a detector was trained on, and what it does on it (distances without a repetition's own video)."""

    normals: int
    videos: int
    unusable: int
    false_alarm_rate: float


ProgressCallback = Callable[[Progress], None]
"""May raise to cancel: nothing is left behind."""


def fit(
    samples: Sequence[Sample],
    config: TrainConfig,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    name: str = "base",
) -> tuple[Detector, Report]:
    """Train on the normal repetitions among `samples`; equal input and seed give an equal detector.

    Raises DatasetError where fewer than two normal repetitions can be used.
    """
    tell = progress if progress is not None else _ignore
    normal, pooled = _encoded(of_label(samples, "normal"), config, tell)
    reference = _spread_over_videos(
        [index for index, sample in enumerate(normal) if sample.role == "reference"],
        [sample.group for sample in normal],
        config.most_references,
    )
    if len(reference) < 2:
        raise DatasetError(f"Expected at least 2 usable normal repetitions to learn from, got {len(reference)}.")
    groups = np.array([sample.group for sample in normal])
    scale = _scale(pooled[reference], groups[reference])
    tell(Progress("calibrate", 0, float("nan"), 70.0))
    neighbours = config.detector.neighbours
    unseen = [i for i, sample in enumerate(normal) if sample.role == "calibration"] or reference
    distances = []
    for index in unseen:
        others = [i for i in reference if groups[i] != groups[index]] or [i for i in reference if i != index]
        distances.append(distance(pooled[index], pooled[others], scale, neighbours)[0])
    far = np.array(distances)
    calibration = calibrate(far, list(groups[unseen]), config.detector.false_alarm_rate)
    detector = Detector(config.detector, pooled[reference], scale, calibration, name)
    report = Report(
        len(normal),
        len(set(groups)),
        len(samples) - len(normal),
        float(np.mean(far >= calibration.threshold)),
    )
    tell(Progress("calibrate", 0, float("nan"), 100.0))
    return detector, report


def _spread_over_videos(indices: Sequence[int], groups: Sequence[str], most: int) -> list[int]:
    """At most `most` of the indices, one of each video before a second of any."""
    rank: dict[str, int] = {}
    order = []
    for index in indices:
        order.append((rank.get(groups[index], 0), index))
        rank[groups[index]] = rank.get(groups[index], 0) + 1
    return sorted(index for _, index in sorted(order)[:most])


def _ignore(_: Progress) -> None:
    pass


def _encoded(samples: Sequence[Sample], config: TrainConfig, tell: ProgressCallback) -> tuple[list[Sample], Floats]:
    """The samples that can be judged, and their features [N, P, B, F]."""
    used, images = [], []
    limits = config.detector
    for number, sample in enumerate(samples):
        encoded = encode(sample.pose, sample.rep, limits.encode)
        tell(Progress("encode", 0, float("nan"), 60.0 * (number + 1) / len(samples)))
        if encoded.coverage >= limits.min_coverage and sample.rep.duration_s >= limits.min_duration_s:
            used.append(sample)
            images.append(encoded.image)
    if not used:
        raise DatasetError("Expected normal repetitions to learn from, got none that can be used.")
    return used, features.pooled(np.stack(images))


def _scale(pooled: Floats, groups: NDArray[np.str_]) -> Floats:
    """[P, B, F] the spread of repetitions within their own video, with a floor for what hardly moves."""
    residuals = pooled.copy()
    for group in set(groups):
        mine = groups == group
        residuals[mine] -= pooled[mine].mean(axis=0)
    spread = np.sqrt((residuals**2).mean(axis=0))
    floor = 0.25 * np.sqrt((spread**2).mean(axis=(0, 1), keepdims=True)) + 1e-3
    result: Floats = np.sqrt(spread**2 + floor**2).astype(np.float32)
    return result
