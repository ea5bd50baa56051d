"""The detector of a model folder, loaded once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pipeline.anomaly.detector import Detector, load_detector


@lru_cache(maxsize=4)
def cached_detector(model_dir: Path | None) -> Detector:
    """The model of a folder, or the shipped base model; kept for the life of the process."""
    return load_detector(model_dir)
