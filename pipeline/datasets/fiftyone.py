"""The repetitions as temporal detections of FiftyOne: one JSON file for all videos.

Its format is FiftyOneTemporalDetectionDataset. Repetitions are given in frames (1-based, both inclusive, as here),
since FiftyOne makes frames of seconds by rounding down, and is one too early for half of them. Videos go by the name
of their files without suffix.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pipeline.datasets.dataset_format import VideoFormat
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import LABELS, ExportedRep
from pipeline.datasets.versions import MANIFEST
from pipeline.records import Pose

NAME = "fiftyone.json"
_ATTRIBUTES = ("rep", "origin", "split", "score", "model_version", "lifter", "faults", "note")


class FiftyOneLabels(VideoFormat):
    """The repetitions that have frames: without a frame rate there are none."""

    opened_by: ClassVar[Mapping[str, str]] = {
        "FiftyOne": "fiftyone.Dataset.from_dir(dataset_type=fiftyone.types.FiftyOneTemporalDetectionDataset, "
        'data_path="VIDEOS", labels_path="fiftyone.json")'
    }
    holds: ClassVar[Mapping[str, str]] = {NAME: "the repetitions as temporal detections of FiftyOne, in frames"}
    with_labels_only = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file = (folder / NAME).open("w", encoding="utf-8")
        self._file.write(json.dumps({"classes": list(LABELS)})[:-1] + ', "labels": {')
        self._videos = 0

    def write_video(self, rows: Sequence[ExportedRep], pose: Pose | None) -> None:
        detections = [_detection(row) for row in rows if row.start_frame is not None]
        if detections:
            self._file.write(",\n" if self._videos else "\n")
            self._file.write(json.dumps(rows[0].name) + ": " + json.dumps(detections, ensure_ascii=False))
            self._videos += 1

    def close(self) -> None:
        super().close()
        self._file.write("\n}}\n")
        self._file.close()

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        path = folder / NAME
        if not path.is_file():  # of an earlier release; else the sums name it
            return
        try:
            labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
            found = {one["attributes"]["rep"]: tuple(one["support"]) for video in labels.values() for one in video}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"{NAME} cannot be read ({type(error).__name__}: {error})"
            return
        if found != {
            row.rep: (row.start_frame, row.end_frame) for row in rows_of(folder) if row.start_frame is not None
        }:
            yield f"{NAME} does not have the repetitions of {MANIFEST}"


def _detection(row: ExportedRep) -> dict[str, Any]:
    attributes = {name: getattr(row, name) for name in _ATTRIBUTES}
    # Its field of that name is the label's: 0..1.
    return {
        "label": LABELS.index(row.label),
        "support": [row.start_frame, row.end_frame],
        "confidence": row.confidence,
        "attributes": attributes,
    }
