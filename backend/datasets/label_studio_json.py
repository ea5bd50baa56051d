"""Label Studio's JSON of a dataset: what an export reads of stored annotations, and tasks that can be imported again.

Importing gives annotations new ids and forgets which prediction they began with. So each region carries, under
`meta.deadlift`, what the model had proposed in its place; Label Studio keeps that, and the next export reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.labelstudio.format import Json
from backend.labelstudio.labeling_config import Controls
from pipeline.datasets.rows import ExportedRep
from pipeline.records import RepLabel

_META = "deadlift"
_ORIGINS = {"untouched": "prediction", "changed": "prediction-changed", "manual": "manual"}


@dataclass(frozen=True)
class Proposal:
    """A repetition as the model proposed it, and how sure it was: seconds, label, score and confidence 0..1."""

    start_s: float
    end_s: float
    label: RepLabel
    score: float
    confidence: float


@dataclass(frozen=True)
class Provenance:
    """Where a region comes from, as an earlier export noted it. agreement: None where nobody else looked."""

    model_version: str = ""
    proposal: Proposal | None = None
    agreement: float | None = None


@dataclass
class RegionNotes:
    """What an annotation says about one region besides its label."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    provenance: Provenance | None = None


_PROVENANCE = TypeAdapter(Provenance)


def region_notes(result: Iterable[Json], controls: Controls) -> dict[str, RegionNotes]:
    """Faults, notes and provenance by region, of an annotation's result; what is not understood is passed over."""
    found: dict[str, RegionNotes] = {}
    for item in result:
        value = item.get("value")
        if not isinstance(value, dict):
            continue
        notes = found.setdefault(str(item.get("id") or ""), RegionNotes())
        name = item.get("from_name")
        if name == controls.labels:
            notes.provenance = _provenance(item.get("meta"))
        elif controls.choices and name == controls.choices:
            notes.faults += _texts(value.get("choices"))
        elif controls.text and name == controls.text:
            notes.notes += _texts(value.get("text"))
    return found


def task_to_import(
    data: Mapping[str, Any],
    rows: Sequence[ExportedRep],
    result: Sequence[Json],
    provenance: Mapping[str, Provenance],
    controls: Controls,
    lead_time: float | None,
) -> Json:
    """A task with one annotation, as Label Studio imports it: `rows` alone, with everything that was said about them.

    provenance: by the names of the repetitions. Whoever imports it counts as the annotator: Label Studio refuses ids
    that it does not know. Its data must be what the new project's labeling config asks for. Raises ValueError where the
    frame rate is not known.
    """
    # What others made by the API may have no ids, or one for several regions: these are written anew.
    times = Counter(str(item.get("id") or "") for item in result if item.get("from_name") == controls.labels)
    wanted = {row.region: row for row in rows if row.region and times[row.region] == 1}
    frames: dict[str, set[tuple[int | None, int | None]]] = {}
    for one in rows:
        frames.setdefault(one.region, set()).add((one.start_frame, one.end_frame))
    results: list[Json] = []
    drawn: set[str] = set()
    for item in result:
        row = wanted.get(str(item.get("id") or ""))
        if row is None:
            continue
        kept = {**item, "origin": _ORIGINS[row.origin], "value": _within(item.get("value"), frames[row.region])}
        if item.get("from_name") == controls.labels:
            drawn.add(row.region)
            kept["meta"] = _with_provenance(item.get("meta"), provenance[row.rep])
        results.append(kept)
    # What an earlier release stored without Label Studio's own words is written anew.
    named = Counter(row.region for row in rows)
    for row in rows:
        if row.region not in drawn:
            is_own = row.region and named[row.region] == 1 and times[row.region] <= 1
            results += _region(row, row.region if is_own else row.rep, controls, provenance[row.rep])
    annotation = {
        "result": results,
        "was_cancelled": False,
        "ground_truth": rows[0].ground_truth,
        "lead_time": lead_time,
    }
    return {"data": dict(data), "annotations": [annotation], "predictions": []}


def _region(row: ExportedRep, name: str, controls: Controls, provenance: Provenance) -> Iterator[Json]:
    """The results of a repetition: its region, and what else is known of it where there are controls for that."""
    if row.start_frame is None or row.end_frame is None:
        raise ValueError(f"Expected frames of {row.rep}, got none.")
    shared = {"id": name, "to_name": controls.video, "origin": _ORIGINS[row.origin]}
    ranges = [{"start": row.start_frame, "end": row.end_frame}]
    label = {"ranges": ranges, "timelinelabels": [controls.label_value(row.label)]}
    region = {**shared, "type": "timelinelabels", "from_name": controls.labels, "value": label}
    yield {**region, "meta": _with_provenance(None, provenance)}
    if controls.choices and row.faults:
        faults = {"ranges": ranges, "choices": list(row.faults)}
        yield {**shared, "type": "choices", "from_name": controls.choices, "value": faults}
    if controls.text and row.note:
        note = {"ranges": ranges, "text": [row.note]}
        yield {**shared, "type": "textarea", "from_name": controls.text, "value": note}


def _within(value: Any, frames: set[tuple[int | None, int | None]]) -> Any:
    """A region's value; of several ranges those that are exported."""
    if not isinstance(value, dict) or not isinstance(value.get("ranges"), list) or len(value["ranges"]) < 2:
        return value
    kept = [span for span in value["ranges"] if (span.get("start"), span.get("end")) in frames]
    return {**value, "ranges": kept}


def _with_provenance(meta: Any, provenance: Provenance) -> Json:
    kept = dict(meta) if isinstance(meta, dict) else {}
    return {**kept, _META: _PROVENANCE.dump_python(provenance)}


def _provenance(meta: Any) -> Provenance | None:
    """What an earlier export noted; None without, and where somebody made something else of it."""
    if not isinstance(meta, dict) or _META not in meta:
        return None
    try:
        return _PROVENANCE.validate_python(meta[_META])
    except ValidationError:
        return None


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)] if value else []
