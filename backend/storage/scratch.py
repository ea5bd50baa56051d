"""Folders for fetched videos, which may be large: gone when they are done with, also after a kill.

A folder is in use while it is locked itself; `filelock` locks files alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "deadlift-video-"
_NEW_S = 60.0
"""Before that a folder may not be locked yet."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, removed at the end; those that killed processes left on this machine are removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # free when this process dies
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_if_left(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # another user's, or gone
        return
    try:
        if time.time() - os.fstat(handle).st_mtime > _NEW_S:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
