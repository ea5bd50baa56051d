"""The data folder is for its user alone: labels, landmarks of people and addresses of videos are in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OTHERS = 0o077
_OURS = ("backend.sqlite3*", "models", "poses", "scratch", "*.lock")
"""What the backend keeps in its data folder. Somebody may have chosen a folder with other things in it."""


@contextmanager
def private(folder: Path) -> Iterator[None]:
    """While the block runs, this process and those that it starts write what only their user reads.

    What an earlier release left open to others in that folder is closed to them first.
    """
    before = os.umask(_OTHERS)
    try:
        close_to_others(folder)
        yield
    finally:
        os.umask(before)


def close_to_others(folder: Path) -> None:
    """Take the permissions of others away from what is ours in a data folder, and from the folder if all of it is.

    What belongs to another user is left as it is.
    """
    with suppress(OSError):
        known = {path for pattern in _OURS for path in folder.glob(pattern)}
        for path in known:
            if path.is_dir() and not path.is_symlink() and _is_open(path):
                for inside in path.rglob("*"):
                    _close(inside)
            _close(path)  # after what is in it: an interrupted walk is repeated
        if known and known == set(folder.iterdir()):
            _close(folder)


def _is_open(path: Path) -> bool:
    return bool(path.lstat().st_mode & _OTHERS)


def _close(path: Path) -> None:
    with suppress(OSError):
        if not path.is_symlink() and _is_open(path):
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
