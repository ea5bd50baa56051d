"""Our HTTP server: one per port and per data folder, said in one line before anything is started."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
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


def test_connections_that_say_nothing_hinder_nobody(tmp_path: Path) -> None:
    with (
        listening(Settings(_env_file=None, data_dir=tmp_path, backend_port=0, workers=1)) as running,
        ExitStack() as open_,
    ):
        threading.Thread(target=running.server.serve, daemon=True).start()
        port = int(running.url.rpartition(":")[2])
        for _ in range(40):
            open_.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert httpx.get(f"{running.url}/health", timeout=5.0).status_code == 200


def test_an_interrupted_stop_leaves_no_thread_that_keeps_the_process(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0, workers=1)
    with listening(settings):
        serving = [thread for thread in threading.enumerate() if thread.name.startswith("CP Server")]
        assert serving
        assert all(thread.daemon for thread in serving)
