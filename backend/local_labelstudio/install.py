"""Installs Label Studio into a virtual environment of its own, apart from ours.

The two cannot share one: Label Studio needs numpy 2, mediapipe needs numpy 1.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from backend.errors import LabelStudioError
from pipeline.files import written_aside

VERSION = "1.23.2"
CONSTRAINTS = Path(__file__).with_name("labelstudio_constraints.txt")
MARKER = "deadlift-complete"
STARTED = "deadlift-installing"
TAIL_LINES = 12
_FULL = (errno.ENOSPC, errno.EDQUOT)

Progress = Callable[[str], None]
Run = Callable[[Sequence[str], Progress], None]


def default_folder() -> Path:
    """Where the environment is kept between runs when nobody says otherwise."""
    return Path(platformdirs.user_cache_dir("deadlift-ml-backend")) / f"label-studio-{VERSION}"


def install(folder: Path | None = None, progress: Progress = lambda line: None, run: Run | None = None) -> Path:
    """Label Studio's script in a complete environment, installed now if it is not there yet.

    An environment that an earlier run left half made is made anew. A `folder` that somebody else made is used as it
    is when it holds this version of Label Studio, and is never changed. Two processes that install at once take turns.

    Args:
        folder: the environment's folder; `default_folder()` if None.
        progress: called with one line of text at each step.
        run: runs a command and hands its output lines to `progress`; `run_command` if None.

    Returns:
        Absolute path of the `label-studio` script, to be run by the `python` beside it.

    Raises:
        LabelStudioError: the installation fails, or `folder` holds something else.
    """
    folder = (folder or default_folder()).expanduser().absolute()
    run = run or run_command
    script = folder / "bin" / "label-studio"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder.with_name(folder.name + ".lock"), progress):
            if not _is_complete(folder):
                _refuse_foreign(folder)
                _install_anew(folder, progress, run)
    except OSError as error:
        is_full = error.errno in _FULL
        remedy = "Make room there, or name another folder" if is_full else "Name a folder that can be written"
        raise LabelStudioError(
            f"Label Studio cannot be installed in {folder}: {error.strerror or error}. "
            f"{remedy} with --label-studio-dir or DEADLIFT_LABEL_STUDIO."
        ) from error
    return script


def run_command(command: Sequence[str], progress: Progress) -> None:
    """Run a command to its end, handing each output line to `progress`.

    Raises:
        LabelStudioError: with the command's last lines, when its exit code is not 0.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip():
                    tail.append(line.rstrip())
                    progress(line.strip())
        except BaseException:  # Ctrl-C: pip must not go on writing into the environment
            process.terminate()
            raise
    if process.returncode != 0:
        raise LabelStudioError(
            f"The command {' '.join(command)!r} ended with exit code {process.returncode}. Its last lines:\n"
            + "\n".join(tail)
        )


def _install_anew(folder: Path, progress: Progress, run: Run) -> None:
    if folder.exists():
        progress(f"Removing an incomplete installation from {folder}")
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / STARTED).touch()
    progress(f"Installing Label Studio {VERSION} into {folder} (once, about 1 GB, some minutes)")
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    try:
        run([sys.executable, "-m", "venv", str(folder)], lambda line: None)
        run([*pip, "--constraint", str(CONSTRAINTS), f"label-studio=={VERSION}"], _pip_progress(progress))
    except LabelStudioError as error:
        raise LabelStudioError(
            f"Label Studio {VERSION} could not be installed. Is the package index reachable, and room left? {error}"
        ) from error
    if _version_in(folder) != VERSION:
        raise LabelStudioError(
            f"pip reported success, but {folder} holds no Label Studio {VERSION}. Delete it, try again."
        )
    # Written last, and whole: its presence says that everything before it is there.
    with written_aside(folder / MARKER) as aside:
        aside.write_text(VERSION + "\n")


def _pip_progress(progress: Progress) -> Progress:
    """Hands on, of pip's hundreds of lines, the few that say how far it is."""
    total = sum(1 for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    fetched = 0
    progress(f"0 of about {total} packages fetched")

    def on_line(line: str) -> None:
        nonlocal fetched
        if line.startswith("Collecting "):
            fetched += 1
            if fetched % 5 == 0:
                progress(f"{fetched} of about {total} packages fetched")
        elif line.startswith("Installing collected packages"):
            progress("All packages are fetched; writing them into the folder takes a minute or two")

    return on_line


def _is_complete(folder: Path) -> bool:
    marker = folder / MARKER
    return (
        marker.is_file()
        and marker.read_text().strip() == VERSION
        and (folder / "bin" / "label-studio").is_file()
        and os.access(folder / "bin" / "python", os.X_OK)  # False too when the interpreter it links to is gone
    ) or (not (folder / STARTED).exists() and _version_in(folder) == VERSION)


def _refuse_foreign(folder: Path) -> None:
    """Only what an installation of ours left behind may be deleted."""
    if not folder.exists() or (folder / STARTED).exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise LabelStudioError(
            f"{folder} is not empty and holds no Label Studio {VERSION}. "
            "Name a folder that is absent or empty, or an environment with that version."
        )


def _version_in(folder: Path) -> str | None:
    """The version of the Label Studio in an environment, None when there is none."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "label-studio").is_file() or not os.access(python, os.X_OK):
        return None
    question = "from importlib.metadata import version; print(version('label-studio'))"
    answer = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


@contextmanager
def _one_at_a_time(path: Path, progress: Progress) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another process that installs Label Studio")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
