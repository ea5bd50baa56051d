"""The backend's database as the doctor reads it: one that an earlier release made is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from backend.doctor.machine import Check
from backend.errors import BackendError
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.storage.jobs import Store


def database(settings: Settings) -> list[Check]:
    """Whether the database, where there is one already, can be used by this release."""
    from backend.storage.database import database_exists, missing_steps, open_database

    if not database_exists(settings.database_url):
        return []
    try:
        missing = missing_steps(settings.database_url)
        if not missing:
            open_database(settings.database_url).dispose()
    except BackendError as error:
        return [Check("Database", "problem", str(error), "Do as it says, then start the server again.")]
    if missing:
        found = "made by an earlier release, which cannot use it any more once this release's server has started"
        return [Check("Database", "note", found, "To be able to go back, copy DATA_DIR before you start the server.")]
    return [Check("Database", "ok", "can be used by this release")]


@contextmanager
def stored(settings: Settings) -> Iterator[Store | None]:
    """What the server keeps; None where there is no database, or none that is as this release has it."""
    from backend.storage.database import database_exists, missing_steps
    from backend.storage.jobs import Store

    store = None
    with suppress(BackendError):
        if database_exists(settings.database_url) and not missing_steps(settings.database_url):
            store = Store(settings.database_url)
    try:
        yield store
    finally:
        if store is not None:
            store.close()
