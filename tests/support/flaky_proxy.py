"""A reverse proxy that does what networks and busy servers do: late, lost, refused and cut off answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Literal, Self, get_args

import httpx

Fault = Literal["late", "unheard", "unanswered", "401", "429", "500", "cut off", "no JSON"]
"""late: asked, or answered, seconds later. unheard: the connection ends before the request is passed on. unanswered:
it is passed on, and then the connection ends. 401, 429, 500: answers of the proxy; 429 asks for a second's pause.
cut off: half of the answer's body, then the connection ends. no JSON: a page instead of the answer, which was passed
on all the same; for answers that are no JSON it is as unanswered."""
FAULTS: tuple[Fault, ...] = get_args(Fault)

Choose = Callable[[str, str], Fault | None]
"""What happens to a request of that method and path, None for nothing. Called by one thread at a time."""

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "server", "date"}


def now_and_then(share: float, seed: int, faults: tuple[Fault, ...] = FAULTS) -> Choose:
    """Any of the faults, for that share of all requests."""
    chance = Random(seed)
    return lambda method, path: chance.choice(faults) if chance.random() < share else None


class FlakyProxy:
    """Listens on loopback and asks `target`, an address without a path. `choose` may be changed at any time.

    seen: how often each fault happened, "" for none. late_s: how long what is late takes at most.
    """

    def __init__(self, target: str, choose: Choose, late_s: float = 3.0) -> None:
        self.choose = choose
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._chance = Random(0)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault, wait_s, is_asked_late = proxy.chosen(self.command, self.path.partition("?")[0], late_s)
                if fault == "unheard":
                    self.close_connection = True
                elif fault in ("401", "429", "500"):
                    headers = {"Retry-After": "1"} if fault == "429" else {}
                    self.answer(int(fault), {"Content-Type": "application/json", **headers}, b'{"detail": "no"}')
                else:
                    if fault == "late" and is_asked_late:
                        time.sleep(wait_s)
                    self.pass_on(body, fault, 0.0 if is_asked_late else wait_s)

            def pass_on(self, body: bytes, fault: Fault | None, wait_s: float) -> None:
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                try:
                    answer = proxy.http.request(self.command, target + self.path, headers=kept, content=body)
                except httpx.HTTPError:
                    self.close_connection = True
                    return
                headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                is_json = "json" in headers.get("content-type", "")
                if fault == "unanswered" or (fault == "no JSON" and not is_json):
                    self.close_connection = True
                elif fault == "no JSON":
                    self.answer(200, {"Content-Type": "text/html"}, b"<html>Please wait</html>")
                else:
                    if fault == "late":
                        time.sleep(wait_s)
                    self.answer(answer.status_code, headers, answer.content, is_whole=fault != "cut off")

            def answer(self, status: int, headers: dict[str, str], body: bytes, is_whole: bool = True) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + (0 if is_whole else 1)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body if is_whole else body[: len(body) // 2])
                self.close_connection = self.close_connection or not is_whole

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = forward  # noqa: N815  # the library's names

        self.http = httpx.Client(timeout=120.0, trust_env=False, headers={"Accept-Encoding": "identity"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # whoever asked was killed
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def chosen(self, method: str, path: str, late_s: float) -> tuple[Fault | None, float, bool]:
        """What happens to a request, how late it is, and whether it is asked late, or else answered."""
        with self._lock:
            fault = self.choose(method, path)
            self.seen[fault or ""] += 1
            return fault, self._chance.uniform(0.0, late_s), self._chance.random() < 0.5

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
