"""Fixtures of the tests of doctor: the servers that it asks, and settings that lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor_servers import KEY, Servers
from pydantic import SecretStr

from backend.settings import Settings
from backend.storage.folder_locks import served


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.close()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Iterator[Settings]:
    """Of a server that works in this DATA_DIR."""
    with served(tmp_path / "data"):
        yield Settings(
            label_studio_url=servers.url,
            label_studio_api_key=SecretStr(KEY),
            backend_port=servers.port,
            data_dir=tmp_path / "data",
        )
