"""How our HTTP server reads and answers: in few system calls, because at each of them another thread takes over."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

from cheroot.makefile import MakeFile, StreamWriter
from cheroot.server import HTTPConnection, HTTPRequest, HTTPServer


class _Writer(StreamWriter):
    """Sends `headers` together with what comes after them."""

    headers = b""

    def write(self, data: Any, /) -> int:
        headers, self.headers = self.headers, b""
        return int(super().write(headers + data))


class _Request(HTTPRequest):
    def send_headers(self) -> None:
        writer, headers = self.conn.wfile, io.BytesIO()
        self.conn.wfile = headers
        try:
            super().send_headers()
        finally:
            self.conn.wfile = writer
        writer.headers = headers.getvalue()

    def respond(self) -> None:
        super().respond()
        self.conn.wfile.write(b"")  # the headers of an answer without a body


class Connection(HTTPConnection):
    """Takes a whole event in at once, and sends an answer at once."""

    RequestHandlerClass = _Request
    rbufsize = 64 * 1024

    def __init__(self, server: HTTPServer, sock: socket.socket, makefile: Callable[..., Any] = MakeFile) -> None:
        super().__init__(server, sock, makefile)
        self.wfile = _Writer(sock, "wb", self.wbufsize)
        # Held by the object itself they would keep it until the garbage collector comes, which then takes 0.1 s for
        # the connections of a burst; the methods of the class do the same.
        for name in ("resolve_peer_creds", "get_peer_creds"):
            self.__dict__.pop(name, None)
