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

from backend.context import with_known_names
from backend.errors import MediaForbidden, MediaNotFound, WorkerLost
from backend.labelstudio.records import Access
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from backend.web.services import services_of

Maker = Callable[..., Preannotator]


def body(*tasks: object, config: str = CONFIG) -> dict[str, Any]:
    return {"tasks": list(tasks), "project": "1.1795325641", "label_config": config, "params": {"context": None}}


def task(number: int, video: str = "/data/upload/1/a.mp4") -> dict[str, Any]:
    return {"id": number, "project": 1, "data": {"video": video}}


# Connecting


@pytest.mark.parametrize("path", ["/", "/health"])
def test_the_server_says_that_it_is_up(lone_http: FlaskClient, path: str) -> None:
    said = lone_http.get(path).json
    assert said == {"status": "UP", "model_class": "DeadliftModel", "model_version": VERSION} | {
        "instance": services_of(lone_http.application).instance
    }


def test_setup_tells_the_version(lone_http: FlaskClient, payload: Callable[[str], Any]) -> None:
    answer = lone_http.post("/setup", json=payload("02_setup"))
    assert (answer.status_code, answer.json) == (200, {"model_version": VERSION})


def test_setup_remembers_the_project(lone_http: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    lone_http.post("/setup", json=payload("02_setup"))
    assert store.label_config(1) == payload("02_setup")["schema"]


@pytest.mark.parametrize("schema", ["<View/>", "", None, "<View>", 5, CONFIG.replace("$video", "video")])
def test_setup_refuses_a_labeling_config_without_what_is_needed(lone_http: FlaskClient, schema: object) -> None:
    answer = lone_http.post("/setup", json={"project": "1.2", "schema": schema})
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "LabelConfigError"


def test_setup_tells_the_name_that_label_studio_is_opened_at(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    # HumanSignal/label-studio-ml-backend#904: its LABEL_STUDIO_HOST, which is in the addresses of tasks.
    names = ["https://example.org/ls/", *(f"http://host{n}:8080" for n in range(5)), "no address", None]
    for name in names:
        assert lone_http.post("/setup", json=payload("02_setup") | {"hostname": name}).status_code == 200
    assert store.label_studio_names() == [f"http://host{n}:8080" for n in (4, 3, 2, 1)]
    access = with_known_names(Access("http://label-studio:8080", SecretStr(""), public_urls=("https://a.org",)), store)
    assert access.public_urls == ("https://a.org", *store.label_studio_names())


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


# Lists of jobs, and errors


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
