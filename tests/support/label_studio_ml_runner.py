"""PyPI's label-studio-ml 1.0.9 as its users have it: in an environment of its own that sees ours, started by itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import platformdirs
from places import ROOT

VERSION = "1.0.9"
# What 1.0.9 imports, declared by it or not. Its pins (Flask 1.1.2 and others) are nominal: hence --no-deps.
IMPORTED = ("redis", "rq", "requests", "colorama", "label-studio-tools", "lxml", "attrs")
MODEL = "from backend.label_studio_ml import DeadliftModel\n"
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Runner:
    """A running `_wsgi.py` of the runner, and the folders of its project and of our data."""

    url: str
    project: Path
    data: Path

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=PATIENCE_S)


class NotInstallable(Exception):
    """pip could not make the environment; the message says why."""


def environment() -> Path:
    """The `bin` folder of the environment, made once and kept in the user's cache. Raises NotInstallable."""
    folder = Path(platformdirs.user_cache_dir("deadlift-ml-backend")) / f"label-studio-ml-{VERSION}"
    binaries = folder / "bin"
    complete = folder / "complete"
    if not complete.exists():
        pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _show_our_packages(folder)
        _run([*pip, "--no-deps", f"label-studio-ml=={VERSION}"])
        _run([*pip, *IMPORTED])
        complete.touch()
    _show_our_packages(folder)  # ours may have moved since
    return binaries


@contextmanager
def running(binaries: Path, folder: Path, variables: dict[str, str]) -> Iterator[Runner]:
    """`label-studio-ml init` and the server that `label-studio-ml start` would start, with settings of ours."""
    script = folder / "my_model.py"
    script.write_text(MODEL)
    project = folder / "my_backend"
    settings = {"DATA_DIR": str(folder / "data"), "WORKERS": "1", "PREDICT_WAIT_S": "0.2", **variables}
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    env = {**kept, **settings, "PYTHONPATH": str(ROOT)}
    python = str(binaries / "python")
    command = [python, str(binaries / "label-studio-ml"), "init", str(project), "--script", f"{script}:DeadliftModel"]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "runner.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, str(project / "_wsgi.py"), "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    runner = Runner(f"http://127.0.0.1:{port}", project, folder / "data")
    try:
        _wait_until_up(runner, process, log)
        yield runner
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_up(runner: Runner, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(runner.url + "/health").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"The runner did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _show_our_packages(folder: Path) -> None:
    """After its own packages it sees those of the environment that the tests run in, editable ones included."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (folder / "lib" / version / "site-packages" / "deadlift.pth").write_text(line)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstallable(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
