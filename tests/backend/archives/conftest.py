"""What archive runs share: four files, and a project of a small Label Studio."""

from __future__ import annotations

from pathlib import Path

import pytest
from archive_runs import Run
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


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.mp4").write_bytes(name.encode() * 9)
    return folder


@pytest.fixture
def into_project(context: Context, archive: Path) -> Run:
    return Run(context, True, archive)


@pytest.fixture
def into_files(context: Context, archive: Path) -> Run:
    return Run(context, False, archive)
