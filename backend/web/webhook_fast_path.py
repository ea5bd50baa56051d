"""Events about labels, taken before Flask sees them: what it does for a request takes longer than keeping an event."""

from __future__ import annotations

import hmac
import io
import json
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backend.labels.events import LabelEvents
from backend.labelstudio.format import AnnotationsDeleted, AnnotationsSaved, parse_event
from backend.labelstudio.records import WEBHOOK_HEADER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SECRET = "HTTP_" + WEBHOOK_HEADER.upper().replace("-", "_")
_KEPT = b'{"status":"ok"}\n'
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_KEPT)))]


class EventsFirst:
    """WSGI middleware: Label Studio sends events by hundreds, and somebody waits for the answer to each.

    What is no event about labels, and any that something is wrong with, goes on to the application and its /webhook.
    """

    def __init__(self, application: WSGIApplication, events: LabelEvents, secret: str) -> None:
        self._application = application
        self._events = events
        self._secret = secret.encode()
        # Threads that take turns within their events take longer for all of them than one after the other.
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/webhook" and self._takes(environ):
            start_response("200 OK", _HEADERS)
            return [_KEPT]
        return self._application(environ, start_response)

    def _takes(self, environ: WSGIEnvironment) -> bool:
        length = environ.get("CONTENT_LENGTH") or ""
        is_allowed = hmac.compare_digest(environ.get(_SECRET, "").encode(), self._secret)
        is_whole = length.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ
        if environ["REQUEST_METHOD"] != "POST" or not is_whole or not is_allowed:
            return False
        body = environ["wsgi.input"].read(int(length))  # one who sends slowly keeps nobody waiting
        environ["wsgi.input"] = io.BytesIO(body)
        if b"ANNOTATION" not in body:  # a list of new tasks may have many megabytes
            return False
        with self._one_at_a_time:
            try:
                event = parse_event(json.loads(body))
                if not isinstance(event, AnnotationsSaved | AnnotationsDeleted):
                    return False
                self._events.receive(event, body)
            except Exception:  # noqa: BLE001  # the application says what is wrong
                return False
        return True
