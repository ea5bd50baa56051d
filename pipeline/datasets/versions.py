"""Numbered versions of a dataset in a folder: written aside, checked by sums, moved into place whole, never changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import DatasetError

SUMS = "SHA256SUMS"
MANIFEST = "manifest.jsonl"
NOT_CONTENT = frozenset(
    {
        *("DATASHEET.md", "dataset.json", "README.md"),
        *("reps.parquet", "splits/train.parquet", "splits/val.parquet", "splits/test.parquet"),
    }
)
"""Files that say when, how and with which releases of libraries a dataset was exported, besides what others say: two
datasets that differ in them alone are the same."""
ENCODED = "clips/", "frames/"
"""Folders of what was encoded from the videos. Which video and which part of it the manifest says, and the same may be
encoded into other bytes another time (several threads): that each is there is content, its bytes are not."""

_VERSION = re.compile(r"v\d{4,}")


@dataclass(frozen=True)
class Stored:
    """A version's folder; is_new: False where an earlier version had the same content."""

    folder: Path
    is_new: bool


class Draft:
    """A version that is being written, in `folder`. Made by `new_version`."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self._root = root

    def store(self) -> Stored:
        """Sum up, and move into place as the next version, unless an earlier one has the same content."""
        sums = {path.relative_to(self.folder).as_posix(): file_sum(path) for path in files_of(self.folder)}
        content = _content(sums)
        known = versions(self._root)
        for folder in reversed(known):
            if _content(read_sums(folder, strict=False)) == content:
                return Stored(folder, False)
        (self.folder / SUMS).write_text("".join(f"{value}  {name}\n" for name, value in sorted(sums.items())))
        for path in files_of(self.folder):
            path.chmod(0o444)
        number = 1 + max((int(folder.name[1:]) for folder in known), default=0)
        target = self._root / f"v{number:04d}"
        self.folder.chmod(0o755)  # mkdtemp lets nobody else read
        self.folder.rename(target)
        return Stored(target, True)


@contextmanager
def new_version(root: Path) -> Iterator[Draft]:
    """A draft below `root`; what was not stored by the end of the block is removed.

    Raises DatasetError where another process is exporting into `root`, or it is no folder.
    """
    lock = FileLock(root / ".lock", timeout=0)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise DatasetError(f"{root}: another export is writing to it. Wait for it, or choose another --out.") from error
    except OSError as error:
        raise DatasetError(f"{root}: cannot be written to ({error.strerror}). Choose another --out.") from error
    try:
        for rest in root.glob(".draft-*"):  # of a process that died: nobody else writes now
            shutil.rmtree(rest, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".draft-", dir=root))
        try:
            yield Draft(root, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def versions(root: Path) -> list[Path]:
    """The versions below a folder, oldest first."""
    found = (
        [path for path in root.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()] if root.is_dir() else []
    )
    return sorted(found, key=lambda path: int(path.name[1:]))


def versions_below(folder: Path) -> list[Path]:
    """The versions below a folder of several exports, each with its own in order.

    A folder is an export where one of its versions is known as such: the others are versions too, whatever they lost.
    """
    exports = sorted({path.parent for path in folder.rglob("v[0-9]*") if is_version(path)}) if folder.is_dir() else []
    return [version for export in exports for version in versions(export)]


def is_version(path: Path) -> bool:
    """Whether the folder is a version, or what is left of one."""
    return (path / MANIFEST).is_file() or (path / SUMS).is_file()


def version_at(path: Path) -> Path:
    """A version's folder: `path` itself, or the newest below it. Raises DatasetError where there is none."""
    if is_version(path):
        return path
    known = versions(path)
    if not known:
        raise DatasetError(f"{path}: no exported dataset. Expected a folder that `deadlift export --out` wrote.")
    return known[-1]


def files_of(folder: Path) -> Iterator[Path]:
    """Every file of a version but its sums, in order."""
    return (
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).as_posix() != SUMS
    )


def file_sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sums(folder: Path, strict: bool = True) -> dict[str, str]:
    """File -> SHA-256 as the version's sums say. Raises DatasetError where they cannot be read, if strict."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
        return {name: value for value, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        if not strict:
            return {}
        raise DatasetError(f"{folder / SUMS}: cannot be read. The dataset is not whole: export it again.") from error


def _content(sums: dict[str, str]) -> dict[str, str]:
    return {name: "" if name.startswith(ENCODED) else value for name, value in sums.items() if name not in NOT_CONTENT}
