"""A video's repetitions as an ELAN document (.eaf, EAF 3.0), for annotators and linguists' tools.

A tier "reps" with the label; below it, symbolically associated, "origin", "score", "fault" and "note". After "ELAN
Annotation Format, EAF 3.0" of the Max Planck Institute for Psycholinguistics.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from pipeline.export_rows import ExportedRep

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_STEREOTYPE = "Symbolic_Association"
_NEVER = "1970-01-01T00:00:00Z"

_DEPENDENT: tuple[tuple[str, Callable[[ExportedRep], str]], ...] = (
    ("origin", lambda row: row.origin),
    ("score", lambda row: "" if row.score is None else f"{row.score:.3f}"),
    ("fault", lambda row: "; ".join(row.faults)),
    ("note", lambda row: row.note),
)


def write_eaf(path: Path, rows: Sequence[ExportedRep]) -> None:
    """Write the repetitions of one video. Milliseconds are all that ELAN knows: boundaries move by half of one."""
    first = rows[0]
    document = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": _date_time(max(row.labeled_at for row in rows)),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    mime = mimetypes.guess_type(first.video)[0] or "video/mp4"
    SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": first.video, "MIME_TYPE": mime})
    _reps_tier(document, rows, _time_slots(document, rows))
    last = len(rows)
    for tier, value_of in _DEPENDENT:
        last = _dependent_tier(document, tier, ((n, value_of(row)) for n, row in enumerate(rows, start=1)), last)
    SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(last)
    common = {"GRAPHIC_REFERENCES": "false"}
    SubElement(document, "LINGUISTIC_TYPE", {**common, "LINGUISTIC_TYPE_ID": "rep", "TIME_ALIGNABLE": "true"})
    SubElement(
        document,
        "LINGUISTIC_TYPE",
        {**common, "LINGUISTIC_TYPE_ID": "about-rep", "TIME_ALIGNABLE": "false", "CONSTRAINTS": _STEREOTYPE},
    )
    SubElement(
        document,
        "CONSTRAINT",
        {"STEREOTYPE": _STEREOTYPE, "DESCRIPTION": "1-1 association with a parent annotation"},
    )
    indent(document)
    ElementTree(document).write(path, encoding="UTF-8", xml_declaration=True)


def _time_slots(document: Element, rows: Sequence[ExportedRep]) -> list[tuple[str, str]]:
    """The slots of every repetition's start and end; in order of time, and none shared: to drag one moves no other."""
    times = [(moment, row, end) for row, span in enumerate(map(_span, rows)) for end, moment in enumerate(span)]
    order = SubElement(document, "TIME_ORDER")
    slots = [["", ""] for _ in rows]
    for number, (moment, row, end) in enumerate(sorted(times), start=1):
        slots[row][end] = f"ts{number}"
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(moment)})
    return [(start, end) for start, end in slots]


def _reps_tier(document: Element, rows: Sequence[ExportedRep], slots: Sequence[tuple[str, str]]) -> None:
    tier = SubElement(document, "TIER", {"LINGUISTIC_TYPE_REF": "rep", "TIER_ID": "reps"})
    annotators = {row.annotator for row in rows if row.annotator is not None}
    if len(annotators) == 1:
        tier.set("ANNOTATOR", str(annotators.pop()))
    for number, (row, (start, end)) in enumerate(zip(rows, slots, strict=True), start=1):
        annotation = SubElement(
            SubElement(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            {"ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end},
        )
        SubElement(annotation, "ANNOTATION_VALUE").text = row.label


def _dependent_tier(document: Element, name: str, values: Iterable[tuple[int, str]], last: int) -> int:
    """A tier of what is said about repetitions, left out where nothing is; returns the last annotation's number."""
    said = [(number, value) for number, value in values if value]
    if not said:
        return last
    tier = SubElement(
        document, "TIER", {"LINGUISTIC_TYPE_REF": "about-rep", "PARENT_REF": "reps", "TIER_ID": f"reps-{name}"}
    )
    for number, value in said:
        last += 1
        annotation = SubElement(
            SubElement(tier, "ANNOTATION"),
            "REF_ANNOTATION",
            {"ANNOTATION_ID": f"a{last}", "ANNOTATION_REF": f"a{number}"},
        )
        SubElement(annotation, "ANNOTATION_VALUE").text = _printable(value)
    return last


def _span(row: ExportedRep) -> tuple[int, int]:
    start = round(row.start_s * 1000)
    return start, max(start + 1, round(row.end_s * 1000))


def _date_time(moment: str) -> str:
    """An xsd:dateTime; when the labels were last changed, so that equal labels give equal files."""
    return moment if "T" in moment else _NEVER


def _printable(text: str) -> str:
    """What XML may hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
