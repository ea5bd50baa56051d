"""The detector of a model folder, loaded once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pipeline.anomaly import detector


@lru_cache(maxsize=4)
def load_detector(model_dir: Path | None) -> detector.Detector:
    """The model of a folder, or the shipped base model; kept for the life of the process."""
    return detector.load_detector() if model_dir is None else detector.Detector.load(model_dir)
