"""The detector of a model folder, loaded once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pipeline.anomaly.detector import Detector, load_detector


@lru_cache(maxsize=8)
def cached_detector(model_dir: Path | None, rate: float | None = None) -> Detector:
    """The model of a folder, or the shipped base model; kept for the life of the process.

    rate: the nominal rate of false alarms, 0..1, that it judges at; None for its own.
    """
    return _loaded(model_dir) if rate is None else _loaded(model_dir).at_rate(rate)


@lru_cache(maxsize=4)
def _loaded(model_dir: Path | None) -> Detector:
    return load_detector(model_dir)
