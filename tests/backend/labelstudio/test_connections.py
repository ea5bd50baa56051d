"""Which projects list this backend as their model: how it finds itself, and how long an answer counts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from label_studio_api import FakeLabelStudio

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections, OwnAddress


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"instance": "abc"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_says_what_we_say_is_this_one(url: str) -> None:
    assert OwnAddress("abc", (), 9090).is_at(url)


def test_another_server_is_not_this_one_whatever_its_address(url: str) -> None:
    assert not OwnAddress("other", ("127.0.0.1",), int(url.rpartition(":")[2])).is_at(url)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [("http://127.0.0.1:1", True), ("http://localhost:1/", True), ("https://backend.invalid", True),
     ("http://127.0.0.1:2", False), ("http://other.invalid:1", False), ("http://[:1", False), ("", False)],
)  # fmt: skip
def test_where_nobody_answers_the_name_and_port_decide(url: str, is_ours: bool) -> None:
    assert OwnAddress("abc", ("backend.invalid",), 1).is_at(url) == is_ours


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [("http://127.0.0.1:2", True), ("http://localhost:2/", True), ("http://BACKEND.invalid.:2", True),
     ("http://other.invalid:1", False)],
)  # fmt: skip
def test_where_nobody_answers_the_only_one_of_this_machine_is_ours(url: str, is_ours: bool) -> None:
    assert OwnAddress("abc", ("Backend.Invalid:9090",), 1, listens_to_all=True).is_at(url, is_only=True) == is_ours


def test_another_server_is_not_this_one_though_no_other_is_listed(url: str) -> None:
    assert not OwnAddress("other", (), 1, listens_to_all=True).is_at(url, is_only=True)
    assert not OwnAddress("abc", (), 1).is_at("http://localhost:2", is_only=True)  # no port of ours is published


@pytest.mark.parametrize(("more", "is_connected"), [([], True), (["http://other.invalid:1"], False)])
def test_a_published_port_is_ours_where_no_other_backend_is_listed(
    client: LabelStudioClient, monkeypatch: pytest.MonkeyPatch, more: list[str], is_connected: bool
) -> None:
    listed = [SimpleNamespace(url=url) for url in ("http://localhost:2", *more)]
    monkeypatch.setattr(client, "connected_backends", lambda project: listed)
    assert Connections(client, OwnAddress("abc", (), 1, listens_to_all=True).is_at).is_connected(1) == is_connected


def test_a_server_that_is_too_busy_to_answer_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    monkeypatch.setattr("backend.labelstudio.connections._PATIENCE_S", 0.05)
    moment = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        label_studio.backend_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        own, answers = OwnAddress("abc", (), 1), [True]
        connections = Connections(
            client, lambda url, _: answers.pop() if answers else own.is_at(url), lambda: moment[0]
        )
        assert connections.is_connected(1)
        moment[0] = 1000.0
        assert connections.is_connected(1)
        with pytest.raises(LabelStudioError, match="does not answer"):
            Connections(client, own.is_at).is_connected(1)


@pytest.mark.parametrize("header", [b"HTTP/1.1 200 OK\r\n\r\n", b""], ids=["body", "header"])
def test_a_server_that_answers_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch, header: bytes) -> None:
    monkeypatch.setattr("backend.labelstudio.connections._PATIENCE_S", 0.2)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def trickle() -> None:
            with slow.accept()[0] as connection, suppress(OSError):
                connection.sendall(header)
                for _ in range(100):  # two minutes, were nobody to give it up
                    connection.sendall(b"H" if not header else b" ")
                    if ended.wait(0.05):
                        return
            ended.set()

        threading.Thread(target=trickle, daemon=True).start()
        with pytest.raises(LabelStudioError, match="does not answer"):
            OwnAddress("abc", (), 1).is_at(f"http://127.0.0.1:{slow.getsockname()[1]}")
        ended.set()


def test_a_server_that_answers_without_end_is_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(self: Health) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b" " * 4096)
        stopped.set()

    stopped = threading.Event()
    monkeypatch.setattr(Health, "do_GET", endless)
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        assert not OwnAddress("abc", (), 1).is_at(f"http://127.0.0.1:{server.server_port}")
        assert stopped.wait(5)
        server.shutdown()


@pytest.fixture
def moment() -> list[float]:
    return [0.0]


@pytest.fixture
def connections(client: LabelStudioClient, label_studio: FakeLabelStudio, moment: list[float]) -> Connections:
    return Connections(client, lambda url, _: url == label_studio.backend_url, lambda: moment[0])


def test_an_answer_counts_for_some_minutes(
    connections: Connections, label_studio: FakeLabelStudio, moment: list[float]
) -> None:
    assert (connections.is_known(1), connections.is_connected(1), connections.is_known(1)) == (False, True, True)
    label_studio.connected = set()
    moment[0] = 299.0
    assert connections.is_connected(1)
    assert label_studio.calls["GET /api/ml/"] == 1
    moment[0] = 301.0
    assert not connections.is_connected(1)
    assert not connections.is_known(1)


def test_somebody_who_connects_need_not_wait(
    connections: Connections, label_studio: FakeLabelStudio, moment: list[float]
) -> None:
    assert not connections.is_connected(2)
    label_studio.connected = {2}
    moment[0] = 1.5
    assert connections.is_connected(2)


def test_a_project_that_comes_back_is_told(
    connections: Connections, label_studio: FakeLabelStudio, moment: list[float]
) -> None:
    told: list[int] = []
    connections.on_return(told.append)
    for listed in ({1}, set(), {1}, {1}):
        label_studio.connected = listed
        connections.is_connected(1)
        moment[0] += 1000.0
    assert told == [1]


def test_while_label_studio_is_down_what_was_connected_stays_so(
    connections: Connections, label_studio: FakeLabelStudio, moment: list[float]
) -> None:
    assert connections.is_connected(1)
    label_studio.rejects_token = True
    moment[0] = 1000.0
    assert connections.is_connected(1)
    with pytest.raises(LabelStudioError):
        connections.is_connected(3)


def test_without_a_token_everybody_is_believed() -> None:
    trusting = Connections()
    assert (trusting.checks, trusting.is_known(7), trusting.is_connected(7)) == (False, True, True)
