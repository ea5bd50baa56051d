"""Those who send slowly: no thread waits for the head of a request, and none for longer than its time for a body."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

HEAD_S = 10.0
"""From the first byte of a request to the end of its head."""
BODY_S = 10.0
LEAST_BYTES_PER_S = 100_000
"""A body may take BODY_S and its length at this pace."""
_PEEK = 20 * 1024
"""More than a head may have (`server.py`): a thread refuses one that is longer without waiting for its end."""
_LOOK_S, _LOOK_PER_HEAD_S = 0.02, 0.0005
"""Between two looks at the heads, and for each of them: many slow senders cost no more than some."""
_LOOK_AT_BODIES_S = 0.5


class Senders:
    """The connections of a server whose requests have not come whole; close it to let all of them go.

    A head that has not come whole waits here, in no thread; `hand_over` gets its connection as soon as it has.
    """

    def __init__(self, hand_over: Callable[[Any], None]) -> None:
        self._hand_over = hand_over
        self._heads: dict[Any, float] = {}  # connection -> when it is given up, of time.monotonic
        self._bodies: dict[socket.socket, float] = {}
        self._changed = threading.Condition()
        self._closed = False

    def start(self) -> None:
        """Begin to look after them, in a thread of its own."""
        threading.Thread(target=self._run, name="senders", daemon=True).start()

    def __len__(self) -> int:
        return len(self._heads)

    def take(self, connection: Any) -> None:
        """A connection on which something came: it is handed over now or later, or closed."""
        if _is_head_whole(connection):
            self._hand_over(connection)
            return
        with self._changed:
            if not self._closed:
                self._heads[connection] = time.monotonic() + HEAD_S
                self._changed.notify()
                return
        connection.close()

    @contextmanager
    def sending_body(self, sender: socket.socket, until: float) -> Iterator[None]:
        """While a thread reads a body: from then on (of time.monotonic) it reads the end of the connection."""
        with self._changed:
            self._bodies[sender] = until  # nobody is woken: nearly all are here already
            if self._closed:  # nobody looks any more; of what has come already nothing is lost
                _end(sender)
        try:
            yield
        finally:
            with self._changed:
                self._bodies.pop(sender, None)

    def close(self) -> None:
        """Let go of everybody; threads that read a body find its end."""
        with self._changed:
            self._closed = True
            heads, self._heads = list(self._heads), {}
            for sender in self._bodies:
                _end(sender)
            self._changed.notify()
        for connection in heads:
            connection.close()

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                if not self._heads:
                    self._changed.wait(_LOOK_AT_BODIES_S)
                moment = time.monotonic()
                for sender in [sender for sender, until in self._bodies.items() if until <= moment]:
                    _end(sender)
                heads = list(self._heads.items())
            for connection, until in heads:
                if _is_head_whole(connection) and self._heads.pop(connection, None) is not None:
                    self._hand_over(connection)
                elif until <= moment and self._heads.pop(connection, None) is not None:
                    connection.close()
            if heads:
                time.sleep(max(_LOOK_S, len(heads) * _LOOK_PER_HEAD_S))


class Body:
    """What `wsgi.input` is: the body of a request, which has to come in time. length: bytes that were announced."""

    def __init__(self, file: Any, length: int, sender: socket.socket, senders: Senders) -> None:
        self._file = file
        self._length = length
        self._sender = sender
        self._senders = senders
        self._until: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int | None = None) -> bytes:
        with self._in_time():
            return bytes(self._file.read(size))

    def readline(self, size: int | None = None) -> bytes:
        with self._in_time():
            return bytes(self._file.readline(size))

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        if self._until is None:
            self._until = time.monotonic() + BODY_S + self._length / LEAST_BYTES_PER_S
        with self._senders.sending_body(self._sender, self._until):
            yield


def has_come(connection: Any) -> bool:
    """Whether something can be read from a connection, its end included."""
    return bool(connection.rfile.has_data()) or _is_readable(connection.socket)


def _is_head_whole(connection: Any) -> bool:
    """Whether a thread that reads the head need not wait; also where there will be no more of it."""
    # What came behind the request before, and what has come since.
    head = bytes(connection.rfile.peek()) if connection.rfile.has_data() else b""
    try:
        if _is_readable(connection.socket):
            come = connection.socket.recv(_PEEK, socket.MSG_PEEK)
            if not come:
                return True
            head += come
    except (OSError, ValueError):
        return True
    return len(head) >= _PEEK or b"\r\n\r\n" in head or b"\n\n" in head


def _is_readable(end: socket.socket) -> bool:
    """Whether reading would not wait. These sockets have a timeout, with which even MSG_DONTWAIT waits."""
    looks = select.poll()
    looks.register(end, select.POLLIN)
    return bool(looks.poll(0))


def _end(sender: socket.socket) -> None:
    with suppress(OSError):
        sender.shutdown(socket.SHUT_RD)
