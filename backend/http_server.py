"""Our HTTP server: the port and the data folder are taken first, then the services start; all is closed in order."""

from __future__ import annotations

import fcntl
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import waitress
from flask import Flask

from backend.app import THREADS, create_app
from backend.errors import BackendError
from backend.settings import Settings
from backend.store import Store

_CONNECTIONS = 1000
"""Further ones wait until others are closed."""


@dataclass(frozen=True)
class Listening:
    """A server that answers as soon as `server.run()` is called, in this thread or another one."""

    url: str
    server: Any
    app: Flask
    store: Store


@contextmanager
def listening(settings: Settings) -> Iterator[Listening]:
    """Bind the port, lock the data folder, start the services; stop everything at the end.

    Raises BackendError where the port is taken, or the data folder cannot be used or is another server's.
    """
    with ExitStack() as stack:
        bound = stack.enter_context(_bound(settings.backend_host, settings.backend_port))
        stack.enter_context(_locked(settings.data_dir))
        store = Store(settings.database_url)
        stack.callback(store.close)
        app = create_app(settings, store=store)
        stack.callback(app.extensions["preannotator"].close)
        stack.callback(app.extensions["trainer"].close)
        stack.callback(app.extensions["label_events"].close)
        # A burst of events waits a moment in the queue: that is no reason for a warning for each.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        server = waitress.create_server(
            app, sockets=[bound], threads=THREADS, connection_limit=_CONNECTIONS, asyncore_use_poll=True
        )
        stack.callback(server.close)
        host, port = bound.getsockname()[:2]
        yield Listening(f"http://{host}:{port}", server, app, store)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise BackendError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Stop what listens there, or choose another port."
        ) from error
    with listener:
        yield listener


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Two servers on one folder would both deliver the same prediction."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "server.lock").open("wb")
    except OSError as error:
        raise BackendError(f"{data_dir} cannot be written ({error.strerror}). Choose another DATA_DIR.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackendError(
                f"Another server already works with {data_dir}. Stop it, or choose another DATA_DIR."
            ) from error
        yield
