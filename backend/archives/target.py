"""What a run needs of wherever its predictions go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backend.storage.ledger import Entry, Source
from pipeline.records import Analysis


@dataclass(frozen=True)
class Delivered:
    """The numbers of a task and its prediction in Label Studio."""

    task: int | None
    prediction: int | None


@dataclass(frozen=True)
class Foreseen:
    """How a video comes to its task.

    kind: `linked` where its file lies, `uploaded`, `copied` (the upload of a copy), `refused`, as Label Studio takes no
    such upload, `there` where it has one, `same` for that of an equal file, "" where none is asked for. same_as: the
    equal file, and its task where it has one.
    """

    kind: str
    same_as: str = ""


class Target(Protocol):
    """Where predictions go. copies: how many videos have got one that browsers play, in this run."""

    @property
    def copies(self) -> int: ...

    def deliver(self, entry: Entry, analysis: Analysis) -> Delivered:
        """Bring a prediction there, unless it is there."""

    def checked(self, source: Source) -> Source:
        """The same, where a prediction of it can go there. Raises UploadRefused: before hours of work."""

    def new_task(self, source: Source) -> Foreseen:
        """How the video would come to its task."""
