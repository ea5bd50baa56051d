"""The server's log: plain lines or JSON, with what each line is about, in workers as well.

Whoever begins to work for a request, job, task or project says so once. All lines until the end of the block have it,
in this thread, and in the worker processes that get work from it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["text", "json"]


_FORMAT = "LOG_FORMAT"
_TEXT = "%(asctime)s %(levelname)s %(message)s"
_subjects: ContextVar[Mapping[str, str | int]] = ContextVar("subjects", default={})  # noqa: B039  # never changed


def subjects() -> Mapping[str, str | int]:
    """What lines of this thread are about just now."""
    return _subjects.get()


@contextmanager
def about(**given: str | int | None) -> Iterator[None]:
    """Lines within the block are about these, beside what they are about already; None stands for nothing."""
    known = {name: value for name, value in given.items() if value is not None}
    token = _subjects.set({**_subjects.get(), **known})
    try:
        yield
    finally:
        _subjects.reset(token)


def call_about(given: Mapping[str, str | int], function: Callable[..., Any], *args: object) -> Any:
    """What `function(*args)` gives, in another process: its lines are about the same."""
    with about(**given):
        return function(*args)


def set_up(level: int = logging.INFO, log_format: LogFormat | None = None) -> None:
    """Our own messages from `level` on, others' from WARNING on, to stderr.

    log_format: by default that of the process that started this one. Those that this one starts have the same.
    """
    chosen = log_format or ("json" if os.environ.get(_FORMAT) == "json" else "text")
    os.environ[_FORMAT] = chosen
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if chosen == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("backend").setLevel(level)


class JsonFormatter(logging.Formatter):
    """A line of JSON for each message: time (UTC), level, logger, message, what it is about, and any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **subjects(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
