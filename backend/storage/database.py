"""The SQLite database: how it is opened, and what every table is declared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import DeclarativeBase

from backend.errors import BackendError
from backend.storage.migrations import upgrade

_CONNECTIONS = 32
"""More than the server has threads: opening one takes longer than most transactions."""


class Base(DeclarativeBase):
    pass


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """A time of the database, which is UTC, as programs and pages show it: "2026-01-02T03:04:05Z"."""
    return moment.isoformat(timespec="seconds") + "Z"


def database_exists(url: str) -> bool:
    """Whether there is a database at `sqlite:///PATH` already: opening one makes it."""
    return Path(url.removeprefix("sqlite:///")).exists()


def open_database(url: str) -> Engine:
    """The database at `sqlite:///PATH` with the tables of this release; its folder is made if it is not there.

    Every thread has a connection of its own. Raises BackendError where the folder cannot be made, or a later release
    made the database.
    """
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        folder = Path(path).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BackendError(f"{folder}: cannot be made ({error.strerror}). Choose another DATA_DIR.") from error
    engine = create_engine(url, connect_args={"timeout": 30}, pool_size=_CONNECTIONS)
    event.listen(engine, "connect", _configure)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def batches(ids: Iterable[int], size: int = 1000) -> Iterator[list[int]]:
    """SQLite takes a limited number of values per statement."""
    every = list(ids)
    return (every[first : first + size] for first in range(0, len(every), size))


def _configure(connection: Any, record: object) -> None:
    """WAL lets readers go on while one writes; foreign keys are off by default."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
