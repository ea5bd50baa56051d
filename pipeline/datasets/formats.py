"""The formats that a dataset is written in, as one list, and all of them at work on one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.config import SegmentConfig
from pipeline.datasets.coco import CocoKeypoints
from pipeline.datasets.dataset_format import DatasetFormat
from pipeline.datasets.elan import ElanDocuments
from pipeline.datasets.fiftyone import FiftyOneLabels
from pipeline.datasets.landmarks import LandmarkFiles
from pipeline.datasets.movement import MovementFiles
from pipeline.datasets.ntu_skeleton import SkeletonFiles
from pipeline.datasets.parquet import ParquetTables
from pipeline.datasets.rows import ExportedRep
from pipeline.datasets.skelemotion import SkeleMotionFiles
from pipeline.datasets.sleap import SleapFiles
from pipeline.datasets.table import RepTable
from pipeline.datasets.webvtt import WebVttFiles
from pipeline.records import Pose, Rep
from pipeline.reps.lockout import with_lockout

FORMATS: tuple[type[DatasetFormat], ...] = (
    RepTable,
    ParquetTables,
    LandmarkFiles,
    SkeletonFiles,
    SkeleMotionFiles,
    MovementFiles,
    SleapFiles,
    ElanDocuments,
    WebVttFiles,
    FiftyOneLabels,
    CocoKeypoints,
)
"""In the order in which the datasheet names them."""


class OpenFormats:
    """The formats of a dataset that is being written; they are closed at the end of a `with` block."""

    def __init__(self, folder: Path, labels_only: bool, formats: Sequence[type[DatasetFormat]] = FORMATS) -> None:
        self._formats = [form(folder) for form in formats if form.with_labels_only or not labels_only]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with ExitStack() as stack:
            for form in self._formats:
                stack.callback(form.close)

    def holds(self, with_labels_only: bool) -> dict[str, str]:
        """File or folder below the dataset -> what it holds, of the formats that say so of themselves or do not."""
        chosen = (form for form in self._formats if form.with_labels_only == with_labels_only)
        return {name: text for form in chosen for name, text in form.holds.items()}

    def with_files(self, row: ExportedRep, pose: Pose, rep: Rep) -> tuple[ExportedRep, list[str]]:
        """The row with its lockout and the files that were made of the repetition; and why some were not made."""
        added = [form.add(row, pose, rep) for form in self._formats if form.makes_files_of_reps]
        files = dict(row.files)
        for one in added:
            files |= one.files
        return replace(row, top_s=rep.top_s, files=files), [one.missing for one in added if one.missing]

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> None:
        """Write a row, with all its files, in every format that makes none of its own."""
        for form in self._formats:
            if not form.makes_files_of_reps:
                form.add(row, pose, rep)


def rep_within(pose: Pose, row: ExportedRep, config: SegmentConfig) -> Rep | None:
    """The repetition of a row with its lockout; None where no pose lies within it."""
    if not ((pose.time >= row.start_s) & (pose.time < row.end_s)).any():
        return None
    return with_lockout(pose, row.start_s, row.end_s, config)
