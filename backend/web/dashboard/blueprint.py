"""What the pages' routes are registered with, how templates write values, and errors as a page."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from flask import Blueprint, request, url_for

from backend.web.dashboard import words
from backend.web.services import services
from pipeline.anomaly.versions import percent as percent_of_rate
from pipeline.counts import counted
from pipeline.records import shown_score

log = logging.getLogger(__name__)

bp = Blueprint(
    "dashboard", __name__, template_folder="../templates", static_folder="../static", static_url_path="/assets"
)


@bp.app_template_filter("percent")
def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


@bp.app_template_filter("rate")
def rate(value: float) -> str:
    """A nominal rate with as many digits as it has."""
    return f"{percent_of_rate(value)} %"


@bp.app_template_filter("number")
def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


@bp.app_template_filter("score")
def score(value: float | None) -> str:
    return "" if value is None else shown_score(value)


@bp.app_template_filter("seconds")
def seconds(value: float | None) -> str:
    """Short lengths in seconds, longer ones as minutes and seconds."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60} min {int(value) % 60} s"


@bp.app_template_filter("when")
def when(value: str) -> str:
    """An ISO time in UTC as day and minute."""
    return value[:16].replace("T", " ")


@bp.app_template_filter("ago")
def ago(value: str) -> str:
    """How long ago an ISO time in UTC was."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    passed = max(0.0, (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds())
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= length:
            return f"{counted(int(passed // length), name)} ago"
    return "just now"


@bp.app_context_processor
def helpers() -> dict[str, object]:
    return {"words": words, "with_arguments": with_arguments, "person": services().titles.person}


def with_arguments(**changes: object) -> str:
    """The address of the page being shown with some of its arguments changed; None takes one away."""
    given = {**(request.view_args or {}), **request.args.to_dict(), **changes}
    return url_for(str(request.endpoint), **{name: value for name, value in given.items() if value not in (None, "")})
