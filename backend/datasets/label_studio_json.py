"""Tasks with annotations that Label Studio can import again, of a dataset's repetitions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Self

from backend.datasets.rows import LabelledTask
from backend.labels.region_notes import Provenance, id_of, with_provenance
from backend.labelstudio.format import Json
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.task_columns import without_columns
from pipeline.datasets.rows import ExportedRep

_ORIGINS = {"untouched": "prediction", "changed": "prediction-changed", "manual": "manual"}


Frames = set[tuple[int | None, int | None]]
"""First and last frames."""


class TasksToImport:
    """`label_studio.json`: tasks with one annotation each, one task per line, closed by the end of a `with` block."""

    def __init__(self, file: IO[str], controls: Controls) -> None:
        self._file = file
        self._controls = controls
        self._separator = "[\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.write("[\n]\n" if self._separator == "[\n" else "\n]\n")

    def add(self, task: LabelledTask, rows: Sequence[ExportedRep]) -> None:
        """A task with `rows` alone, which are some or all of its repetitions. Raises ValueError without frames."""
        imported = task_to_import(task, rows, self._controls)
        self._file.write(self._separator + json.dumps(imported, ensure_ascii=False))
        self._separator = ",\n"


def task_to_import(task: LabelledTask, rows: Sequence[ExportedRep], controls: Controls) -> Json:
    """A task with one annotation, as Label Studio imports it: `rows` alone, with everything that was said about them.

    Whoever imports it counts as the annotator: Label Studio refuses ids that it does not know. Its data must be what
    the new project's labeling config asks for. Raises ValueError where the frame rate is not known.
    """
    # What others made by the API may have no ids, or one for several regions: these are written anew.
    drawn_times = Counter(id_of(item) for item in task.result if item.get("from_name") == controls.labels)
    kept = {row.region: row for row in rows if row.region and drawn_times[row.region] == 1}
    results = list(_kept_results(task, kept, _frames_by_region(rows), controls))
    with_label = {id_of(item) for item in results if item.get("from_name") == controls.labels}
    # What an earlier release stored without Label Studio's JSON is written anew.
    rows_of_region = Counter(row.region for row in rows)
    for row in rows:
        if row.region not in with_label:
            has_own_id = row.region and rows_of_region[row.region] == 1 and drawn_times[row.region] <= 1
            results += _region(row, row.region if has_own_id else row.rep, controls, task.provenance[row.rep])
    annotation = {
        "result": results,
        "was_cancelled": False,
        "ground_truth": rows[0].ground_truth,
        "lead_time": task.lead_time,
    }
    return {"data": without_columns(task.data), "annotations": [annotation], "predictions": []}


def _kept_results(
    task: LabelledTask, kept: Mapping[str, ExportedRep], frames: Mapping[str, Frames], controls: Controls
) -> Iterator[Json]:
    """The results of the annotation, as they were, that speak of regions which are exported."""
    for item in task.result:
        row = kept.get(id_of(item))
        if row is None:
            continue
        result = {**item, "origin": _ORIGINS[row.origin], "value": _within(item.get("value"), frames[row.region])}
        if item.get("from_name") == controls.labels:
            result["meta"] = with_provenance(item.get("meta"), task.provenance[row.rep])
        yield result


def _frames_by_region(rows: Iterable[ExportedRep]) -> dict[str, Frames]:
    frames: dict[str, Frames] = {}
    for row in rows:
        frames.setdefault(row.region, set()).add((row.start_frame, row.end_frame))
    return frames


def _region(row: ExportedRep, name: str, controls: Controls, provenance: Provenance) -> Iterator[Json]:
    """The results of a repetition: its region, and what else is known of it where there are controls for that."""
    if row.start_frame is None or row.end_frame is None:
        raise ValueError(f"Expected frames of {row.rep}, got none.")
    shared = {"id": name, "to_name": controls.video, "origin": _ORIGINS[row.origin]}
    ranges = [{"start": row.start_frame, "end": row.end_frame}]
    label = {"ranges": ranges, "timelinelabels": [controls.label_value(row.label)]}
    region = {**shared, "type": "timelinelabels", "from_name": controls.labels, "value": label}
    yield {**region, "meta": with_provenance(None, provenance)}
    if controls.choices and row.faults:
        faults = {"ranges": ranges, "choices": list(row.faults)}
        yield {**shared, "type": "choices", "from_name": controls.choices, "value": faults}
    if controls.text and row.note:
        note = {"ranges": ranges, "text": [row.note]}
        yield {**shared, "type": "textarea", "from_name": controls.text, "value": note}


def _within(value: Any, frames: Frames) -> Any:
    """A region's value; of several ranges those that are exported."""
    if not isinstance(value, dict) or not isinstance(value.get("ranges"), list) or len(value["ranges"]) < 2:
        return value
    kept = [span for span in value["ranges"] if (span.get("start"), span.get("end")) in frames]
    return {**value, "ranges": kept}
