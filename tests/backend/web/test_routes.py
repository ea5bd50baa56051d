"""The HTTP interface, asked as Label Studio asks it, and as nobody should."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from flask.testing import FlaskClient
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.errors import MediaForbidden, MediaNotFound, WorkerLost
from backend.labels.events import store_received_events
from backend.labelstudio.format import Task
from backend.labelstudio.records import WEBHOOK_HEADER, Access
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.labels import LabelStore
from backend.web.app import create_app

Maker = Callable[..., Preannotator]


def body(*tasks: object, config: str = CONFIG) -> dict[str, Any]:
    return {"tasks": list(tasks), "project": "1.1795325641", "label_config": config, "params": {"context": None}}


def task(number: int, video: str = "/data/upload/1/a.mp4") -> dict[str, Any]:
    return {"id": number, "project": 1, "data": {"video": video}}


# Connecting


@pytest.mark.parametrize("path", ["/", "/health"])
def test_the_server_says_that_it_is_up(lone_http: FlaskClient, path: str) -> None:
    assert lone_http.get(path).json == {"status": "UP", "model_class": "DeadliftModel", "model_version": VERSION}


def test_setup_tells_the_version(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    answer = lone_http.post("/setup", json=payload("02_setup"))
    assert (answer.status_code, answer.json) == (200, {"model_version": VERSION})


def test_setup_remembers_the_project(lone_http: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    lone_http.post("/setup", json=payload("02_setup"))
    assert store.label_config(1) == payload("02_setup")["schema"]


@pytest.mark.parametrize("schema", ["<View/>", "", None, "<View>", 5])
def test_setup_refuses_a_labeling_config_without_what_is_needed(lone_http: FlaskClient, schema: object) -> None:
    answer = lone_http.post("/setup", json={"project": "1.2", "schema": schema})
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "LabelConfigError"


def test_setup_needs_a_project(lone_http: FlaskClient) -> None:
    assert lone_http.post("/setup", json={"schema": CONFIG}).status_code == 400


def test_versions_are_told(lone_http: FlaskClient) -> None:
    assert lone_http.get("/versions").json == {"versions": [VERSION]}


def test_health_and_setup_answer_while_a_prediction_is_waited_for(
    make_service: Maker, store: Store, tmp_path: Path, executor: FakeExecutor
) -> None:
    app = create_app(Settings(data_dir=tmp_path), make_service(Access("", SecretStr("")), wait_s=30.0), store)
    waiting = threading.Thread(target=lambda: app.test_client().post("/predict", json=body(task(1))))
    waiting.start()
    until(lambda: executor.submitted)
    health = app.test_client().get("/health")
    setup = app.test_client().post("/setup", json={"project": "1.2", "schema": CONFIG})
    assert waiting.is_alive()
    assert (health.status_code, setup.status_code) == (200, 200)
    executor.finish(1)
    waiting.join(20)
    assert not waiting.is_alive()


# Predicting


@pytest.mark.parametrize("name", ["03_predict_batch", "04_predict_single_open_task", "06_predict_s3_task"])
def test_tasks_that_are_not_ready_get_an_empty_list_each(
    lone_http: FlaskClient, payload: Callable[[str], Any], name: str
) -> None:
    asked = payload(name)
    answer = lone_http.post("/predict", json=asked)
    assert answer.status_code == 200
    assert answer.json["results"] == [[] for _ in asked["tasks"]]


def test_an_interactive_request_is_answered(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    assert lone_http.post("/predict", json=payload("05_predict_interactive")).json["results"] == [[]]


def test_a_finished_task_gets_its_prediction(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(task(1)))
    executor.finish(1)
    (prediction,) = lone_http.post("/predict", json=body(task(1))).json["results"]
    assert set(prediction) == {"model_version", "score", "result"}


def test_a_video_without_repetitions_gets_an_empty_prediction(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(task(1)))
    executor.finish(1, analysis(()))
    assert lone_http.post("/predict", json=body(task(1))).json["results"][0]["result"] == []


def test_255_tasks_get_255_answers(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    tasks = [task(number) for number in range(1, 256)]
    lone_http.post("/predict", json=body(*tasks))
    until(lambda: len(executor.tasks()) == 255)
    for number in range(1, 256, 2):
        executor.finish(number)
    results = lone_http.post("/predict", json=body(*tasks)).json["results"]
    assert [bool(result) for result in results] == [True, False] * 127 + [True]


def test_no_tasks_get_no_answers(lone_http: FlaskClient) -> None:
    assert lone_http.post("/predict", json=body()).json == {"results": [], "errors": []}


def test_a_failed_task_among_others_is_told_beside_them(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(task(1), task(2)))
    executor.fail(1, MediaNotFound("a.mp4: not found."))
    answer = lone_http.post("/predict", json=body(task(1), task(2)))
    assert answer.status_code == 200
    assert answer.json["results"] == [[], []]
    assert answer.json["errors"] == [{"task": 1, "type": "MediaNotFound", "message": "a.mp4: not found."}]


@pytest.mark.parametrize("broken", [None, "x", {}, {"id": 5}, {"id": 5, "data": {"text": "no video"}}])
def test_a_broken_task_among_others_does_not_sink_them(
    lone_http: FlaskClient, executor: FakeExecutor, broken: object
) -> None:
    answer = lone_http.post("/predict", json=body(broken, task(2)))
    assert answer.status_code == 200
    assert len(answer.json["results"]) == 2
    assert executor.tasks() == [2]


@pytest.mark.parametrize(
    ("error", "status"),
    [(MediaNotFound("a: gone"), 404), (MediaForbidden("a: no"), 403), (WorkerLost("died"), 500), (KeyError("x"), 500)],
)
def test_a_request_of_which_all_failed_is_an_error(
    lone_http: FlaskClient, executor: FakeExecutor, error: Exception, status: int
) -> None:
    lone_http.post("/predict", json=body(task(1)))
    executor.fail(1, error)
    answer = lone_http.post("/predict", json=body(task(1)))
    assert answer.status_code == status
    assert set(answer.json["error"]) == {"type", "message"}


def test_a_request_of_broken_tasks_alone_is_a_bad_request(lone_http: FlaskClient) -> None:
    assert lone_http.post("/predict", json=body("x", None)).status_code == 400


@pytest.mark.parametrize("tasks", [None, {}, "x", 5])
def test_a_request_without_tasks_is_a_bad_request(lone_http: FlaskClient, tasks: object) -> None:
    assert lone_http.post("/predict", json={"tasks": tasks, "label_config": CONFIG}).status_code == 400


def test_a_request_with_a_labeling_config_for_something_else_is_refused(lone_http: FlaskClient) -> None:
    assert lone_http.post("/predict", json=body(task(1), config="<View/>")).status_code == 400


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook"])
@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b"[" * 5000])
def test_what_is_no_json_object_is_a_bad_request(lone_http: FlaskClient, path: str, sent: bytes) -> None:
    answer = lone_http.post(path, data=sent)
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "BadRequest"


# Against Label Studio


def test_opening_a_task_shows_the_prediction_that_was_pushed_meanwhile(
    make_service: Maker, access: Access, store: Store, tmp_path: Path, executor: FakeExecutor,
    label_studio: FakeLabelStudio,
) -> None:  # fmt: skip
    app = create_app(Settings(data_dir=tmp_path), make_service(access, wait_s=20.0), store)
    number = label_studio.add_task()

    def ask(sent: dict[str, Any]) -> dict[str, Any]:
        threading.Thread(target=lambda: (until(lambda: executor.submitted), executor.finish(number))).start()
        answered: dict[str, Any] = app.test_client().post("/predict", json=sent).json
        return answered

    label_studio.retrieve_predictions(ask, CONFIG, VERSION)
    assert len(label_studio.of_task(number)) == 1


# Events


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
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    event = payload("15_webhook_ANNOTATIONS_CREATED_bulk")
    event["annotation"][0]["completed_by"] = 10**30
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


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({WEBHOOK_HEADER: "x"}, 401), ({WEBHOOK_HEADER: "s"}, 200)])
def test_an_event_needs_the_secret(
    guarded_http: FlaskClient, payload: Callable[[str], Any], headers: dict[str, str], status: int
) -> None:
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    assert guarded_http.post("/webhook", json=event, headers=headers).status_code == status


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


# Looking at it


def test_jobs_are_listed(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(task(1)))
    executor.fail(1, MediaNotFound("a.mp4: not found."))
    (job,) = lone_http.get("/jobs").json["jobs"]
    assert (job["task"], job["state"], job["attempts"]) == (1, "failed", 1)
    assert job["error"] == {"type": "MediaNotFound", "message": "a.mp4: not found."}


def test_jobs_of_one_project_are_listed(lone_http: FlaskClient) -> None:
    lone_http.post("/predict", json=body(task(1)))
    assert [len(lone_http.get(f"/jobs?project={n}").json["jobs"]) for n in (1, 2)] == [1, 0]


def test_jobs_of_what_is_no_project_are_a_bad_request(lone_http: FlaskClient) -> None:
    assert lone_http.get("/jobs?project=x").status_code == 400


def test_jobs_hold_no_secret(http: FlaskClient, access: Access) -> None:
    http.post("/predict", json=body(task(1, "https://me:hunter2@host/a.mp4?X-Amz-Signature=hunter2")))
    shown = http.get("/jobs").text
    assert "hunter2" not in shown
    assert access.api_key.get_secret_value() not in shown


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/predict", 405)])
def test_every_error_has_one_shape(lone_http: FlaskClient, path: str, status: int) -> None:
    answer = lone_http.get(path)
    assert answer.status_code == status
    assert set(answer.json["error"]) == {"type", "message"}


def test_an_unexpected_error_tells_nothing_of_itself(
    lone_service: Preannotator, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    app = create_app(Settings(data_dir=tmp_path), lone_service, store)

    @app.get("/breaks")
    def breaks() -> str:
        raise RuntimeError("hunter2")

    answer = app.test_client().get("/breaks")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
