"""What archive runs share: a project of a small Label Studio."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import VERSION

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig


@pytest.fixture
def context(store: Store, client: LabelStudioClient, access: Access, tmp_path: Path) -> Context:
    registry = Registry(tmp_path / "models", Model(VERSION, None))
    return Context(store, client, registry, PipelineConfig(), access, tmp_path / "data")
