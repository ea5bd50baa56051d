"""The SQLite database: how it is opened, what every table is declared with, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

from backend.errors import StorageFault
from backend.storage.migrations import steps_to_take, upgrade

T = TypeVar("T")

_CONNECTIONS = 32
"""More than the server has threads: opening one takes longer than most transactions."""
_BUSY_S = 30
"""A statement waits so long for another process that writes."""

# By the first eight bits of SQLite's error codes; https://sqlite.org/rescode.html
_LOCKED = "another process has kept it locked for too long. Try again; if it stays, end that process"
_NO_PERMISSION = "it cannot be opened or written. Correct the permissions of DATA_DIR, or choose another one"
_MEANINGS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _NO_PERMISSION,
    sqlite3.SQLITE_PERM: _NO_PERMISSION,
    sqlite3.SQLITE_CANTOPEN: _NO_PERMISSION,
    sqlite3.SQLITE_FULL: "the disk is full. Make room",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written. Look at it, and at the free space",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Base(DeclarativeBase):
    pass


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """A time of the database, which is UTC, as programs and pages show it: "2026-01-02T03:04:05Z"."""
    return moment.isoformat(timespec="seconds") + "Z"


def database_exists(url: str) -> bool:
    """Whether there is a database at `sqlite:///PATH` already: opening one makes it."""
    path = _path_of(url)
    return bool(path) and Path(path).exists()


def open_database(url: str) -> Engine:
    """The database at `sqlite:///PATH` with the tables of this release; its folder is made if it is not there.

    `sqlite://` is one in memory, which makes no file.
    Every thread has a connection of its own. Raises StorageFault where the folder or the database cannot be used, and
    BackendError where a later release made it.
    """
    path = _path_of(url)
    if path:
        _make_private(Path(path))
    engine = create_engine(url, connect_args={"timeout": _BUSY_S}, pool_size=_CONNECTIONS)
    event.listen(engine, "connect", _configure)
    try:
        upgrade(engine)
    except (sqlite3.Error, DBAPIError) as error:
        engine.dispose()
        raise StorageFault(explained(error, path or "The database")) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def missing_steps(url: str) -> int:
    """How many steps of the schema a database lacks, which is there; it is left as it is. An empty one lacks none.

    Raises StorageFault where it cannot be used, and BackendError where a later release made it.
    """
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})
    try:
        return steps_to_take(engine) if inspect(engine).get_table_names() else 0
    except (sqlite3.Error, DBAPIError) as error:
        raise StorageFault(explained(error, _path_of(url))) from error
    finally:
        engine.dispose()


def is_damage(error: Exception) -> bool:
    """Whether SQLite says by an error that the file is damaged, or no database."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def explained(error: Exception, path: str = "The database") -> str:
    """What an error of SQLite means, in a line with the remedy; without the statement, which may hold labels."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if is_damage(error):
        return (
            f"{path}: the database is damaged. Move it away with its -wal and -shm files, or put a copy back; what "
            "people labelled is read from Label Studio again."
        )
    return f"{path}: {_MEANINGS.get(code, f'the database cannot be used ({cause})')}."


def batches(ids: Iterable[T], size: int = 1000) -> Iterator[list[T]]:
    """SQLite takes a limited number of values per statement."""
    every = list(ids)
    return (every[first : first + size] for first in range(0, len(every), size))


def _path_of(url: str) -> str:
    """The file that an address names, "" for a database in memory."""
    path = make_url(url).database or ""
    return "" if path == ":memory:" else path


def _make_private(path: Path) -> None:
    """Make folder and file if they are missing, for their user alone: SQLite's other files get the same permissions."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFault(f"{path.parent}: cannot be made ({error.strerror}). Choose another DATA_DIR.") from error
    try:
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise StorageFault(f"{path.parent} cannot be written ({error.strerror}). Choose another DATA_DIR.") from error


def _configure(connection: Any, record: object) -> None:
    """WAL lets readers go on while one writes; foreign keys are off by default."""
    cursor = connection.cursor()
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Of several processes that open a new database at once only one gets the lock, and SQLite does not wait here."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
