"""A labelled project to export, and exports without plots."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_project import LabelledProject

from backend.storage.jobs import Store
from pipeline.datasets import datasheet


@pytest.fixture
def project(store: Store, tmp_path: Path) -> LabelledProject:
    """Two videos with three repetitions each, left as they were predicted."""
    project = LabelledProject(store, tmp_path)
    for task in (1, 2):
        project.add_video(task)
        project.label(task)
    return project


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than all the rest; test_verify.py has them."""
    monkeypatch.setattr(datasheet, "_figures", lambda summary: {})
