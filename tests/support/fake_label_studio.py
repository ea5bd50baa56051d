"""Stands in for the `label-studio` script in tests: the few answers of it that starting and logging in need.

How it behaves is read from the variable FAKE: dies, silent, elsewhere, stubborn, or nothing for well.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

FORM = '<form><input type="hidden" name="csrfmiddlewaretoken" value="a-form-token"><input name="email"></form>'


class Handler(BaseHTTPRequestHandler):
    """One account, one personal token at a time, shown in full only when it is made: as Label Studio does."""

    tokens: list[str] = []  # noqa: RUF012
    revoked: list[str] = []  # noqa: RUF012
    password = os.environ.get("LABEL_STUDIO_PASSWORD", "right")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/api/version":
            self._answer(200, {"release": "1.23.2"})
        elif self.path == "/user/login/":
            self._answer(200, FORM, {"Set-Cookie": "csrftoken=a-cookie; Path=/"})
        elif self.path == "/api/token/" and self._logged_in():
            self._answer(200, [{"token": token.rpartition(".")[0]} for token in self.tokens])
        else:
            self._answer(401, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/user/login/":
            form = parse_qs(body)
            if form["csrfmiddlewaretoken"] == ["a-form-token"] and form["password"] == [self.password]:
                self._answer(302, "", {"Set-Cookie": "sessionid=in; Path=/", "Location": "/"})
            else:
                self._answer(200, FORM)
        elif self.path == "/api/token/refresh/":
            self._answer(200 if json.loads(body)["refresh"] in self.tokens else 401, {})
        elif not self._logged_in() or self.headers.get("X-CSRFToken") != "a-cookie":
            self._answer(403, {})
        elif self.path == "/api/token/blacklist/":
            listed = json.loads(body)["refresh"]
            self.revoked.append(listed)
            self.tokens[:] = [token for token in self.tokens if token.rpartition(".")[0] != listed]
            self._answer(204, "")
        elif self.tokens:
            self._answer(409, {"detail": "You already have a valid token."})
        else:
            self.tokens.append(f"head.body{len(self.revoked)}.signature")
            self._answer(201, {"token": self.tokens[0]})

    def _logged_in(self) -> bool:
        return "sessionid=in" in (self.headers.get("Cookie") or "")

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Behave as FAKE says."""
    port = next(int(argument.removeprefix("--port=")) for argument in sys.argv if argument.startswith("--port="))
    fake = os.environ.get("FAKE", "")
    Path("environment.json").write_text(json.dumps(dict(os.environ)))
    if fake == "dies":
        print("no such table: django_session", flush=True)
        sys.exit(3)
    if fake == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if fake == "elsewhere":
        print(f"* Trying to start at {port + 1}", flush=True)
    if fake in ("silent", "elsewhere"):
        time.sleep(60)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
