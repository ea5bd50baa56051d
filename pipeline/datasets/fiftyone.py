"""The repetitions as temporal detections of FiftyOne: one JSON file for all videos.

Its format is FiftyOneTemporalDetectionDataset. Repetitions are given in frames (1-based, both inclusive, as here),
since FiftyOne makes frames of seconds by rounding down, and is one too early for half of them. Videos go by the name
of their files without suffix.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets.rows import LABELS, ExportedRep

_ATTRIBUTES = ("rep", "origin", "split", "score", "model_version", "lifter", "faults", "note")


class FiftyOneLabels:
    """Writes the file video by video; whole once closed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._file.write(json.dumps({"classes": list(LABELS)})[:-1] + ', "labels": {')
        self._videos = 0

    def add_video(self, rows: Sequence[ExportedRep]) -> None:
        """Those of a video's repetitions that have frames: without a frame rate there are none."""
        detections = [_detection(row) for row in rows if row.start_frame is not None]
        if detections:
            self._file.write(",\n" if self._videos else "\n")
            self._file.write(json.dumps(rows[0].name) + ": " + json.dumps(detections, ensure_ascii=False))
            self._videos += 1

    def close(self) -> None:
        self._file.write("\n}}\n")
        self._file.close()


def problems_of_fiftyone(path: Path, frames_of_rep: dict[str, tuple[int, int]]) -> Iterator[str]:
    """What is wrong with the file. frames_of_rep: the manifest's repetitions that have frames, first and last."""
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        found = {one["attributes"]["rep"]: tuple(one["support"]) for video in labels.values() for one in video}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"{path.name} cannot be read ({type(error).__name__}: {error})"
        return
    if found != frames_of_rep:
        yield f"{path.name} does not have the repetitions of the manifest"


def _detection(row: ExportedRep) -> dict[str, Any]:
    attributes = {name: getattr(row, name) for name in _ATTRIBUTES}
    # Its field of that name is the label's: 0..1.
    return {
        "label": LABELS.index(row.label),
        "support": [row.start_frame, row.end_frame],
        "confidence": row.confidence,
        "attributes": attributes,
    }
