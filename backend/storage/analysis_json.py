"""Analyses as JSON, as jobs and archives keep them."""

from __future__ import annotations

import json
from dataclasses import asdict

from pydantic import TypeAdapter
from pydantic_core import from_json

from backend.errors import ResultUnreadable
from pipeline.records import Analysis

_ANALYSIS = TypeAdapter(Analysis)
_SAME_CLOCK_S = 1e-3


def dump_analysis(analysis: Analysis) -> str:
    """JSON of an analysis. Pydantic's own would turn NaN into null, which it does not read again."""
    return json.dumps(asdict(analysis))


def load_analysis(text: str) -> Analysis:
    """The analysis that `dump_analysis` wrote, also of release 0.1, which called the appearance "look".

    Raises ResultUnreadable where the text is damaged, or of a release with other fields, or with another clock: the
    times of a video that begins late were counted from its beginning before there was `earliest_s`.
    """
    try:
        values = from_json(text)
        if isinstance(values, dict) and "look" in values:
            values["appearance"] = values.pop("look")
        analysis = _ANALYSIS.validate_python(values)
    except ValueError as error:  # of the JSON, or pydantic's ValidationError
        raise ResultUnreadable("A stored result cannot be read. Its video is analyzed again.") from error
    if analysis.video.start_s > _SAME_CLOCK_S and "earliest_s" not in values["video"]:
        raise ResultUnreadable("A stored result is of another clock. Its video is analyzed again.")
    return analysis


def is_readable(result: str) -> bool:
    try:
        load_analysis(result)
    except ResultUnreadable:
        return False
    return True
