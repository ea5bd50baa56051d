"""An exported dataset, read: the digest of its labels, and the repetitions to train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.landmarks import read_landmarks
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import Split, dataset_digest
from pipeline.records import LabelledRep


def digest_of(folder: Path) -> str:
    """The digest of the labels, taken of the manifest itself. Raises DatasetError."""
    return dataset_digest((row.digest, row.start_s, row.end_s, row.label) for row in rows_of(folder))


@dataclass(frozen=True)
class TrainingSet:
    """The repetitions to train on; left_out: how many have no landmarks. digest: of the labels of these repetitions."""

    samples: list[LabelledRep]
    left_out: int
    digest: str


def training_set(folder: Path, split: Split | None = None) -> TrainingSet:
    """The repetitions of one split or all, in the order in which a project's own training takes them.

    Raises DatasetError.
    """
    rows = [row for row in rows_of(folder) if split is None or row.split == split]
    usable = [row for row in rows if "landmarks" in row.files]
    usable.sort(key=lambda row: (-row.annotation, row.start_s))
    samples = []
    for row in usable:
        pose, rep = read_landmarks(folder / row.files["landmarks"])
        samples.append(LabelledRep(pose, rep, row.label, row.digest))
    digest = dataset_digest((row.digest, row.start_s, row.end_s, row.label) for row in usable)
    return TrainingSet(samples, len(rows) - len(usable), digest)
