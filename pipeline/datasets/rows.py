"""One row per repetition of an exported dataset: what a line of its manifest says, as values, as JSON and as CSV."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pipeline.errors import DatasetError
from pipeline.records import RepLabel

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Origin = Literal["untouched", "changed", "manual"]
MOVED_S = 0.1
"""Predicted boundaries are rounded to frames. One that differs by more than this was moved by a person."""
ORIGINS: tuple[Origin, ...] = ("untouched", "changed", "manual")
LABELS: tuple[RepLabel, ...] = ("normal", "anomalous")

_TRAIN, _VAL = 0.70, 0.15
_LONGEST_NAME = 80
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class ExportedRep:
    """One labelled repetition.

    rep: the name of all its files, "NAME_rep_K"; name: of its video; number K: counted from 1 (in datasets of release
    0.2 and earlier from 0) among all repetitions that the annotation has, so that a filter changes no names. start_s,
    end_s: seconds of media time; top_s: lockout, None without landmarks. start_frame, end_frame: 1-based and inclusive,
    at frame_rate, as Label Studio shows them; None where the rate is not known. score (0..1, higher is more anomalous),
    confidence (0..1) and model_version: of the proposal that the label came from, None and "" without one; the score is
    None also where the proposal could not be judged. agreement:
    the share of the task's other annotators who drew the same repetition with the same label, None without others.
    start_shift_s, end_shift_s: how much later the boundaries are than proposed, None without a proposal; up to 0.1 s is
    rounding to frames. files: kind -> path below the dataset.
    """

    rep: str
    video: str
    digest: str
    name: str
    number: int
    start_s: float
    end_s: float
    label: RepLabel
    origin: Origin
    split: Split
    task: int
    annotation: int
    annotator: int | None
    region: str
    labeled_at: str
    top_s: float | None = None
    start_frame: int | None = None
    end_frame: int | None = None
    frame_rate: float | None = None
    score: float | None = None
    confidence: float | None = None
    model_version: str = ""
    agreement: float | None = None
    start_shift_s: float | None = None
    end_shift_s: float | None = None
    ground_truth: bool = False
    lifter: str = ""
    faults: tuple[str, ...] = ()
    note: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"Expected 0 <= start < end, got {self.start_s} and {self.end_s}.")
        for name, value, allowed in (
            ("label", self.label, LABELS),
            ("origin", self.origin, ORIGINS),
            ("split", self.split, SPLITS),
        ):
            if value not in allowed:
                raise ValueError(f"Expected a {name} of {', '.join(allowed)}, got {value!r}.")

    @property
    def group(self) -> str:
        return split_group(self.lifter, self.digest, self.video)


_FIELDS = frozenset(one.name for one in fields(ExportedRep))
CSV_COLUMNS = tuple(one.name for one in fields(ExportedRep) if one.name != "files")


def to_json(row: ExportedRep) -> str:
    """A manifest line, without its end."""
    return json.dumps(vars(row), ensure_ascii=False)


def from_json(line: str, source: str) -> ExportedRep:
    """The row of a manifest line; what later releases add is passed over. Raises DatasetError, naming `source`."""
    try:
        values = json.loads(line)
        known = {key: value for key, value in values.items() if key in _FIELDS}
        return ExportedRep(**{**known, "faults": tuple(known.get("faults", ()))})
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{source}: not a repetition ({error}). Export the dataset again.") from error


def to_csv(row: ExportedRep) -> list[Any]:
    """The values of CSV_COLUMNS, for eyes and spreadsheets: numbers to the microsecond or six places, and an apostrophe
    before text that would be taken for a formula."""
    return [_cell(";".join(row.faults) if name == "faults" else getattr(row, name)) for name in CSV_COLUMNS]


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return round(value, 6) if isinstance(value, float) else value


def split_group(lifter: str, digest: str, video: str) -> str:
    """What a split keeps together: the lifter where known, else the video."""
    return f"lifter {lifter}" if lifter else f"video {digest or video}"


def split_of(group: str) -> Split:
    """The split of a lifter or video, by a hash of its name: in every version of a dataset the same, whatever is added.

    A video's name is the digest of its content; one that was not analyzed yet has its address, until it is.
    70 % of groups train, 15 % val, 15 % test, in the long run.
    """
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if place < _TRAIN:
        return "train"
    return "val" if place < _TRAIN + _VAL else "test"


def video_name(file: str) -> str:
    """A name for files from that of a video's file: without suffix.

    Letters, digits, "_" and "-" only: the readers of `.skeleton` files cut names at the first dot.
    """
    stem = file.rpartition(".")[0] or file
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:_LONGEST_NAME] or "video"


def file_beside(row: ExportedRep) -> str:
    """What a row's video is called beside files that go by its name: the same, with its suffix."""
    found = re.search(r"\.\w{2,4}$", row.video)
    return row.name + (found[0] if found else ".mp4")


def dataset_digest(labels: Iterable[tuple[str, float, float, str]]) -> str:
    """Sixteen hex digits of the exact labels (video digest, start_s, end_s, label), in whatever order they come."""
    lines = sorted(f"{digest} {start_s!r} {end_s!r} {label}" for digest, start_s, end_s, label in labels)
    found = hashlib.sha256()
    for number, line in enumerate(lines):
        found.update(f"\n{line}".encode() if number else line.encode())
    return found.hexdigest()[:16]
