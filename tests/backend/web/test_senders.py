"""Those who send slowly or nothing at all: they keep no thread, hinder nobody, and no stop waits for them."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from cheroot import wsgi
from fakes import until
from pydantic import SecretStr

from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web import senders
from backend.web import server as web_server
from backend.web.app import create_app


def no_services() -> tuple[Any, Any]:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: []

    return Nothing(), Store("sqlite://")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[wsgi.Server]:
    """The server, without workers behind it."""
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0)
    server = web_server._bound(settings, insecure=False)
    server.wsgi_app = create_app(settings, *no_services())
    threading.Thread(target=server.serve, daemon=True).start()
    yield server
    server.stop()


def connected(running: wsgi.Server) -> socket.socket:
    return socket.create_connection(running.bind_addr, timeout=20.0)


def health(running: wsgi.Server) -> int:
    return httpx.get("http://{}:{}/health".format(*running.bind_addr), timeout=5.0).status_code


def test_heads_that_come_slowly_keep_no_thread(running: wsgi.Server) -> None:
    with ExitStack() as open_:
        for _ in range(40):
            open_.enter_context(connected(running)).sendall(b"GET /health HTTP/1.1\r\nHost: local")
        slow = open_.enter_context(connected(running))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        assert health(running) == 200
        slow.sendall(b"host\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: slow.recv(1000), b"")).startswith(b"HTTP/1.1 200")


def test_a_head_that_does_not_come_is_given_up(running: wsgi.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "HEAD_S", 0.1)
    with connected(running) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        assert slow.recv(1000) == b""


SLOW_BODY = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"


def test_a_body_that_does_not_come_is_given_up(running: wsgi.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "BODY_S", 0.1)
    with connected(running) as slow:
        slow.sendall(SLOW_BODY)
        assert slow.recv(1000).startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))


def test_a_body_that_comes_in_slow_pieces_has_no_more_time_for_each(
    running: wsgi.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "BODY_S", 0.4)
    monkeypatch.setattr(senders, "LEAST_BYTES_PER_S", 1e9)
    monkeypatch.setattr(senders, "_LOOK_AT_BODIES_S", 0.05)
    start, size, pieces = b'{"action": "ANY", "project": {"id": 1}, "x": "', 64 * 1024, 15
    with connected(running) as slow:
        slow.sendall(SLOW_BODY.removesuffix(b"{").replace(b"1000", str(size * pieces).encode()))
        for piece in [start.ljust(size, b"x"), *[b"x" * size] * (pieces - 2), b'"}'.rjust(size, b"x")]:
            slow.sendall(piece)
            if select.select([slow], [], [], 0.2)[0]:
                break
        assert slow.recv(1000).startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))


def test_a_body_that_nobody_asked_for_is_given_up(running: wsgi.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "BODY_S", 0.1)
    with connected(running) as slow:
        slow.sendall(SLOW_BODY.replace(b"/webhook", b"/nowhere"))
        assert b"".join(iter(lambda: slow.recv(1000), b"")).startswith(b"HTTP/1.1 404")


def test_half_a_head_behind_a_request_keeps_no_thread(running: wsgi.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "HEAD_S", 0.1)
    with connected(running) as slow:
        slow.settimeout(5.0)  # a thread would wait for the rest of the second head for ten seconds
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nX: ")
        assert b"".join(iter(lambda: slow.recv(1000), b"")).count(b"HTTP/1.1 200") == 1


def test_a_whole_head_behind_a_request_is_answered(running: wsgi.Server) -> None:
    with connected(running) as both:
        request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
        both.sendall(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        assert b"".join(iter(lambda: both.recv(1000), b"")).count(b"HTTP/1.1 200") == 2


def test_a_stop_waits_for_nobody_who_sends_slowly(running: wsgi.Server) -> None:
    running.shutdown_timeout = running.timeout = 3600  # the library itself gives nobody up
    with connected(running) as body, connected(running) as head:
        body.sendall(SLOW_BODY)
        head.sendall(b"GET")
        until(lambda: running.senders._bodies and len(running.senders) == 1)
        stopping = threading.Thread(target=running.stop, daemon=True)
        stopping.start()
        assert head.recv(1000) == b""
        stopping.join(20.0)
        assert not stopping.is_alive()


def test_a_body_that_is_begun_after_the_stop_is_ended_at_once() -> None:
    stopped = senders.Senders(lambda connection: None)
    stopped.close()
    here, there = socket.socketpair()
    with here, there, stopped.sending_body(here, time.monotonic() + 3600.0):
        here.settimeout(5.0)
        assert here.recv(1) == b""


def test_silent_connections_make_room_for_others(running: wsgi.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_MOST_CONNECTIONS", 3)
    monkeypatch.setattr(web_server, "_SILENT_S", 0.0)
    running.timeout = 3600  # the library itself closes no silent ones
    with connected(running) as first, connected(running), connected(running):
        assert health(running) == 200
        assert first.recv(1000) == b""


def test_whoever_has_sent_something_that_nobody_has_read_yet_is_not_silent() -> None:
    class Connection:
        def __init__(self, end: socket.socket) -> None:
            self.socket, self.rfile = end, self

        def has_data(self) -> bool:
            return False

    here, there = socket.socketpair()
    with here, there:
        connection = Connection(here)
        assert not senders.has_come(connection)
        there.sendall(b"GET")
        assert senders.has_come(connection)
        assert here.recv(10) == b"GET"  # it was only looked at
        there.close()
        assert senders.has_come(connection)


def test_a_login_of_megabytes_is_not_read(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, basic_auth_user="coach", basic_auth_pass=SecretStr("secret"))
    http = create_app(settings, *no_services()).test_client()
    assert http.post("/login", data={"user": "coach", "password": "x" * 20_000}).status_code == 413
    assert http.post("/login", data={"user": "coach", "password": "x" * 10_000}).status_code == 403  # read: no token
