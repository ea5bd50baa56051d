"""Our HTTP server: the port and the data folder are taken first, then the services start; all is closed in order.

Label Studio waits one second for the answer to an event. benchmarks/load.py sends 200 events in one moment, beside a
training and two pose estimations. On two cores, 99 % of them were answered within 0.40 to 0.61 s in fifteen rounds, and
within 0.82 s where the cores had other work as well, so Flask and cheroot serve events as they serve everything else.
"""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import label_studio_sdk  # noqa: F401  # now: importing it takes seconds, and gc.freeze() below must see it
from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest

from backend.errors import BackendError
from backend.settings import Settings
from backend.storage.folder_locks import served
from backend.storage.jobs import Store
from backend.storage.private import private
from backend.web.app import create_app
from backend.web.metrics import CAME_AT
from backend.web.senders import Body, Senders, has_come
from backend.web.services import Services, services_of

log = logging.getLogger(__name__)

_THREADS = 16
"""/predict may hold one for PREDICT_WAIT_S; /health must find one free all the same. More would hinder each other."""
_BACKLOG = 1000
"""Connections that may wait to be accepted: Label Studio sends each event on one of its own."""
_MOST_CONNECTIONS = 500
"""Open at once, of the 1024 files that a process may usually have; those that a thread works on are not counted."""
_SILENT_S = 1.0
"""So long a connection may say nothing where there are too many."""
_MAX_HEADER_BYTES = 16 * 1024
_READ_THOUGH_REFUSED = 256 * 1024
"""Bytes of a body: whoever sends it may not see the answer if the connection is closed meanwhile."""


@dataclass(frozen=True)
class Listening:
    """A server that answers as soon as `server.serve()` is called, in this thread or another one."""

    url: str
    server: wsgi.Server
    services: Services


class _Request(HTTPRequest):
    """Refuses an address that is none; the library would take that for an error of its own."""

    def read_request_line(self) -> bool:
        try:
            return bool(super().read_request_line())
        except ValueError:  # UnicodeError is one
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request
    came_at = 0.0
    """When something came on it, of time.perf_counter()."""


class _Server(wsgi.Server):
    """Gives a connection to a thread when a head came on it, and writes its own messages to our log."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.senders = Senders(super().process_conn)

    def prepare(self) -> None:
        super().prepare()
        self.senders.start()

    ConnectionClass = _Connection

    def process_conn(self, conn: Any) -> None:
        if conn.last_used is not None:
            conn.came_at = time.perf_counter()
            self.senders.take(conn)
        elif self._has_room():  # new: browsers open some that they may never use
            self.put_conn(conn)
        else:
            conn.close()

    def _has_room(self) -> bool:
        """Whether one more may be open. Those that say nothing make room: whoever opens many is the first to lose them.

        Runs in the one thread that manages them.
        """
        if self._open() < _MOST_CONNECTIONS:
            return True
        selector = self._connections._selector  # type: ignore[attr-defined]
        since = time.time() - _SILENT_S
        idle = [(place, one) for place, one in list(selector.connections) if one is not self and one.last_used < since]
        for place, one in idle:
            # One with a request that nobody has read yet is left: the manager is about to hand it over.
            if not has_come(one):
                selector.unregister(place)
                one.close()
        return self._open() < _MOST_CONNECTIONS

    def _open(self) -> int:
        return int(self._connections._num_connections) + len(self.senders)  # type: ignore[attr-defined]

    def stop(self) -> None:
        self.senders.close()
        super().stop()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, msg, exc_info=traceback)


class _Gateway(wsgi.Gateway_10):
    """Closes the connection of a request whose body was not read, as of one that was refused, unless it is short.

    Otherwise a thread would read all of it before it answers. What is read has to come in time.
    """

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # its stub says None
        found: dict[str, Any] = super().get_environ()
        length = int(getattr(self.req.rfile, "remaining", 0))
        # In place of the request's own as well: the library reads a body that nobody asked for.
        self.req.rfile = found["wsgi.input"] = Body(
            self.req.rfile, length, self.req.conn.socket, self.req.server.senders
        )
        found[CAME_AT] = self.req.conn.came_at
        return found

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if self.req.chunked_read or getattr(self.req.rfile, "remaining", 0) > _READ_THOUGH_REFUSED:
            self.req.close_connection = True
        return super().start_response(status, headers, exc_info)


@contextmanager
def listening(settings: Settings, insecure: bool = False) -> Iterator[Listening]:
    """Bind the port, lock the data folder, start the services; stop everything at the end.

    insecure: whether to listen on addresses that others reach although nobody has to give a password.

    Raises BackendError where that is not wanted, where the port is taken, or where the data folder cannot be used or is
    another server's.
    """
    with ExitStack() as stack:
        server = _bound(settings, insecure)
        stack.callback(server.stop)
        stack.enter_context(private(settings.data_dir))
        stack.enter_context(served(settings.data_dir))
        store = Store(settings.database_url)
        stack.callback(store.close)
        app = create_app(settings, store=store)
        services = services_of(app)
        stack.callback(services.close)
        services.titles.ask_soon(found.id for found in store.projects())
        server.wsgi_app = app
        stack.callback(server.stop)  # before the services; above it frees the port where there are none
        host, port = server.bind_addr[:2]
        shown = f"[{host}]" if ":" in host else host
        # What is loaded stays: a full garbage collection would take 0.15 s for it, in which nobody is answered.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        yield Listening(f"http://{shown}:{port}", server, services)


def check_listening(settings: Settings) -> None:
    """Raises BackendError where `listening` would at once: port and data folder are free otherwise."""
    _bound(settings, insecure=False).stop()
    with private(settings.data_dir), served(settings.data_dir):
        pass


def _bound(settings: Settings, insecure: bool) -> wsgi.Server:
    """A server that has the port and no application yet: whoever connects waits."""
    host, port = settings.backend_host, settings.backend_port
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][:2]
        if not (settings.basic_auth_user or insecure or ip_address(address[0]).is_loopback):
            raise BackendError(
                f"Others could reach {host}:{port} without a password. Set BASIC_AUTH_USER and BASIC_AUTH_PASS, or "
                "leave BACKEND_HOST at 127.0.0.1; `deadlift serve --insecure` insists."
            )
        server = _Server(address, None, numthreads=_THREADS, request_queue_size=_BACKLOG)
        server.gateway = _Gateway
        server.max_request_header_size = _MAX_HEADER_BYTES
        server.max_request_body_size = settings.max_request_mb * 1024 * 1024
        _prepare(server)
    except OSError as error:
        raise BackendError(
            f"Cannot listen on {host}:{port}: taken, or no address of this machine. Stop what listens there, or choose"
            " another port."
        ) from error
    return server


def _prepare(server: wsgi.Server) -> None:
    """Bind and start the threads, as daemons: an interrupted stop must not leave a process that never ends."""
    outcome: Future[None] = Future()

    def prepare() -> None:
        try:
            server.prepare()
            outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001  # raised again by outcome.result()
            outcome.set_exception(error)

    threading.Thread(target=prepare, daemon=True).start()  # threads that a daemon starts are daemons
    outcome.result()
