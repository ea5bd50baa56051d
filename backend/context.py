"""What predicting and training have in common: the database, Label Studio, the models, and the settings of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Registry
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig


@dataclass(frozen=True)
class Context:
    """One data folder with its database, the models in it, and one Label Studio.

    remove_superseded: whether a new model's predictions replace the old ones on tasks nobody has begun.
    """

    store: Store
    client: LabelStudioClient
    registry: Registry
    config: PipelineConfig
    access: Access
    data_dir: Path
    remove_superseded: bool = True

    @property
    def pose_dir(self) -> Path:
        """Where landmarks are kept."""
        return self.data_dir / "poses"
