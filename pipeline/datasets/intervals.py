"""Intervals that people labelled with other tools, read from their files: ELAN, CSV, Parquet, BORIS and VIA.

Archives often come labelled. Every reader gives seconds from the beginning of the video, the label as it is written
there, and the name of the video's file where the file says so.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from pipeline.errors import DatasetError

REPS_TIER = "reps"
"""The tier of the ELAN documents that `deadlift export` writes."""

_COLUMNS = {
    "start": ("start_s", "start", "Start (s)", "Begin Time - ss.msec"),
    "end": ("end_s", "end", "stop", "Stop (s)", "End Time - ss.msec"),
    "label": ("label", "Behavior", "reps"),
    "video": ("video", "file", "Media file name", "Media file", "File"),
}
"""What the columns of tables may be called: here, in BORIS's aggregated events and in ELAN's tab-delimited text."""
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class NamedInterval:
    """[start_s, end_s) seconds of a video with a label. video: its file's name or address, "" where it is not said."""

    start_s: float
    end_s: float
    label: str
    video: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.start_s < self.end_s and isfinite(self.end_s)):
            raise ValueError(f"Expected 0 <= start < end in seconds, got {self.start_s:g} and {self.end_s:g}.")


def read_intervals(path: Path, tier: str = "") -> list[NamedInterval]:
    """The intervals of a file, by the end of its name: .eaf, .csv, .tsv, .txt, .parquet, .boris or .json (VIA 3).

    tier: of an ELAN document, where it has several with times of their own and none is called "reps". Raises
    DatasetError, naming the file, what is wrong in it, and where.
    """
    readers: dict[str, Callable[[Path], Iterable[NamedInterval]]] = {
        ".eaf": lambda one: _of_elan(one, tier),
        ".csv": _of_text_table,
        ".tsv": _of_text_table,
        ".txt": _of_text_table,
        ".parquet": _of_parquet,
        ".boris": _of_boris,
        ".json": _of_via,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: expected a file that ends in {', '.join(readers)}.")
    try:
        return list(reader(path))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    except (ParseError, DefusedXmlException, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not text in UTF-8. Save it as such.") from error
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise DatasetError(f"{path}: not as expected of {path.suffix} ({what}).") from error


# ELAN


def _of_elan(path: Path, tier: str) -> Iterator[NamedInterval]:
    root = parse(path).getroot()
    if root is None:
        raise ValueError("it is empty")
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    attributes = media.attrib if media is not None else {}
    video = attributes.get("MEDIA_URL", "") or attributes.get("RELATIVE_MEDIA_URL", "")
    # Where ELAN's time 0 lies in the video, for media that were aligned by hand.
    origin = float(attributes.get("TIME_ORIGIN", 0))
    times = {one.attrib["TIME_SLOT_ID"]: one.get("TIME_VALUE") for one in root.iter("TIME_SLOT")}
    for one in _tier(root, tier).iter("ALIGNABLE_ANNOTATION"):
        start, end = times[one.attrib["TIME_SLOT_REF1"]], times[one.attrib["TIME_SLOT_REF2"]]
        if start is None or end is None:
            raise ValueError(f"annotation {one.get('ANNOTATION_ID')} has no time of its own")
        label = one.findtext("ANNOTATION_VALUE") or ""
        yield NamedInterval((float(start) + origin) / 1000, (float(end) + origin) / 1000, label.strip(), video)


def _tier(root: Element, wanted: str) -> Element:
    tiers = {
        one.get("TIER_ID", ""): one for one in root.iter("TIER") if one.find(".//ALIGNABLE_ANNOTATION") is not None
    }
    name = wanted or (REPS_TIER if REPS_TIER in tiers else next(iter(tiers), "") if len(tiers) == 1 else "")
    if name not in tiers:
        known = ", ".join(tiers) or "none"
        raise ValueError(
            f'no tier "{wanted}" with times; it has: {known}' if wanted else f"name the tier; it has: {known}"
        )
    return tiers[name]


# Tables


def _of_text_table(path: Path) -> Iterator[NamedInterval]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        delimiter = max("\t;,", key=head.count)
        yield from _of_rows(enumerate(csv.DictReader(file, delimiter=delimiter), start=2), "line")


def _of_parquet(path: Path) -> Iterator[NamedInterval]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        known = [name for names in _COLUMNS.values() for name in names if name in file.schema_arrow.names]
        rows = [row for batch in file.iter_batches(columns=known) for row in batch.to_pylist()]
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    yield from _of_rows(enumerate(rows, start=1), "row")


def _of_rows(rows: Iterable[tuple[int, Mapping[str, Any]]], word: str) -> Iterator[NamedInterval]:
    for number, row in rows:
        try:
            start, end = (_seconds(_cell(row, name)) for name in ("start", "end"))
            video = str(_cell(row, "video", needed=False) or "")
            yield NamedInterval(start, end, str(_cell(row, "label")).strip(), video.removeprefix("'"))
        except ValueError as error:
            raise ValueError(f"{word} {number}: {error}") from error


def _cell(row: Mapping[str, Any], what: str, needed: bool = True) -> Any:
    for name in _COLUMNS[what]:
        if row.get(name) is not None:
            return row[name]
    if needed:
        raise ValueError(f"no {what}: expected a column {' or '.join(_COLUMNS[what])}")
    return None


def _seconds(value: Any) -> float:
    """Of a number, a text with a decimal point or comma, or a clock's hours:minutes:seconds."""
    text = str(value).strip().replace(",", ".")
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"expected seconds, got {value!r}") from None


# BORIS


def _of_boris(path: Path) -> Iterator[NamedInterval]:
    """State events of every observation, from their start to their stop; point events are no intervals."""
    project = json.loads(path.read_text(encoding="utf-8"))
    states = {
        one["code"] for one in project["behaviors_conf"].values() if str(one["type"]).lower().startswith("state event")
    }
    for name, observation in project["observations"].items():
        if any(len(several) > 1 for several in (observation.get("file") or {}).values()):
            raise ValueError(f'observation "{name}" plays several files one after the other; observe each by itself')
        files = [file for player in sorted(observation.get("file") or {}) for file in observation["file"][player]]
        offset = float(observation.get("time offset") or 0)
        open_since: dict[tuple[str, str], float] = {}
        for event in sorted(observation["events"], key=lambda one: float(one[0])):
            time, subject, code = float(event[0]) - offset, str(event[1]), str(event[2])
            if code not in states:
                continue
            start = open_since.pop((subject, code), None)
            if start is None:
                open_since[subject, code] = time
            else:
                yield NamedInterval(start, time, code, files[0] if files else "")
        for (_, code), start in open_since.items():
            raise ValueError(f'in observation "{name}" {code} has no stop after its start at {start + offset:g} s')


# VIA 3


def _of_via(path: Path) -> Iterator[NamedInterval]:
    """Temporal segments of a project of the VGG Image Annotator 3; regions of single pictures are passed over."""
    project = json.loads(path.read_text(encoding="utf-8"))
    attributes, files, views = project["attribute"], project["file"], project["view"]
    for segment in project["metadata"].values():
        if len(segment["z"]) != 2:
            continue
        start, end = (float(moment) for moment in segment["z"])
        numbers = views[segment["vid"]]["fid_list"]
        file = files[str(numbers[0])] if numbers else {}
        yield NamedInterval(
            start, end, _via_label(segment["av"], attributes), str(file.get("fname") or file.get("src") or "")
        )


def _via_label(values: Mapping[str, str], attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """The value of the segment's first attribute: of a choice the name of the option, else the text."""
    for number, value in values.items():
        options = attributes[number].get("options") or {}
        return str(options.get(value, value)).strip()
    return ""
