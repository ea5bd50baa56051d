"""The manifest of an exported dataset, read: one line of JSON per repetition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.rows import ExportedRep, from_json
from pipeline.datasets.versions import MANIFEST
from pipeline.errors import DatasetError


def rows_of(folder: Path) -> Iterator[ExportedRep]:
    """The manifest of a version, line by line. Raises DatasetError."""
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield from_json(line, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Export the dataset again.") from error
