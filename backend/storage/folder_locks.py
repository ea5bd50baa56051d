"""Locks in a data folder: there is one server in it, and one archive run for each target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from backend.errors import BackendError

_SERVER = "server.lock"
_ASKED_S = 1.0
"""Whoever asks whether there is a server holds the lock for a moment."""


@contextmanager
def held(data_dir: Path, name: str, taken: str, patience_s: float = 0.0) -> Iterator[None]:
    """While the block runs, a lock of that name in the folder is ours alone. taken: what is said where it is another's.

    Raises BackendError where another one has it, or where the folder cannot be written.
    """
    lock = FileLock(data_dir / name)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience_s)
    except Timeout as error:  # a kind of OSError
        raise BackendError(taken) from error
    except OSError as error:
        raise BackendError(f"{data_dir} cannot be written ({error.strerror}). Choose another DATA_DIR.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def served(data_dir: Path) -> Iterator[None]:
    """While the block runs, this server alone works in the folder: two would both deliver the same prediction.

    Raises BackendError as `held` does.
    """
    taken = f"Another server already works with {data_dir}. Stop it, or choose another DATA_DIR."
    with held(data_dir, _SERVER, taken, _ASKED_S):
        yield


def is_served(data_dir: Path) -> bool | None:
    """Whether a server works in the folder, None where that cannot be told; nothing is written there."""
    path = data_dir / _SERVER
    try:
        if not path.exists():
            return False
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # of another user, say
        return None
