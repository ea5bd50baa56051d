"""What a request asks a list for: its filter, order and page, checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast, get_args

from flask import request

from backend.errors import BadRequest
from backend.storage.overview import Order
from backend.storage.video_filter import Issue, Labelled, State, VideoFilter

PAGE_SIZE = 50
_LARGEST = 2**53
_MOST_DIGITS = 20


@dataclass(frozen=True)
class Window:
    """A page of a list of `total` entries; pages count from 1."""

    number: int
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def offset(self) -> int:
        return (self.number - 1) * PAGE_SIZE


def whole(name: str) -> int | None:
    """A whole number, None where it is not given. Raises BadRequest."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) > _LARGEST:
        raise BadRequest(f"Expected a whole number for {name}, got {text[:40]}.")
    return int(text)


def page_number() -> int:
    return max(1, whole("page") or 1)


def choice(name: str, choices: Collection[str]) -> str | None:
    """One of several words, None where it is not given. Raises BadRequest."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    if text not in choices:
        raise BadRequest(f"Expected one of {', '.join(choices)} for {name}, got {text[:40]}.")
    return text


def yes_or_no(name: str) -> bool | None:
    """Whether, None where it is not given. Raises BadRequest."""
    found = choice(name, ("yes", "no"))
    return None if found is None else found == "yes"


def between(name: str) -> tuple[float, float] | None:
    """Two numbers in 0..1 with a hyphen between them, None where they are not given. Raises BadRequest."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    low, _, high = text.partition("-")
    try:
        bounds = float(low), float(high)
    except ValueError:
        bounds = -1.0, -1.0
    if not 0.0 <= bounds[0] <= bounds[1] <= 1.0:
        raise BadRequest(f"Expected two numbers in 0..1 such as 0.2-0.4 for {name}, got {text[:40]}.")
    return bounds


def rate_in_percent(name: str) -> float | None:
    """A rate 0..1 of a form that has it in per cent, None where the field is empty. Raises BadRequest."""
    text = request.form.get(name, "none").strip()
    try:
        return float(text) / 100.0 if text else None
    except ValueError as error:
        raise BadRequest(f"Expected a number of per cent, such as 5 or 2.5, got {text[:40]}.") from error


def video_filter() -> VideoFilter:
    """Which videos a request is about. Raises BadRequest."""
    return VideoFilter(
        project=whole("project"),
        state=cast("State | None", choice("state", get_args(State))),
        text=request.args.get("text", "").strip()[:200],
        issue=cast("Issue | None", choice("issue", get_args(Issue))),
        labelled=cast("Labelled | None", choice("labelled", get_args(Labelled))),
        annotator=whole("annotator"),
        anomalous=yes_or_no("anomalous"),
        score=between("score"),
        confidence=between("confidence"),
        model=request.args.get("model", "").strip()[:200],
        copy_of_labelled=yes_or_no("copy_of_labelled"),
    )


def order() -> Order:
    """How a request wants videos sorted. Raises BadRequest."""
    found = choice("order", get_args(Order))
    return cast(Order, found) if found else "least-certain"
