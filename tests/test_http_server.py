"""Our HTTP server: one per port and per data folder, said in one line before anything is started."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from backend.errors import BackendError
from backend.http_server import listening
from backend.settings import Settings


def test_a_taken_port_is_an_error_of_ours(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=taken.getsockname()[1])
        with pytest.raises(BackendError, match="choose another port"), listening(settings):
            pass


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0, workers=1)
    with listening(settings), pytest.raises(BackendError, match="Another server already works"), listening(settings):
        pass


def test_a_data_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(_env_file=None, data_dir=tmp_path / "file" / "data", backend_port=0)
    with pytest.raises(BackendError, match="Choose another DATA_DIR"), listening(settings):
        pass
