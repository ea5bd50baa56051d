"""Events that Label Studio never sent: with a token for it, no label, task or training comes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, until
from flask.testing import FlaskClient
from hinted_server import CREATED, EVIL, LATER, NEVER, ONCE, Server, label
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.errors import LabelStudioRefused
from backend.labels.events import store_received_events
from backend.labelstudio.format import Task
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.labels import Annotation
from backend.storage.received_events import ReceivedEvent


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
    server.post("/webhook", sent)
    forged = event(CREATED, result=[], updated_at=NEVER)
    assert server.http.post("/webhook", json=forged).status_code == 200
    assert store_received_events(server.store) == set()  # as whoever reads labels does
    assert server.labels() == {6: (ONCE, False)}  # not even until it is looked up
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
    server.store.job_for(Task(5, 1, {"video": "a.mp4"}), "a.mp4", VERSION, "c")
    for forged in (
        event("13_webhook_ANNOTATIONS_DELETED") | {"annotations": [{"id": 6}]},
        event("19_webhook_TASKS_DELETED") | {"tasks": [{"id": 5}]},
    ):
        assert server.http.post("/webhook", json=forged).status_code == 200
        assert server.labels() == {6: (ONCE, False)}  # not even until it is looked up
        server.look_up()
    assert server.labels() == {6: (ONCE, False)}
    assert server.store.labels.deleted_tasks() == set()
    assert [job.task for job in server.store.jobs()] == [5]


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
    assert server.http.post("/webhook", json=sent).status_code == 200
    assert server.store.label_config(1) == server.label_studio.label_config  # not even until it is looked up
    server.look_up()
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


def test_events_wait_for_a_label_studio_that_is_down_at_no_try_and_for_no_more_than_a_minute(
    server: Server, event: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)
    with monkeypatch.context() as down:
        down.setattr(server.label_studio, "rejects_token", True)
        for _ in range(9):
            server.post("/webhook", sent)
        server.look_up(passes_time=False)
        with Session(server.store.engine) as session:
            waiting = session.scalars(select(ReceivedEvent)).all()
        assert {one.tries for one in waiting} == {0}
        assert all(one.put_off_until and one.put_off_until < now() + timedelta(seconds=61) for one in waiting)
    server.look_up()  # and a minute passes
    server.look_up()
    assert server.labels() == {6: (ONCE, False)}


def test_a_label_studio_that_refuses_is_asked_less_and_less(
    server: Server, event: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connect()
    sent = event(CREATED)
    label(server, sent)

    def refuse(*_: object) -> None:
        raise LabelStudioRefused("Label Studio answered 403.")

    with monkeypatch.context() as refusing:
        refusing.setattr("backend.labelstudio.client.LabelStudioClient.label_config", refuse)
        for _ in range(9):
            server.post("/webhook", sent)
        server.look_up(passes_time=False)
        with Session(server.store.engine) as session:
            assert max(one.tries for one in session.scalars(select(ReceivedEvent))) >= 9


def test_an_event_that_an_earlier_release_kept_is_looked_up(server: Server, event: Callable[..., Any]) -> None:
    server.connect()
    sent = event(CREATED, updated_at=NEVER)
    label(server, sent)
    server.store.events.receive(json.dumps(sent).encode())
    server.look_up()
    assert server.labels() == {6: (ONCE, False)}
