"""Projects whose labels train models."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from training_lab import Lab

from backend.labelstudio.records import Access
from backend.storage.jobs import Store


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Lab:
    return Lab(store, tmp_path, Access("", SecretStr("")))


@pytest.fixture
def trained(lab: Lab) -> Lab:
    for task in range(1, 6):
        lab.label(task)
    lab.train()
    return lab
