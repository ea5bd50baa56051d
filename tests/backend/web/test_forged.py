"""Requests that Label Studio never made: with a token for it, none changes anything that it does not confirm."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, until
from flask import Flask
from flask.testing import FlaskClient
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from sqlalchemy import update

from backend.context import Context
from backend.labels.events import store_received_events
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.labels import Annotation, ReceivedEvent
from backend.storage.setups import refused_setups
from backend.web.app import create_app
from backend.web.services import services_of
from pipeline.config import PipelineConfig

ONCE, LATER, NEVER = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"
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

    def look_up(self) -> None:
        hinted = self._ours.hinted_events
        assert hinted is not None
        hinted.look_up()
        with self.store.engine.begin() as connection:  # time passes
            connection.execute(update(ReceivedEvent).values(put_off_until=None))

    def connect(self) -> None:
        self.post("/setup", {"project": "1.1", "schema": CONFIG, "hostname": "http://ls.example.org"})

    def left(self) -> int:
        return len(list(self.store.labels.received()))

    def runs(self) -> list[Any]:
        return list(self.http.get("/jobs").json["runs"])

    def labels(self) -> dict[int, tuple[str, bool]]:
        """Time of change and whether it is deleted, of every annotation that is kept."""
        return {one.id: (one.updated_at, one.deleted) for one in self.store.labels.annotations()}


@pytest.fixture
def server(
    label_studio: FakeLabelStudio, access: Access, store: Store, tmp_path: Path, executor: FakeExecutor
) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    label_studio.backend_url = f"http://127.0.0.1:{port}"
    client = LabelStudioClient(access)
    connections = Connections(client, lambda url, _: url == label_studio.backend_url)
    registry = Registry(tmp_path / "models", Model(VERSION, None))
    context = Context(store, client, registry, PipelineConfig(), access, tmp_path, connections=connections)
    service = Preannotator(context, executor, 0.0)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, backend_port=port, label_studio_url=access.url,
        label_studio_api_key=SecretStr(access.api_key.get_secret_value()),
    )  # fmt: skip
    yield Server(create_app(settings, service, store), label_studio, store, service)
    service.close()


@pytest.fixture
def event(payload: Callable[[str], Any]) -> Callable[..., Any]:
    """An event of project 1 about task 5, changed as wanted."""

    def make(name: str, project: int = 1, **changes: Any) -> Any:
        sent = payload(name)
        sent["project"] |= {"id": project, "label_config": CONFIG}
        if "annotation" in sent:
            sent["annotation"] |= {"id": 6, "task": 5, "updated_at": ONCE} | changes
            sent["task"] |= {"id": 5, "project": project}
        return sent

    return make


def label(server: Server, sent: Any, at: str = ONCE) -> None:
    """Somebody really labels task 5."""
    server.label_studio.tasks.pop(5, None)
    server.label_studio.add_task(task_id=5, fps=30)
    annotation = sent["annotation"] | {"updated_at": at}
    server.label_studio.tasks[5] |= {"annotations": [annotation], "total_annotations": 1}


CREATED = "20_webhook_ANNOTATION_CREATED_from_UI_after_correction"


# Which projects


def test_a_project_that_lists_the_backend_is_worked_for(server: Server) -> None:
    server.connect()
    assert [project.id for project in server.store.projects()] == [1]
    assert server.store.label_config(1) == server.label_studio.label_config
    assert server.store.label_studio_names() == ["http://ls.example.org"]


def test_a_set_up_that_is_refused_is_kept_with_the_reason_until_it_fits(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.post("/setup", {"project": "1.1", "schema": "<View/>"}, status=400)
    assert [one.project for one in refused_setups(server.store.engine)] == [1]
    assert "Project 1 is not connected" in caplog.text
    server.connect()
    assert refused_setups(server.store.engine) == []


def test_a_project_that_is_connected_again_is_caught_up_with(
    server: Server, event: Callable[..., Any], executor: FakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_CONNECTED_S", "_NOT_CONNECTED_S"):
        monkeypatch.setattr(f"backend.labelstudio.connections.{name}", 0.0)
    server.connect()
    server.service.resume()
    server.label_studio.connected = set()
    missed = server.label_studio.add_task()
    server.post("/webhook", event(CREATED))
    server.label_studio.connected = {1}
    server.service.resume()
    assert executor.tasks() == []
    server.look_up()
    server.service.resume()
    assert executor.tasks() == [missed]


@pytest.mark.parametrize("project", [2, 99])
def test_a_forged_setup_makes_nobody_work_for_another_project(server: Server, project: int) -> None:
    for _ in range(9):
        server.post("/setup", {"project": f"{project}.1", "schema": CONFIG, "hostname": "http://evil.example"})
    for _ in range(9):
        server.look_up()
    assert server.store.projects() == []
    assert server.store.label_studio_names() == []
    assert server.left() == 0


def test_a_forged_setup_replaces_no_labeling_config(server: Server) -> None:
    server.connect()
    server.post("/setup", {"project": "1.1", "schema": EVIL})
    assert server.store.label_config(1) == server.label_studio.label_config


def test_a_project_of_another_backend_is_not_ours(server: Server) -> None:
    server.label_studio.backend_url = "http://127.0.0.1:1"
    server.connect()
    assert server.store.projects() == []


def test_a_project_that_is_just_being_connected_is_noticed_soon(server: Server) -> None:
    server.label_studio.connected = set()
    server.connect()
    assert server.store.projects() == []
    server.label_studio.connected = {1}
    services_of(server.http.application).connections._answers.clear()  # a second passes
    server.look_up()
    assert [project.id for project in server.store.projects()] == [1]


def test_jobs_of_a_project_that_no_longer_lists_the_backend_wait(server: Server, executor: FakeExecutor) -> None:
    server.store.job_for(Task(1, 2, {"video": "a.mp4"}), "a.mp4", VERSION, PipelineConfig().digest())
    server.store.remember_project(2, CONFIG)
    server.service.resume()
    assert executor.tasks() == []


# Events


def test_a_label_is_stored_as_label_studio_has_it(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    server.post("/webhook", sent)
    assert server.labels() == {6: (ONCE, False)}
    assert [one.label for one in server.store.labels.labelled_regions(6)] == ["normal", "anomalous"]
    assert server.left() == 0


def test_a_forged_label_is_not_stored(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    forged = event(CREATED, result=[], updated_at=NEVER)
    for _ in range(9):
        server.post("/webhook", forged)
    assert server.labels() == {6: (ONCE, False)}
    assert len(server.store.labels.labelled_regions(6)) == 2


def test_a_label_that_label_studio_does_not_have_is_not_stored(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    server.post("/webhook", event(CREATED))
    for _ in range(9):
        server.look_up()
    assert server.labels() == {}
    assert server.left() == 0


def test_a_label_that_label_studio_shows_a_moment_later_is_stored(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    server.post("/webhook", sent)
    label(server, sent)
    server.look_up()
    assert server.labels() == {6: (ONCE, False)}


def test_a_forged_deletion_deletes_nothing(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    server.post("/webhook", sent)
    server.post("/webhook", event("13_webhook_ANNOTATIONS_DELETED") | {"annotations": [{"id": 6}]})
    server.post("/webhook", event("19_webhook_TASKS_DELETED") | {"tasks": [{"id": 5}]})
    assert server.labels() == {6: (ONCE, False)}
    assert server.store.labels.deleted_tasks() == set()


def test_a_true_deletion_deletes(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    server.post("/webhook", sent)
    server.label_studio.tasks[5]["annotations"] = []
    server.post("/webhook", event("13_webhook_ANNOTATIONS_DELETED") | {"annotations": [{"id": 6}]})
    assert server.labels() == {6: (ONCE, True)}


def test_a_deleted_task_is_forgotten_and_a_forged_one_of_another_project_is_not(
    server: Server, event: Callable[..., Any]
) -> None:
    server.connect()
    for task, project in ((5, 1), (7, 2)):
        server.store.job_for(Task(task, project, {"video": "a.mp4"}), "a.mp4", VERSION, "c")
    server.post("/webhook", event("19_webhook_TASKS_DELETED") | {"tasks": [{"id": 5}, {"id": 7}, {"id": 8}]})
    assert [job.task for job in server.store.jobs()] == [7]
    assert server.store.labels.deleted_tasks() == {5}


def test_what_was_frozen_by_a_date_in_the_future_is_healed(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    server.post("/webhook", sent)
    with server.store.engine.begin() as connection:  # as an earlier release stored a forged event
        connection.execute(update(Annotation).values(updated_at=NEVER, deleted=True))
    label(server, sent, LATER)
    server.post("/webhook", event("21_webhook_ANNOTATION_UPDATED_from_UI", updated_at=LATER))
    assert server.labels() == {6: (LATER, False)}


def test_an_event_of_a_date_in_the_future_counts_as_of_today_where_there_is_no_token(
    lone_http: FlaskClient, store: Store, event: Callable[..., Any]
) -> None:
    lone_http.post("/webhook", json=event(CREATED, updated_at=NEVER))
    store_received_events(store)
    (kept,) = store.labels.annotations()
    assert ONCE < kept.updated_at < NEVER
    with store.engine.begin() as connection:
        connection.execute(update(Annotation).values(updated_at=NEVER))
    lone_http.post("/webhook", json=event(CREATED, updated_at=LATER))
    store_received_events(store)
    assert store.labels.annotations()[0].updated_at == LATER


def test_new_tasks_are_started_as_label_studio_has_them(
    server: Server, event: Callable[..., Any], executor: FakeExecutor
) -> None:
    server.connect()
    server.label_studio.add_task("/data/upload/1/true.mp4", 5)
    forged = [{"id": 5, "data": {"video": "http://evil.example/a.mp4"}}, {"id": 8, "data": {"video": "b.mp4"}}]
    server.post("/webhook", event("18_webhook_TASKS_CREATED") | {"tasks": forged})
    until(lambda: executor.tasks() == [5])
    assert [job.media for job in server.store.jobs()] == ["/data/upload/1/true.mp4"]


def test_a_forged_project_event_replaces_no_labeling_config(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event("17_webhook_PROJECT_UPDATED")
    sent["project"]["label_config"] = EVIL
    server.post("/webhook", sent)
    assert server.store.label_config(1) == server.label_studio.label_config


@pytest.mark.parametrize("project", [2, 99])
def test_a_training_of_a_project_that_is_not_connected_is_not_started(
    server: Server, event: Callable[..., Any], project: int
) -> None:
    server.post("/webhook", event("10_webhook_START_TRAINING", project))
    for _ in range(9):
        server.look_up()
    assert server.runs() == []
    assert server.store.projects() == []


def test_a_training_is_started_whether_the_project_is_known_yet_or_not(
    server: Server, event: Callable[..., Any]
) -> None:
    server.post("/webhook", event("10_webhook_START_TRAINING"))
    (run,) = server.runs()
    assert server.post("/webhook", event("10_webhook_START_TRAINING"))["job"] == str(run["id"])


def test_label_studio_is_not_asked_before_an_event_is_answered(server: Server, event: Callable[..., Any]) -> None:
    server.label_studio.calls.clear()
    for name in (CREATED, "10_webhook_START_TRAINING", "18_webhook_TASKS_CREATED", "19_webhook_TASKS_DELETED"):
        assert server.http.post("/webhook", json=event(name)).status_code == 200
    assert server.http.post("/setup", json={"project": "1.1", "schema": CONFIG}).status_code == 200
    assert not server.label_studio.calls


def test_many_events_are_looked_up_by_few_requests(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    server.label_studio.calls.clear()
    for _ in range(50):
        server.http.post("/webhook", json=sent)
    server.look_up()
    assert sum(server.label_studio.calls.values()) <= 3


def test_events_wait_for_a_label_studio_that_is_down(
    server: Server, event: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    with monkeypatch.context() as down:
        down.setattr(server.label_studio, "rejects_token", True)
        for _ in range(9):
            server.post("/webhook", sent)
    server.look_up()
    assert server.labels() == {6: (ONCE, False)}


def test_an_event_that_an_earlier_release_kept_is_looked_up(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED, updated_at=NEVER)
    label(server, sent)
    server.store.labels.receive(json.dumps(sent).encode())
    server.look_up()
    assert server.labels() == {6: (ONCE, False)}


# Predictions


def predict(server: Server, video: str, project: int = 1, status: int = 200) -> Any:
    task = {"id": 5, "project": project, "data": {"video": video}}
    answer = server.http.post("/predict", json={"tasks": [task], "project": str(project), "label_config": CONFIG})
    assert answer.status_code == status, answer.text
    return answer.json


def test_a_prediction_of_another_video_is_stored_at_no_task(server: Server, executor: FakeExecutor) -> None:
    server.label_studio.add_task("/data/upload/1/true.mp4", 5)
    predict(server, "/data/upload/1/other.mp4")
    executor.finish(5)
    until(lambda: server.store.jobs() == [])
    assert server.label_studio.of_task(5) == []


def test_a_prediction_of_another_video_is_not_answered(server: Server, executor: FakeExecutor) -> None:
    server.label_studio.add_task("/data/upload/1/true.mp4", 5)
    server.label_studio.add_prediction(5, VERSION, [])
    job = server.store.job_for(Task(5, 1, {"video": "b.mp4"}), "b.mp4", VERSION, PipelineConfig().digest())
    server.store.finish_job(job.id, "")
    assert predict(server, "b.mp4")["results"] == [[]]


def test_a_prediction_of_the_right_video_is_stored(server: Server, executor: FakeExecutor) -> None:
    server.label_studio.add_task("/data/upload/1/true.mp4", 5)
    predict(server, "/data/upload/1/true.mp4")
    executor.finish(5)
    until(lambda: len(server.label_studio.of_task(5)) == 1)


def test_nothing_is_predicted_for_a_project_that_is_not_connected(server: Server, executor: FakeExecutor) -> None:
    assert predict(server, "a.mp4", project=2, status=403)["error"]["type"] == "NotConnected"
    assert (executor.tasks(), server.store.jobs()) == ([], [])
