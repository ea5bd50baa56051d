"""Requests that nobody sends on purpose, by the thousand, against a started server: what it answers, and what is left.

    python benchmarks/fuzz_requests.py [--requests 20000] [--seed 1]

`deadlift serve` with a password and a small Label Studio beside it gets parameters made by its own OpenAPI document,
every route with odd values, and mutations of what Label Studio was seen to send. One request in ten comes without the
password or with a wrong one, one in fifty is no HTTP at all. The second half goes to a server without a token for Label
Studio, which believes what it is told. Wrong (exit code 1): an error of the server that it does
not name, a traceback in an answer or in its log, a secret in an answer, an answer to somebody without the password, a
server that is gone, or memory that grows by more than 100 MB after the first quarter.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from flask import Flask

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
import dashboard_data
from backend_process import BackendProcess
from fakes import VERSION
from label_studio_api import FakeLabelStudio
from odd_requests import OddRequest, OddRequests

from backend.models.registry import Model, Registry
from backend.storage.jobs import Store
from backend.web import access, dashboard, metrics
from backend.web.dashboard.openapi import document
from backend.web.routes import bp

USER, PASSWORD = "coach", "a-long-password-of-the-fuzzer"
_THREADS = 4
_MOST_GROWTH = 100 * 1024**2
_OPEN = ("/health", "/login")
_NO_HTTP = (
    b"\0\xff" * 200 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50,
    b"POST /predict HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n", b"GET http://[ HTTP/1.1\r\nHost: [\r\n\r\n",
    b"POST /setup HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
    b"GET /\xff?%ff=%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
)  # fmt: skip


@dataclass
class Found:
    """What came of the requests, by all threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: str, wrong: list[str]) -> None:
        with self.lock:
            self.statuses[status] += 1
            self.wrong += wrong


def rules() -> list[tuple[str, str]]:
    """Every route of the application with its methods."""
    app = Flask("routes")
    for blueprint in (bp, dashboard.bp, dashboard.api, access.bp, metrics.bp):
        app.register_blueprint(blueprint)
    return [(method, rule.rule) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


def send(connection: http.client.HTTPConnection, asked: OddRequest, user: str, password: str) -> tuple[int, bytes]:
    headers = asked.headers | ({"Authorization": _basic(user, password)} if user else {})
    connection.request(asked.method, asked.target, asked.body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def send_no_http(port: int, content: bytes) -> None:
    """Whatever comes back, or nothing: the connection is closed by whoever is tired of it first."""
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        raw.settimeout(0.2)
        try:
            raw.sendall(content)
            raw.recv(65536)
        except OSError:
            pass


def judge(asked: OddRequest, status: int, body: bytes, is_let_in: bool, secrets: tuple[bytes, ...]) -> list[str]:
    """What is wrong with an answer, in words."""
    about = f"{asked.method} {asked.target[:200]} {asked.body[:300]!r}: {status} {body[:200]!r}"
    wrong = []
    if status >= 500 and not _is_named(body):
        wrong.append(f"unnamed error: {about}")
    if b"Traceback (most recent" in body or b'File "/' in body:
        wrong.append(f"traceback: {about}")
    if any(secret in body for secret in secrets):
        wrong.append(f"secret: {about}")
    path = asked.target.partition("?")[0]
    if not is_let_in and status < 300 and path not in _OPEN and not path.startswith("/assets/"):
        wrong.append(f"open without the password: {about}")
    return wrong


def _is_named(body: bytes) -> bool:
    try:
        return str(json.loads(body)["error"]["type"]) not in ("InternalError", "InternalServerError")
    except (ValueError, KeyError, TypeError):
        return False


def fuzz(port: int, requests: OddRequests, count: int, seed: int, secrets: tuple[bytes, ...], found: Found) -> None:
    """Send so many, one after the other, on connections that are kept while the server keeps them."""
    chance = Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for asked in islice(requests, count):
        if chance.random() < 0.02:
            send_no_http(port, chance.choice(_NO_HTTP))
            found.add("no HTTP", [])
            continue
        drawn = chance.random()
        user, password = (USER, PASSWORD) if drawn < 0.9 else ("", "") if drawn < 0.96 else (USER, f"guess{drawn}")
        try:
            status, body = send(connection, asked, user, password)
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            found.add(type(error).__name__, [])
            continue
        found.add(str(status), judge(asked, status, body, (user, password) == (USER, PASSWORD), secrets))


def prepare(data_dir: Path) -> None:
    """Something for every page to show."""
    store = Store(f"sqlite:///{data_dir / 'backend.sqlite3'}")
    reps = dashboard_data.fill_videos(store, data_dir)
    regions = [(f"rep{n}", rep.start_s, rep.end_s, "normal") for n, rep in enumerate(reps)]
    dashboard_data.label(store, 1, dashboard_data.DRAWN, regions)
    registry = Registry(data_dir / "models", Model(VERSION, None))
    for number in (1, 2):
        dashboard_data.add_model(registry, number, 0.9, 0.8)
    store.close()


def run(data_dir: Path, count: int, seed: int, **settings: str) -> int:
    data_dir.mkdir()
    prepare(data_dir)
    label_studio = FakeLabelStudio()
    label_studio.add_task("/data/upload/1/0123abcd-drawn.mp4", dashboard_data.DRAWN, fps=25)
    server = BackendProcess(data_dir, label_studio, BASIC_AUTH_USER=USER, BASIC_AUTH_PASS=PASSWORD, **settings)
    found = Found()
    try:
        server.start()
        streams = [OddRequests(document(), rules(), seed * 1000 + number) for number in range(_THREADS)]
        secrets = (PASSWORD.encode(), label_studio.refresh_token.encode())
        memory = [server.process.memory_info().rss]
        begun = time.monotonic()
        for quarter in range(4):
            threads = [
                threading.Thread(
                    target=fuzz,
                    args=(server.port, stream, count // 4 // _THREADS, seed + quarter * 97 + number, secrets, found),
                )
                for number, stream in enumerate(streams)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            memory.append(server.process.memory_info().rss if server.is_running() else 0)
        took_s = time.monotonic() - begun
        is_alive = server.is_running() and server.http.get("/health").status_code == 200
        log = server.log()
    finally:
        server.stop()
        label_studio.close()
    tracebacks = log.count("Traceback (most recent call last)")
    sent = sum(found.statuses.values())
    print(f"{sent} requests in {took_s:.0f} s, {sent / took_s:.0f} a second")
    print("answers: " + ", ".join(f"{count} {status}" for status, count in sorted(found.statuses.items())))
    print(
        "memory at the start and after each quarter: " + ", ".join(f"{size / 1024**2:.0f}" for size in memory) + " MB"
    )
    print(f"server alive: {is_alive}; tracebacks in its log: {tracebacks}; things wrong: {len(found.wrong)}")
    for line in found.wrong[:50]:
        print(f"  {line}")
    if tracebacks:
        print(log[log.index("Traceback") - 300 :][:6000])
    grown = memory[-1] - memory[1]
    return 1 if found.wrong or tracebacks or not is_alive or grown > _MOST_GROWTH else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        half = chosen.requests // 2
        wrong = run(Path(folder, "with token"), half, chosen.seed)
        return wrong + run(Path(folder, "without"), half, chosen.seed + 500, LABEL_STUDIO_API_KEY="")


if __name__ == "__main__":
    sys.exit(main())
