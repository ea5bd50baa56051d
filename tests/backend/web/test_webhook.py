"""The events that Label Studio sends to /webhook: what each changes, and which are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, until
from flask.testing import FlaskClient
from pydantic import SecretStr

from backend.labels.events import store_received_events
from backend.labelstudio.format import Task
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.labels import LabelStore
from backend.storage.received_events import ReceivedEvents
from backend.web.access import access_of
from backend.web.app import create_app
from backend.web.services import services_of


@pytest.mark.parametrize(
    "name",
    ["11_webhook_ANNOTATION_CREATED_api", "12_webhook_ANNOTATION_UPDATED_api", "13_webhook_ANNOTATIONS_DELETED",
     "14_webhook_ANNOTATION_CREATED_skipped_task", "15_webhook_ANNOTATIONS_CREATED_bulk",
     "16_webhook_ANNOTATIONS_DELETED_bulk", "17_webhook_PROJECT_UPDATED", "18_webhook_TASKS_CREATED",
     "19_webhook_TASKS_DELETED", "20_webhook_ANNOTATION_CREATED_from_UI_after_correction",
     "21_webhook_ANNOTATION_UPDATED_from_UI"],
)  # fmt: skip
def test_every_event_is_accepted(lone_http: FlaskClient, payload: Callable[[str], Any], name: str) -> None:
    assert lone_http.post("/webhook", json=payload(name)).status_code == 200


@pytest.mark.parametrize("name", ["11_webhook_ANNOTATION_CREATED_api", "13_webhook_ANNOTATIONS_DELETED"])
def test_an_event_about_labels_is_kept_as_it_came(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store, name: str
) -> None:
    sent = json.dumps(payload(name)).encode()
    assert lone_http.post("/webhook", data=sent).json == {"status": "ok"}
    assert [event.body for event in store.events.received()] == [sent]


def test_an_event_that_cannot_be_kept_is_an_error(
    lone_http: FlaskClient, payload: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ReceivedEvents, "receive", full)
    assert lone_http.post("/webhook", json=payload("11_webhook_ANNOTATION_CREATED_api")).status_code == 500


def test_a_correction_is_stored_as_the_person_left_it(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    lone_http.post("/webhook", json=payload("20_webhook_ANNOTATION_CREATED_from_UI_after_correction"))
    first, second = labels_of(store).labelled_regions(6)
    assert [(r.label, r.origin) for r in (first, second)] == [
        ("normal", "prediction"),
        ("anomalous", "prediction-changed"),
    ]


def test_an_update_replaces_what_was_stored(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    lone_http.post("/webhook", json=payload("20_webhook_ANNOTATION_CREATED_from_UI_after_correction"))
    update = payload("21_webhook_ANNOTATION_UPDATED_from_UI")
    lone_http.post("/webhook", json=update)
    drawn = [r for r in update["annotation"]["result"] if r["type"] == "timelinelabels"]
    assert len(labels_of(store).labelled_regions(6)) == len(drawn)


def test_a_skipped_task_is_stored_as_skipped(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    lone_http.post("/webhook", json=payload("14_webhook_ANNOTATION_CREATED_skipped_task"))
    (annotation,) = labels_of(store).annotations()
    assert annotation.was_cancelled
    assert labels_of(store).labelled_regions(annotation.id) == []


def test_several_annotations_in_one_event_are_stored(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    lone_http.post("/webhook", json=payload("15_webhook_ANNOTATIONS_CREATED_bulk"))
    assert [annotation.id for annotation in labels_of(store).annotations()] == [4, 5]


def test_an_annotation_that_cannot_be_stored_does_not_sink_the_others(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = payload("15_webhook_ANNOTATIONS_CREATED_bulk")
    put = store.labels.put_annotation

    def refused(annotation: Any, *values: Any) -> None:
        if annotation["id"] == 4:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        put(annotation, *values)

    monkeypatch.setattr(store.labels, "put_annotation", refused)
    assert lone_http.post("/webhook", json=event).status_code == 200
    assert [annotation.id for annotation in labels_of(store).annotations()] == [5]


def test_a_deleted_annotation_is_marked(lone_http: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    lone_http.post("/webhook", json=payload("11_webhook_ANNOTATION_CREATED_api"))
    lone_http.post("/webhook", json=payload("13_webhook_ANNOTATIONS_DELETED"))
    assert [annotation.deleted for annotation in labels_of(store).annotations()] == [True]


def test_new_tasks_are_started(lone_http: FlaskClient, payload: Callable[[str], Any], executor: FakeExecutor) -> None:
    lone_http.post("/webhook", json=payload("18_webhook_TASKS_CREATED"))
    until(lambda: executor.tasks() == [5])


def test_deleted_tasks_are_forgotten(lone_http: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    store.job_for(Task(5, 1, {}), "a.mp4", VERSION, "c")
    lone_http.post("/webhook", json=payload("19_webhook_TASKS_DELETED"))
    assert store.jobs() == []


def test_a_changed_project_is_remembered(lone_http: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    lone_http.post("/webhook", json=payload("17_webhook_PROJECT_UPDATED"))
    assert store.label_config(1) == payload("17_webhook_PROJECT_UPDATED")["project"]["label_config"]


def test_training_is_a_job(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    answer = lone_http.post("/webhook", json=payload("10_webhook_START_TRAINING"))
    (run,) = lone_http.get("/jobs").json["runs"]
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "job": str(run["id"])})
    assert (run["state"], run["reason"]) == ("queued", "Start Training")


def test_training_asked_for_twice_is_one_job(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    for _ in range(2):
        lone_http.post("/webhook", json=payload("10_webhook_START_TRAINING"))
    assert len(lone_http.get("/jobs").json["runs"]) == 1


def labels_of(store: Store) -> LabelStore:
    """What people labelled, with what has just come."""
    store_received_events(store)
    return store.labels


@pytest.fixture
def guarded_http(lone_service: Preannotator, store: Store, tmp_path: Path) -> FlaskClient:
    """A client of a server that has a secret with Label Studio."""
    return create_app(Settings(data_dir=tmp_path, webhook_secret=SecretStr("s")), lone_service, store).test_client()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({WEBHOOK_HEADER: "x"}, 401), ({WEBHOOK_HEADER: "gänzlich anders"}, 401), ({WEBHOOK_HEADER: "s"}, 200)],
)
def test_an_event_needs_the_secret(
    guarded_http: FlaskClient, payload: Callable[[str], Any], headers: dict[str, str], status: int
) -> None:
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    assert guarded_http.post("/webhook", json=event, headers=headers).status_code == status


@pytest.mark.parametrize(("headers", "times"), [({}, 1), ({WEBHOOK_HEADER: "x"}, 1), ({WEBHOOK_HEADER: "s"}, 0)])
@pytest.mark.parametrize("user", ["", "somebody"])
def test_an_event_without_the_secret_has_webhooks_looked_at(
    lone_service: Preannotator, store: Store, tmp_path: Path, payload: Callable[[str], Any],
    user: str, headers: dict[str, str], times: int,
) -> None:  # fmt: skip
    settings = Settings(
        _env_file=None, data_dir=tmp_path, webhook_secret=SecretStr("s"), basic_auth_user=user,
        basic_auth_pass=SecretStr("long enough for a password" if user else ""),
    )  # fmt: skip
    app, told = create_app(settings, lone_service, store), list[int]()
    access = access_of(app)
    assert access.on_event_without_secret == services_of(app).trainer.event_without_secret
    access.on_event_without_secret = lambda: told.append(1)
    app.test_client().post("/webhook", json=payload("11_webhook_ANNOTATION_CREATED_api"), headers=headers)
    assert len(told) == times


def test_training_is_asked_for_without_the_secret(guarded_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    # Label Studio sends it another way, without the headers of its webhooks.
    assert guarded_http.post("/webhook", json=payload("10_webhook_START_TRAINING")).status_code == 200


def test_a_run_can_be_cancelled(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    number = lone_http.post("/webhook", json=payload("10_webhook_START_TRAINING")).json["job"]
    assert lone_http.delete(f"/jobs/runs/{number}").json["run"]["state"] == "cancelled"


def test_an_unknown_run_cannot_be_cancelled(lone_http: FlaskClient) -> None:
    assert lone_http.delete("/jobs/runs/7").status_code == 404


def test_an_unknown_event_is_accepted(lone_http: FlaskClient) -> None:
    answer = lone_http.post("/webhook", json={"action": "LABEL_LINK_DELETED", "project": {"id": 1}})
    assert (answer.status_code, answer.json) == (200, {"status": "ignored", "action": "LABEL_LINK_DELETED"})


@pytest.mark.parametrize("config", [None, "", "<View>"])
def test_an_annotation_without_a_labeling_config_is_read_with_the_known_one(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store, config: str | None
) -> None:
    event = payload("20_webhook_ANNOTATION_CREATED_from_UI_after_correction")
    store.remember_project(event["task"]["project"], event["project"]["label_config"])
    event["project"] = {"id": event["project"]["id"]} | ({} if config is None else {"label_config": config})
    assert lone_http.post("/webhook", json=event).status_code == 200
    assert [region.label for region in labels_of(store).labelled_regions(6)] == ["normal", "anomalous"]


@pytest.mark.parametrize("name", ["17_webhook_PROJECT_UPDATED", "10_webhook_START_TRAINING"])
def test_an_event_without_a_labeling_config_changes_none(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store, name: str
) -> None:
    event = payload(name)
    event["project"]["label_config"] = None
    assert lone_http.post("/webhook", json=event).status_code == 200
    assert store.label_config(1) == CONFIG


def test_an_annotation_in_a_project_for_something_else_is_refused(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    event["project"]["label_config"] = "<View/>"
    store.remember_project(1, "<View/>")
    assert lone_http.post("/webhook", json=event).status_code == 400
