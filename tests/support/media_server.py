"""A server on this machine that misbehaves as asked: what a task's video address may point to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class MediaServer:
    """Answers each connection with the next of `answers` (the last one again and again); keeps what was asked.

    An answer is the bytes to send before the connection is closed, so that headers may promise more than comes.
    """

    def __init__(self, *answers: bytes, host: str = "127.0.0.1") -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self._socket = socket.create_server((host, 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    asked = b""
                    while b"\r\n\r\n" not in asked and (more := connection.recv(65536)):
                        asked += more
                    self.requests.append(asked.decode("latin-1"))
                    connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def reply(status: str = "200 OK", body: bytes = b"", length: int | None = None, **headers: str) -> bytes:
    """An HTTP answer; `length` is the length that it claims, None for the true one, -1 for not saying."""
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
