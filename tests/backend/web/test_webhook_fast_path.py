"""Events about labels are taken before the application; all else, and what is wrong with an event, reaches it whole."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder

from backend.labels.events import LabelEvents
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.storage.jobs import Store
from backend.web.webhook_fast_path import EventsFirst

CREATED = "11_webhook_ANNOTATION_CREATED_api"
DELETED = "13_webhook_ANNOTATIONS_DELETED"


class Application:
    """Keeps the bodies of the requests that reach it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.bodies.append(environ["wsgi.input"].read())
        start_response("202 Accepted", [])
        return []


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def events(store: Store) -> LabelEvents:
    return LabelEvents(store, lambda projects: None)


@pytest.mark.parametrize("name", [CREATED, DELETED])
def test_events_about_labels_do_not_reach_the_application(
    application: Application, events: LabelEvents, store: Store, payload: Callable[[str], Any], name: str
) -> None:
    body = json.dumps(payload(name)).encode()
    answer = Client(EventsFirst(application, events, "")).post("/webhook", data=body)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert [one.body for one in store.labels.received()] == [body]
    assert application.bodies == []


def test_all_else_goes_on_whole(application: Application, events: LabelEvents, payload: Callable[[str], Any]) -> None:
    client = Client(EventsFirst(application, events, ""))
    bodies = [b'{"action": "TASKS_DELETED", "tasks": []}', b'{"action": ', b"", b"[" * 100_000]
    assert [client.post("/webhook", data=body).status_code for body in bodies] == [202] * 4
    assert client.post("/predict", data=b"{}").status_code == 202
    assert client.get("/webhook").status_code == 202
    chunked = json.dumps(payload(CREATED)).encode()
    headers = {"Transfer-Encoding": "chunked"}  # then a length says nothing
    assert client.post("/webhook", data=chunked, headers=headers).status_code == 202
    assert application.bodies == [*bodies, b"{}", b"", chunked]


@pytest.mark.parametrize("given", [None, "other", "gänzlich anders"])
def test_an_event_without_the_secret_is_refused_by_the_application(
    application: Application, events: LabelEvents, store: Store, payload: Callable[[str], Any], given: str | None
) -> None:
    body = json.dumps(payload(CREATED)).encode()
    first = EventsFirst(application, events, "secret")
    headers = {WEBHOOK_HEADER: given} if given else {}
    assert Client(first).post("/webhook", data=body, headers=headers).status_code == 202
    assert application.bodies == [body]
    assert Client(first).post("/webhook", data=body, headers={WEBHOOK_HEADER: "secret"}).status_code == 200
    assert len(list(store.labels.received())) == 1


def test_an_event_that_cannot_be_kept_is_answered_by_the_application(
    application: Application,
    events: LabelEvents,
    payload: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(LabelEvents, "receive", full)
    body = json.dumps(payload(CREATED)).encode()
    assert Client(EventsFirst(application, events, "")).post("/webhook", data=body).status_code == 202
    assert application.bodies == [body]


def test_one_who_sends_slowly_keeps_nobody_waiting(
    application: Application, events: LabelEvents, payload: Callable[[str], Any]
) -> None:
    first = EventsFirst(application, events, "")
    body = json.dumps(payload(CREATED)).encode()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert Client(first).post("/webhook", data=body).status_code == 200  # meanwhile
            return super().read(size)

    environ = EnvironBuilder("/webhook", method="POST", data=body).get_environ()
    environ["wsgi.input"] = Slow(body)
    assert first(environ, lambda *_: lambda _: None) == [b'{"status":"ok"}\n']
