"""A small reverse proxy: what it is asked for below a path, it asks another server for without that path."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "server", "date"}


class PathProxy:
    """Listens on loopback from the beginning; answers 502 until `target`, an address without a path, is set.

    with_token: the paths that were asked for with an Authorization header.
    """

    def __init__(self, prefix: str) -> None:
        self.target = ""
        self.with_token: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def forward(self) -> None:
                if not self.path.startswith(f"{prefix}/") or not proxy.target:
                    self.send_error(502 if not proxy.target else 404)
                    return
                if self.headers.get("Authorization"):
                    proxy.with_token.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                answer = httpx.request(
                    self.command,
                    proxy.target + self.path.removeprefix(prefix),
                    headers=kept | {"Accept-Encoding": "identity"},
                    content=body,
                    timeout=120.0,
                    follow_redirects=False,
                    trust_env=False,
                )
                self.send_response(answer.status_code)
                for name, value in answer.headers.multi_items():
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = forward  # noqa: N815  # names that the library calls

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
