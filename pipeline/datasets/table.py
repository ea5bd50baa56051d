"""`reps.csv`: the rows of a dataset as a table for eyes and spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import CSV_COLUMNS, ExportedRep, to_csv
from pipeline.datasets.versions import MANIFEST
from pipeline.records import Pose, Rep

_NAME = "reps.csv"


class RepTable(DatasetFormat):
    """One line per repetition."""

    holds: ClassVar[Mapping[str, str]] = {_NAME: "the same as a table"}
    with_labels_only = True

    def __init__(self, folder: Path) -> None:
        self._file = (folder / _NAME).open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._file)
        self._table.writerow(CSV_COLUMNS)

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        self._table.writerow(to_csv(row))
        return Added()

    def close(self) -> None:
        self._file.close()

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        try:
            with (folder / _NAME).open(encoding="utf-8", newline="") as file:
                listed = [line["rep"] for line in csv.DictReader(file)]
        except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
            yield f"{_NAME} cannot be read ({error})"
            return
        names = {row.rep for row in rows_of(folder)}
        if len(listed) != len(names) or set(listed) != names:
            yield f"{_NAME} does not have the repetitions of {MANIFEST}"
