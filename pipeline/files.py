"""Files that are there whole or not at all: written aside, then moved into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path, mode: int = 0o644, durable: bool = False) -> Iterator[Path]:
    """A new empty file beside `path`, with its suffix, to write to: it takes the place of `path` when the block ends.

    Where the block fails, `path` stays as it was and nothing is left beside it. mode: the permissions of the result.
    durable: it also survives a power cut right after the block. Raises OSError where the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(mode)
        if durable:
            _sync(aside)
        os.replace(aside, path)
        if durable:
            _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
