"""Our server and its commands as people run them beside a real Label Studio: settings in the environment, no more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from places import ROOT

_DEADLIFT = [sys.executable, "-c", "from backend.cli import main; main()"]
_PATIENCE_S = 600.0
_COLUMNS = "100"
"""Width of the terminal that tables are printed for."""


class ServerProcess:
    """`deadlift serve` with its data in `folder`; it may be stopped and started again at the same address.

    Its log is `server.log` in the folder; every start adds to it. auth: the user and password that it asks for.
    """

    def __init__(self, folder: Path, label_studio_url: str, token: str, auth: tuple[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data_dir = folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(self.data_dir),
            "LABEL_STUDIO_URL": label_studio_url,
            "LABEL_STUDIO_API_KEY": token,
            "BACKEND_PORT": str(port),
            "COLUMNS": _COLUMNS,
        }
        self.auth = auth
        if auth is not None:
            self._environment |= {"BASIC_AUTH_USER": auth[0], "BASIC_AUTH_PASS": auth[1]}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Start it with these settings besides, and return when it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_DEADLIFT, "serve"], cwd=self.folder, env=self._environment | settings, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"The server did not answer.\n{self.log()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it as a service manager does; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_PATIENCE_S)

    def jobs(self) -> dict[str, Any]:
        """What GET /jobs answers."""
        answer = httpx.get(f"{self.url}/jobs", auth=self.auth, trust_env=False, timeout=30.0)
        return dict(answer.raise_for_status().json())

    def setup_version(self, project: int, label_config: str) -> str:
        """The model's version that /setup tells Label Studio about a project."""
        body = {"project": f"{project}.1", "schema": label_config}
        answer = httpx.post(f"{self.url}/setup", json=body, auth=self.auth, trust_env=False, timeout=30.0)
        return str(answer.raise_for_status().json()["model_version"])

    def deadlift(self, *arguments: str) -> str:
        """What a command prints, which must succeed."""
        done = subprocess.run(
            [*_DEADLIFT, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False, timeout=2.0).is_success
        except httpx.HTTPError:
            return False
