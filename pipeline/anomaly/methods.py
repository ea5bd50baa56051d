"""The methods by which repetitions are compared, by name: a new one is a `Representation` and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pipeline.anomaly.autoencoder import Encoder, fit_encoder
from pipeline.anomaly.features import Representation, Statistics
from pipeline.config import Method
from pipeline.records import Floats

OnEpoch = Callable[[int, float], None]
"""Called with the number of an epoch that is done, and its loss."""


@dataclass(frozen=True)
class AnomalyMethod:
    """How a method learns from images [N, C, J, L] of normal repetitions with a seed, and comes back from arrays."""

    fit: Callable[[Floats, int, OnEpoch], Representation]
    load: Callable[[Mapping[str, NDArray[Any]]], Representation]


METHODS: dict[Method, AnomalyMethod] = {
    "statistics": AnomalyMethod(lambda images, seed, on_epoch: Statistics(), lambda arrays: Statistics()),
    "autoencoder": AnomalyMethod(
        lambda images, seed, on_epoch: fit_encoder(images, seed, on_epoch=on_epoch), Encoder.load
    ),
}
"""`DetectorConfig.method` chooses; distances, calibration and reasons are the same for all."""
