"""Which files of a plan get the task of an equal one. A run knows the bytes of all; a plan reads as few as it can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backend.archives.project_tasks import ProjectTasks
from backend.storage.ledger import KnownFile
from pipeline.errors import VideoError
from pipeline.media import reading


@dataclass(frozen=True)
class Equal:
    """A file with the same bytes as another one, and its task if it has one already. is_itself: whether it is that very
    file, which another model analyzed."""

    name: str
    task: int | None = None
    is_itself: bool = False

    def __str__(self) -> str:
        return self.name if self.task is None else f"{self.name} (task {self.task})"


class ForeseenFiles:
    """The files that get a task first. known: those that have one already. are_others_known: whether tasks are known by
    the content of files of unknown size, too."""

    def __init__(self, tasks: ProjectTasks, known: Iterable[KnownFile], are_others_known: bool = False) -> None:
        self._tasks = tasks
        self._are_others_known = are_others_known
        self._known: dict[str, str] = {}
        self._unread: dict[int, list[Path]] = {}
        for one in known:
            self._known.setdefault(one.digest, one.path)
            self._unread[one.size] = []
        self._read: dict[str, Path] = {}

    def add(self, file: Path) -> None:
        """The file has a task, or gets one."""
        self._unread.setdefault(_size(file), []).append(file)

    def equal_of(self, file: Path) -> Equal | None:
        """The file with the same bytes that has a task or gets one first. Only files of equal sizes are read, and all
        where their size says nothing."""
        others = self._unread.get(_size(file))
        if others is None and not self._are_others_known:
            return None
        try:
            while others:
                other = others.pop()
                self._read.setdefault(reading.digest(other), other)
            digest = reading.digest(file)
        except (OSError, VideoError):  # a list may name what is not there
            return None
        task = self._tasks.of_content(digest)
        if task is not None:
            known = self._known.get(digest)
            return Equal(known or "the video", task.id, is_itself=known == str(file))
        first = self._read.get(digest)
        return Equal(str(first)) if first is not None else None


def _size(file: Path) -> int:
    """In bytes, -1 where there is no such file: a list may name what is not there."""
    try:
        return file.stat().st_size
    except OSError:
        return -1
