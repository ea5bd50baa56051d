"""An exported dataset, read: its manifest, the digest of its labels, and the repetitions to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.dataset import Sample
from pipeline.errors import DatasetError
from pipeline.export_folder import MANIFEST
from pipeline.export_landmarks import read_landmarks
from pipeline.export_rows import ExportedRep, Split, dataset_digest, from_json


def rows_of(folder: Path) -> Iterator[ExportedRep]:
    """The manifest, line by line. Raises DatasetError."""
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield from_json(line, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Export the dataset again.") from error


def digest_of(folder: Path) -> str:
    """The digest of the labels, taken of the manifest itself. Raises DatasetError."""
    return dataset_digest((row.digest, row.start_s, row.end_s, row.label) for row in rows_of(folder))


def samples_of(folder: Path, split: Split | None = None) -> tuple[list[Sample], int]:
    """The repetitions to train on, of one split or all; and how many are left out, as they have no landmarks.

    In the order in which a project's own training takes them: the newest annotation first. Raises DatasetError.
    """
    rows = [row for row in rows_of(folder) if split is None or row.split == split]
    samples = []
    for row in sorted(rows, key=lambda row: (-row.annotation, row.start_s)):
        if "landmarks" in row.files:
            pose, rep = read_landmarks(folder / row.files["landmarks"])
            samples.append(Sample(pose, rep, row.label, row.digest))
    return samples, len(rows) - len(samples)
