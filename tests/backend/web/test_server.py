"""Our HTTP server: one per port and per data folder, said in one line before anything is started."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fakes import until
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.errors import BackendError
from backend.settings import Settings
from backend.web.server import Listening, _bound, listening


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Listening]:
    with listening(Settings(_env_file=None, data_dir=tmp_path, backend_port=0, workers=1)) as running:
        threading.Thread(target=running.server.serve, daemon=True).start()
        yield running


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


def test_connections_that_say_nothing_hinder_nobody(running: Listening) -> None:
    with ExitStack() as open_:
        port = int(running.url.rpartition(":")[2])
        for _ in range(40):
            open_.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert httpx.get(f"{running.url}/health", timeout=5.0).status_code == 200


def test_an_answer_without_a_body_has_its_headers(running: Listening) -> None:
    with httpx.Client(base_url=running.url) as client:  # one connection for all three
        assert client.head("/health").headers["content-type"] == "application/json"
        assert client.get("/health").json()["status"] == "UP"
        assert client.delete("/health").status_code == 405


def test_whoever_asks_before_sending_a_body_is_told_to_go_on(running: Listening) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as connection:
        headers = ("Host: localhost", "Content-Length: 2", "Expect: 100-continue", "Connection: close")
        connection.sendall("\r\n".join(["POST /webhook HTTP/1.1", *headers, "", ""]).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert b"".join(iter(lambda: connection.recv(1000), b"")).startswith(b"HTTP/1.1 400")


def test_an_address_that_is_none_is_refused_without_a_trace_in_the_log(
    running: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), timeout=5.0) as connection:
        connection.sendall(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert [record for record in caplog.records if record.exc_info] == []


def test_an_interrupted_stop_leaves_no_thread_that_keeps_the_process(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0, workers=1)
    with listening(settings):
        serving = [thread for thread in threading.enumerate() if thread.name.startswith("CP Server")]
        assert serving
        assert all(thread.daemon for thread in serving)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_password_it_listens_on_this_machine_alone(tmp_path: Path, host: str) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0, backend_host=host)
    with pytest.raises(BackendError, match=r"^[^\n]*BASIC_AUTH_USER and BASIC_AUTH_PASS[^\n]*$"), listening(settings):
        pass


def test_somebody_who_insists_listens_on_every_address_without_a_password() -> None:
    server = _bound(Settings(_env_file=None, backend_port=0, backend_host="0.0.0.0"), insecure=True)
    server.stop()
    assert server.bind_addr[0] == "0.0.0.0"


def test_names_of_people_are_asked_for_before_the_first_page(tmp_path: Path, label_studio: FakeLabelStudio) -> None:
    label_studio.users = [{"id": 2, "first_name": "Anna", "last_name": "Lift"}]
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        backend_port=0,
        workers=1,
        label_studio_url=label_studio.url,
        label_studio_api_key=SecretStr(label_studio.refresh_token),
    )
    with listening(settings) as server:
        until(lambda: server.services.titles._people == {2: "Anna Lift"})
