"""Ground truth: a JSON list of clips with their repetitions, for training and for evaluation, often written by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pipeline.errors import DatasetError

_OF_THE_FORM = '[{"file": "set1.mp4", "reps": [{"start_s": 4.1, "end_s": 7.0}]}]'
_MOST_SLIPS = 3
"""Of the slips in a file, these many are named: people mend some and run it again."""

Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]


class MarkedRep(BaseModel):
    """One repetition as a person marked it, in seconds of media time."""

    model_config = ConfigDict(frozen=True)

    start_s: Seconds = Field(description="The load leaves the floor, in seconds as a player shows them.")
    top_s: Seconds | None = Field(
        default=None, description="Lockout: the lifter is upright. Left out, it is found from the landmarks."
    )
    end_s: Seconds | None = Field(
        description="The load is back on the floor; null for a partial repetition that is not shown to its end."
    )
    label: str | None = Field(
        default=None, description="normal (also good, ok, correct) or anomalous (also anomaly, bad)."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        given = [name for name in ("start_s", "top_s", "end_s") if getattr(self, name) is not None]
        for one, other in pairwise(given):
            if not getattr(self, one) < getattr(self, other):
                raise ValueError(f"{one} {getattr(self, one):g} is not before {other} {getattr(self, other):g}")
        return self


class MarkedClip(BaseModel):
    """One video with its repetitions. Whatever else an entry says is ignored."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(min_length=1, description="Name of the video, relative to the folder of the videos.")
    reps: tuple[MarkedRep, ...] = Field(description="The repetitions; an empty list for a video without any.")
    form_label: str | None = Field(default=None, description="Label of the repetitions that have none of their own.")
    is_deadlift: bool = Field(default=True, description="false for other movements: nothing should be found there.")
    duration_s: Seconds | None = Field(
        default=None, description="Length of the video; a partial repetition may last until there."
    )
    uncertain: bool = Field(default=False, description="true where the marks are good to half a second only.")


_CLIPS = TypeAdapter(tuple[MarkedClip, ...])


def read_clips(path: Path) -> tuple[MarkedClip, ...]:
    """The clips of a ground-truth file.

    Raises DatasetError, in one line that names the file and what is wrong where, when the file is missing or is no such
    list.
    """
    try:
        rows = json.loads(path.read_bytes())  # bytes: UTF-8, 16 and 32, with and without a byte order mark
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file. Expected a JSON list of clips with their reps.") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}). Expected a ground-truth JSON file.") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON ({error}).") from error
    try:
        clips = _CLIPS.validate_python(rows)
    except ValidationError as error:
        slips = error.errors(include_url=False, include_input=False)
        named = "; ".join(_named(rows, slip["loc"], slip["msg"]) for slip in slips[:_MOST_SLIPS])
        more = f"; and {len(slips) - _MOST_SLIPS} more" if len(slips) > _MOST_SLIPS else ""
        raise DatasetError(f"{path}: {named}{more}. Expected a list as {_OF_THE_FORM}.") from error
    twice = [file for file, count in Counter(clip.file for clip in clips).items() if count > 1]
    if twice:
        raise DatasetError(f"{path}: {', '.join(twice)} listed more than once. Put the reps of a video into one entry.")
    return clips


def groundtruth_schema() -> dict[str, Any]:
    """The JSON schema of a ground-truth file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ground truth: videos with their repetitions",
    } | _CLIPS.json_schema()


def _named(rows: Any, place: tuple[int | str, ...], said: str) -> str:
    """What is wrong, where: a video by its name, or else by its number, counted from 1 as people count."""
    said = said.removeprefix("Value error, ").replace("Input should be", "should be").replace("tuple", "list")
    said = re.sub(r"valid dictionary or instance of \w+", "object", f"{said[:1].lower()}{said[1:]}")
    if not place:
        return said
    number, *inner = place
    file = rows[number].get("file") if isinstance(number, int) and isinstance(rows[number], dict) else None
    words = [file if isinstance(file, str) and file else f"entry {int(number) + 1}"]
    words += [
        f"rep {part + 1}" if isinstance(part, int) else part for part in inner if part != "reps" or len(inner) == 1
    ]
    return f"{' '.join(words)}: {said}"
