"""What a format of exported datasets is: made for one folder, given one repetition after the other, then closed.

A new format is a module with a class like this and a place in the list of `formats.py`: export, datasheet, README and
`deadlift export --verify` go through that list.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from pipeline.datasets.rows import ExportedRep
from pipeline.records import Pose, Rep


@dataclass(frozen=True)
class Added:
    """What came of a repetition. files: kind -> path below the dataset, for the row; missing: why there is less."""

    files: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""


class DatasetFormat(Protocol):
    """One format, while a dataset is written in it; subclasses say what differs from what is here.

    holds: file or folder below the dataset -> what it holds, for the datasheet.
    opened_by: tool or library -> how it opens the format, for the dataset's README.
    with_labels_only: whether it is written without landmarks too, as `--labels-only` asks for.
    makes_files_of_reps: whether it writes files for single repetitions, whose names go into their rows. Such formats
    come first; the others get rows that name all their files.
    """

    holds: ClassVar[Mapping[str, str]]
    opened_by: ClassVar[Mapping[str, str]] = {}
    with_labels_only: ClassVar[bool] = False
    makes_files_of_reps: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Begin in that folder of a dataset, which has nothing of this format yet."""

    @abstractmethod
    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        """Write one repetition, of the video's whole `pose`, and with its lockout.

        A video's repetitions come one after the other. pose and rep are None where no pose lies within the repetition;
        formats that make files of repetitions are not given such ones.
        """

    def close(self) -> None:
        """Write what is left: no repetition follows."""

    @classmethod
    def problems(cls, folder: Path) -> Iterable[str]:
        """What is wrong with the files of this format in a dataset, one sentence each, by the rows of its manifest."""
        return ()


class VideoFormat(DatasetFormat):
    """A format that has something for each video: it gets all exported repetitions of one at a time.

    Subclasses that have an `__init__` call this one's.
    """

    def __init__(self, folder: Path) -> None:
        self._rows: list[ExportedRep] = []
        self._pose: Pose | None = None

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        if self._rows and self._rows[0].name != row.name:
            self._write()
        self._rows.append(row)
        if pose is not None:
            self._pose = pose
        return Added()

    def close(self) -> None:
        if self._rows:
            self._write()

    @abstractmethod
    def write_video(self, rows: Sequence[ExportedRep], pose: Pose | None) -> None:
        """Write a video's repetitions. pose: of the whole video, None where no pose lies within any of them."""

    def _write(self) -> None:
        self.write_video(self._rows, self._pose)
        self._rows, self._pose = [], None
