"""What an annotation says of its regions besides seconds and labels: faults, notes, and where each comes from.

Importing gives annotations new ids and forgets which prediction they began with. So each exported region carries, under
`meta.deadlift`, what the model had proposed in its place; Label Studio keeps that, and the next export reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.labels.proposals import PredictedRep
from backend.labelstudio.format import Json
from backend.labelstudio.labeling_config import Controls

_META = "deadlift"


@dataclass(frozen=True)
class Provenance:
    """Where a region comes from, as an earlier export noted it.

    agreement: the share of other annotators who drew the same, None where nobody else annotated the task.
    """

    model_version: str = ""
    proposal: PredictedRep | None = None
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
        notes = found.setdefault(id_of(item), RegionNotes())
        name = item.get("from_name")
        if name == controls.labels:
            notes.provenance = _provenance(item.get("meta"))
        elif controls.choices and name == controls.choices:
            notes.faults += _texts(value.get("choices"))
        elif controls.text and name == controls.text:
            notes.notes += _texts(value.get("text"))
    return found


def with_provenance(meta: Any, provenance: Provenance) -> Json:
    """A region's `meta` with the note of where it comes from."""
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


def id_of(item: Json) -> str:
    """The id of the region that a result speaks of, "" for none."""
    return str(item.get("id") or "")


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)] if value else []
