"""A server of ours beside a small Label Studio that lists it: what requests do that Label Studio confirms, or not."""

from __future__ import annotations

from typing import Any

from fakes import CONFIG
from flask import Flask
from flask.testing import FlaskClient
from label_studio_api import FakeLabelStudio
from sqlalchemy import update

from backend.predictions.preannotator import Preannotator
from backend.storage.jobs import Store
from backend.storage.received_events import ReceivedEvent
from backend.web.services import services_of

ONCE, LATER, NEVER = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"
CREATED = "20_webhook_ANNOTATION_CREATED_from_UI_after_correction"
EVIL = (
    '<View><Video name="v" value="$evil"/><TimelineLabels name="l" toName="v"><Label value="a"/><Label value="b"/>'
    "</TimelineLabels></View>"
)


class Server:
    """Our server without its threads, beside a small Label Studio that lists it in project 1."""

    def __init__(self, app: Flask, label_studio: FakeLabelStudio, store: Store, service: Preannotator) -> None:
        self.http: FlaskClient = app.test_client()
        self.label_studio = label_studio
        self.store = store
        self.service = service
        self._ours = services_of(app)

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Send something, and let the server look up what came."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        self.look_up()
        return answer.json

    def look_up(self, passes_time: bool = True) -> None:
        hinted = self._ours.hinted_events
        assert hinted is not None
        hinted.look_up()
        if passes_time:
            with self.store.engine.begin() as connection:
                connection.execute(update(ReceivedEvent).values(put_off_until=None))

    def connect(self) -> None:
        self.post("/setup", {"project": "1.1", "schema": CONFIG, "hostname": "http://ls.example.org"})

    def left(self) -> int:
        return len(list(self.store.events.received()))

    def runs(self) -> list[Any]:
        return list(self.http.get("/jobs").json["runs"])

    def labels(self) -> dict[int, tuple[str, bool]]:
        """Time of change and whether it is deleted, of every annotation that is kept."""
        return {one.id: (one.updated_at, one.deleted) for one in self.store.labels.annotations()}


def label(server: Server, sent: Any, at: str = ONCE) -> None:
    """Somebody really labels task 5."""
    server.label_studio.tasks.pop(5, None)
    server.label_studio.add_task(task_id=5, fps=30)
    annotation = sent["annotation"] | {"updated_at": at}
    server.label_studio.tasks[5] |= {"annotations": [annotation], "total_annotations": 1}
