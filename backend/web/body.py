"""The body of a request as a JSON object: what would cost too much is refused before it is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import request
from werkzeug.exceptions import LengthRequired

from backend.errors import BadRequest, RequestTooLarge
from backend.labelstudio.format import Json

_MOST_VALUES = 1_000_000
_MOST_CONTAINERS = 250_000
"""Objects and lists. Each costs far more memory than text: Label Studio sends six for a task, in some 400 bytes."""
_DEEPEST = 64
_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def refuse_endless() -> None:
    """Before every request. Raises LengthRequired for a body that does not say how long it is.

    Nobody sends such ones to us, and in pieces of one byte each they would keep the server busy.
    """
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired("Send the body with a Content-Length.")


def json_body() -> Json:
    """Raises BadRequest for what is no JSON object, RequestTooLarge for what is too large or too rich."""
    raw = request.get_data()
    if raw.count(b",") > _MOST_VALUES or raw.count(b"{") + raw.count(b"[") > _MOST_CONTAINERS:
        raise RequestTooLarge("The request holds more values than the server takes. Send less at a time.")
    try:
        body = json.loads(raw.decode())
        if _HALF_OF_A_PAIR.search(raw):  # pairs are how characters such as emoji are written, halves are no text
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        body = None
    if not isinstance(body, dict) or _is_deeper(body, _DEEPEST):
        raise BadRequest("Expected a JSON object as the body of the request.")
    return body


def _is_deeper(body: Json, levels: int) -> bool:
    """Whether there are containers within containers, more than that many times."""
    level: list[Any] = [body]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
