"""The server's own random key, kept in the data folder: its cookies and its secrets are made with it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from backend.errors import BackendError

_FILE = "server-key"
_BYTES = 32


def server_key(data_dir: Path) -> bytes:
    """The key, made at the first call, readable by its owner alone. Raises BackendError where it cannot be kept."""
    path = data_dir / _FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        key = bytes.fromhex(path.read_text()) if path.exists() else b""
        if len(key) != _BYTES:
            key = secrets.token_bytes(_BYTES)
            aside = path.with_name(f"{_FILE}.{os.getpid()}")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(key.hex())
            os.replace(aside, path)
    except OSError as error:
        raise BackendError(f"{path} cannot be used ({error.strerror}). Choose another DATA_DIR.") from error
    except ValueError as error:
        raise BackendError(f"{path} is damaged. Remove it: everybody is then asked to log in again.") from error
    return key


def derived(key: bytes, purpose: str) -> bytes:
    """Another key, from which nobody can tell the first."""
    return hmac.new(key, purpose.encode(), hashlib.sha256).digest()
