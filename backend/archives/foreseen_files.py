"""Which files of a plan get the task of an equal one. A run knows the bytes of all; a plan reads as few as it can."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backend.archives.project_tasks import ProjectTasks
from pipeline.errors import VideoError
from pipeline.media import reading


class ForeseenFiles:
    """The files that get a task first. sizes: in bytes, of the files that have one already."""

    def __init__(self, tasks: ProjectTasks, sizes: Iterable[int]) -> None:
        self._tasks = tasks
        self._unread: dict[int, list[Path]] = {size: [] for size in sizes}
        self._digests: set[str] = set()

    def add(self, file: Path) -> None:
        """The file has a task, or gets one."""
        self._unread.setdefault(_size(file), []).append(file)

    def has_equal(self, file: Path) -> bool:
        """Whether a file with the same bytes has a task, or gets one first. Only files of equal sizes are read."""
        others = self._unread.get(_size(file))
        if others is None:
            return False
        try:
            while others:
                self._digests.add(reading.digest(others.pop()))
            digest = reading.digest(file)
        except (OSError, VideoError):  # a list may name what is not there
            return False
        return digest in self._digests or self._tasks.of_content(digest) is not None


def _size(file: Path) -> int:
    """In bytes, -1 where there is no such file: a list may name what is not there."""
    try:
        return file.stat().st_size
    except OSError:
        return -1
