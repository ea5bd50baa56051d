"""A video's repetitions as an ELAN document (.eaf, EAF 3.0), for annotators and their tools.

A tier "reps" with the label; below it, symbolically associated, what else is known: origin, score, fault and note.
After "ELAN Annotation Format, EAF 3.0" of the Max Planck Institute for Psycholinguistics. Written as text: a document
per video, of which an export has thousands.
"""

from __future__ import annotations

import mimetypes
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError, iterparse
from xml.sax.saxutils import escape, quoteattr

from pipeline.datasets.dataset_format import VideoFormat
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep, file_beside
from pipeline.datasets.versions import MANIFEST
from pipeline.records import Pose

_OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<ANNOTATION_DOCUMENT AUTHOR="" DATE={date} FORMAT="3.0" VERSION="3.0"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">\n'
    '  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
    "    <MEDIA_DESCRIPTOR MEDIA_URL={video} MIME_TYPE={mime} RELATIVE_MEDIA_URL={beside}/>\n"
    '    <PROPERTY NAME="lastUsedAnnotationId">{last}</PROPERTY>\n'
    "  </HEADER>\n"
)
_CLOSING = (
    '  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="rep" TIME_ALIGNABLE="true"/>\n'
    '  <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false"'
    ' LINGUISTIC_TYPE_ID="about-rep" TIME_ALIGNABLE="false"/>\n'
    '  <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" STEREOTYPE="Symbolic_Association"/>\n'
    "</ANNOTATION_DOCUMENT>\n"
)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER = "1970-01-01T00:00:00Z"

_DEPENDENT: tuple[tuple[str, Callable[[ExportedRep], str]], ...] = (
    ("origin", lambda row: row.origin),
    ("score", lambda row: "" if row.score is None else f"{row.score:.3f}"),
    ("fault", lambda row: "; ".join(row.faults)),
    ("note", lambda row: row.note),
)


class ElanDocuments(VideoFormat):
    """One document per video."""

    opened_by: ClassVar[Mapping[str, str]] = {"ELAN, pympi": 'pympi.Eaf("elan/VIDEO.eaf")'}
    holds: ClassVar[Mapping[str, str]] = {
        "elan/": "one ELAN document (.eaf) per video; it looks for a video of its own name beside it",
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder / "elan"
        self._folder.mkdir()

    def write_video(self, rows: Sequence[ExportedRep], pose: Pose | None) -> None:
        write_eaf(self._folder / f"{rows[0].name}.eaf", rows)

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        if not (folder / "elan").is_dir():
            return
        for name, count in Counter(row.name for row in rows_of(folder)).items():
            path = folder / "elan" / f"{name}.eaf"
            try:
                found = sum(element.tag == "ALIGNABLE_ANNOTATION" for _, element in iterparse(path))
            except (OSError, ParseError) as error:
                yield f"elan/{name}.eaf cannot be read ({error})"
                continue
            if found != count:
                yield f"elan/{name}.eaf has {found} repetitions, {MANIFEST} has {count}"


def write_eaf(path: Path, rows: Sequence[ExportedRep]) -> None:
    """Write the repetitions of one video. Milliseconds are all that ELAN knows: boundaries move by half of one."""
    slots, order = _time_slots(rows)
    tiers = [*_reps_tier(rows, slots)]
    last = len(rows)
    for name, value_of in _DEPENDENT:
        said = [(number, value) for number, row in enumerate(rows, start=1) if (value := value_of(row))]
        if said:
            tiers += _dependent_tier(name, said, last)
            last += len(said)
    opening = _OPENING.format(
        # When the labels were last changed, so that equal labels give equal files.
        date=quoteattr(_date_time(max(row.labeled_at for row in rows))),
        video=quoteattr(rows[0].video),
        # Most addresses are for browsers: ELAN looks beside the document then.
        beside=quoteattr(f"./{file_beside(rows[0])}"),
        mime=quoteattr(mimetypes.guess_type(rows[0].video)[0] or "video/mp4"),
        last=last,
    )
    path.write_text("".join((opening, *order, *tiers, _CLOSING)), encoding="utf-8")


def _time_slots(rows: Sequence[ExportedRep]) -> tuple[list[list[str]], list[str]]:
    """The slots of every repetition's start and end, and their XML: in order of time, none shared by two."""
    times = [(moment, row, end) for row, span in enumerate(map(_span, rows)) for end, moment in enumerate(span)]
    slots = [["", ""] for _ in rows]
    lines = ["  <TIME_ORDER>\n"]
    for number, (moment, row, end) in enumerate(sorted(times), start=1):
        slots[row][end] = f"ts{number}"
        lines.append(f'    <TIME_SLOT TIME_SLOT_ID="ts{number}" TIME_VALUE="{moment}"/>\n')
    return slots, [*lines, "  </TIME_ORDER>\n"]


def _reps_tier(rows: Sequence[ExportedRep], slots: Sequence[Sequence[str]]) -> Iterator[str]:
    annotators = {row.annotator for row in rows}
    by = f' ANNOTATOR="{next(iter(annotators))}"' if len(annotators) == 1 and None not in annotators else ""
    yield f'  <TIER{by} LINGUISTIC_TYPE_REF="rep" TIER_ID="reps">\n'
    for number, (row, (start, end)) in enumerate(zip(rows, slots, strict=True), start=1):
        yield (
            f'    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="{start}"'
            f' TIME_SLOT_REF2="{end}"><ANNOTATION_VALUE>{row.label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>'
            "</ANNOTATION>\n"
        )
    yield "  </TIER>\n"


def _dependent_tier(name: str, said: Sequence[tuple[int, str]], last: int) -> Iterator[str]:
    """A tier of what is said about repetitions, by their number; `last` annotations there are before it."""
    yield f'  <TIER LINGUISTIC_TYPE_REF="about-rep" PARENT_REF="reps" TIER_ID="reps-{name}">\n'
    for own, (number, value) in enumerate(said, start=last + 1):
        yield (
            f'    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a{own}" ANNOTATION_REF="a{number}">'
            f"<ANNOTATION_VALUE>{escape(_printable(value))}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>\n"
        )
    yield "  </TIER>\n"


def _span(row: ExportedRep) -> tuple[int, int]:
    start = round(row.start_s * 1000)
    return start, max(start + 1, round(row.end_s * 1000))


def _date_time(moment: str) -> str:
    """An xsd:dateTime."""
    return moment if "T" in moment else _NEVER


def _printable(text: str) -> str:
    """What XML 1.0 may hold: its section 2.2, Characters."""
    return _NOT_XML.sub("", text)
