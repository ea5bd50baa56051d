"""DeadliftModel under label-studio-ml 2.x, by a stand-in: that line is not on PyPI.

The stand-in below was written from the signatures of label_studio_ml/model.py and api.py in its repository (2.0.1dev0):
what the constructor calls, what is kept per project between instances, and how the routes call the model.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from label_studio_api import FakeLabelStudio
from places import PAYLOADS

from backend.context import context_of
from backend.errors import LabelConfigError, NotSupported, TooFewLabels
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.training.trainer import Trainer
from backend.training.training_run import TrainWork
from pipeline.anomaly.detector import load_detector


class LabelStudioMLBase:
    """The stand-in for the base class: a new instance per request, values kept per project."""

    cache: dict[tuple[str, str], str] = {}  # noqa: RUF012  # shared between instances, as in the original

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self.project_id = project_id or ""
        if label_config is not None:
            self.set("label_config", label_config)
        if not self.get("model_version"):
            self.set("model_version", "0.0.1")
        self.setup()

    def setup(self) -> None:
        pass

    def get(self, key: str) -> str | None:
        return self.cache.get((self.project_id, key))

    def set(self, key: str, value: str) -> None:
        self.cache[self.project_id, key] = value

    @property
    def label_config(self) -> str | None:
        return self.get("label_config")


def runner_app(model_class: Any) -> Flask:
    """The routes of 2.x: what they take from a request, and how they call the model."""
    app = Flask("runner")
    trains = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING")

    @app.post("/setup")
    def setup() -> Response:
        body: Any = request.json
        model = model_class(project_id=body["project"].split(".", 1)[0], label_config=body["schema"])
        return jsonify(model_version=model.get("model_version"))

    @app.post("/predict")
    def predict() -> Response:
        body: Any = request.json
        model = model_class(project_id=str(body["project"]).split(".", 1)[0], label_config=body["label_config"])
        params = body["params"]
        return jsonify(results=model.predict(body["tasks"], context=params.pop("context", {}), **params))

    @app.post("/webhook")
    def webhook() -> tuple[Response, int]:
        data: Any = request.json
        event = data.pop("action")
        if event not in trains:
            return jsonify(status="Unknown event"), 200
        model = model_class(str(data["project"]["id"]), label_config=data["project"]["label_config"])
        return jsonify(result=model.fit(event, data), status="ok"), 201

    return app


def body(name: str) -> Any:
    (path,) = PAYLOADS.glob(f"{name}*.json")
    return json.loads(path.read_text())["body"]


@pytest.fixture
def model_class(
    lone_service: Preannotator, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """DeadliftModel on the stand-in, with a service that analyzes no video and knows no Label Studio."""
    package, module = ModuleType("label_studio_ml"), ModuleType("label_studio_ml.model")
    vars(module)["LabelStudioMLBase"] = LabelStudioMLBase
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "label_studio_ml", package)
    monkeypatch.setitem(sys.modules, "label_studio_ml.model", module)
    monkeypatch.delitem(sys.modules, "backend.label_studio_ml", raising=False)
    monkeypatch.setattr(LabelStudioMLBase, "cache", {})
    deadlift_model = importlib.import_module("backend.label_studio_ml").DeadliftModel

    class WithService(deadlift_model):  # type: ignore[misc, valid-type]
        @classmethod
        def service(cls) -> Preannotator:
            return lone_service

    yield WithService
    sys.modules.pop("backend.label_studio_ml", None)


@pytest.fixture
def runner(model_class: Any) -> FlaskClient:
    return runner_app(model_class).test_client()


def test_setup_announces_the_version_of_the_model(runner: FlaskClient) -> None:
    assert runner.post("/setup", json=body("02")).json["model_version"].startswith("base-")  # type: ignore[index]


def test_setup_refuses_a_config_without_timeline_labels(model_class: Any) -> None:
    with pytest.raises(LabelConfigError, match="no TimelineLabels"):
        model_class(project_id="1", label_config='<View><Video name="video" value="$video"/></View>')


def test_prediction_has_the_frames_of_the_repetition(runner: FlaskClient, executor: Any) -> None:
    runner.post("/predict", json=body("03"))
    executor.finish(1)
    (entry, _) = runner.post("/predict", json=body("03")).json["results"]  # type: ignore[index]
    assert entry["result"][0]["value"]["ranges"] == [{"start": 25, "end": 72}]  # the task says no fps: 24 per second


def test_unfinished_task_gets_an_empty_list(runner: FlaskClient) -> None:
    assert runner.post("/predict", json=body("03")).json["results"] == [[], []]  # type: ignore[index]


def test_annotation_is_stored(runner: FlaskClient, store: Store) -> None:
    assert runner.post("/webhook", json=body("20")).status_code == 201
    assert [region.label for region in store.labels.labelled_regions(6)] == ["normal", "anomalous"]


def test_deleted_annotation_is_marked_where_the_runner_passes_it_on(
    runner: FlaskClient, model_class: Any, store: Store
) -> None:
    runner.post("/webhook", json=body("20"))
    model_class(project_id="1").fit("ANNOTATIONS_DELETED", {"annotations": [{"id": 6}]})
    assert [annotation.deleted for annotation in store.labels.annotations()] == [True]


def test_setup_announces_the_model_of_the_project(runner: FlaskClient, tmp_path: Path) -> None:
    base = load_detector()
    registry = Registry(tmp_path / "models", Model(base.version, None))
    number = int(body("02")["project"].split(".")[0])
    version = registry.promote(number, registry.publish(number, base, "", {}, []).name).version
    assert runner.post("/setup", json=body("02")).json["model_version"] == version  # type: ignore[index]
    other = body("02") | {"project": f"{number + 1}.1795325641"}
    assert runner.post("/setup", json=other).json["model_version"] == base.version  # type: ignore[index]


def test_start_training_asks_for_a_run(runner: FlaskClient, store: Store) -> None:
    assert runner.post("/webhook", json=body("10")).status_code == 201
    assert [(run.reason, run.state) for run in Runs(store).runs()] == [("Start Training", "queued")]


def test_enough_labels_ask_for_a_run(runner: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "1")
    runner.post("/webhook", json=body("20"))
    assert [run.reason for run in Runs(store).runs()] == ["1 newly labelled normal repetitions"]


class Captured:
    """An executor that keeps what a training would learn from, and does not train."""

    def __init__(self) -> None:
        self.work: list[TrainWork] = []

    def submit(self, function: Any, run: int, work: TrainWork, *, key: str) -> Future[Any]:
        self.work.append(work)
        refused: Future[Any] = Future()
        refused.set_exception(TooFewLabels("Only looked at."))
        return refused

    def close(self) -> None:
        pass


def test_deleted_annotations_that_the_runner_keeps_to_itself_are_not_learnt_from(
    runner: FlaskClient, store: Store, label_studio: FakeLabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # HumanSignal/label-studio-ml-backend, master d02cedf (2.0.1dev0): api.py knows ANNOTATION_DELETED, which Label
    # Studio 1.23.2 never sends; of its ANNOTATIONS_DELETED the model hears nothing.
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.refresh_token)
    deadlift = importlib.import_module("backend.label_studio_ml")
    context = context_of(deadlift.runner_settings(), store)
    captured = Captured()
    trainer = Trainer(context, captured, 0, lambda project: None)
    event = body("20")
    number = label_studio.add_task(task_id=event["task"]["id"], **event["task"]["data"])
    label_studio.tasks[number]["annotations"] = [event["annotation"]]
    label_studio.label_config = event["project"]["label_config"]
    label_studio.tasks[number]["project"] = event["project"]["id"] = event["task"]["project"] = 1

    runner.post("/webhook", json=event)
    runner.post("/webhook", json=body("10") | {"project": event["project"]})
    assert trainer.run_next()
    label_studio.tasks[number]["annotations"] = []
    deletion = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": event["annotation"]["id"]}]}
    assert runner.post("/webhook", json=deletion | {"project": event["project"]}).status_code == 200
    assert [annotation.deleted for annotation in store.labels.annotations()] == [False]  # nothing was heard of it
    runner.post("/webhook", json=body("10") | {"project": event["project"]})
    assert trainer.run_next()
    assert [[video.task for video in work.videos] for work in captured.work] == [[number], []]


def test_the_old_way_to_train_says_what_to_do(model_class: Any) -> None:
    with pytest.raises(NotSupported, match="Only events"):
        model_class(project_id="1").fit((), annotations=[])


def test_model_dir_of_the_runner_is_not_taken_for_a_model(
    model_class: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert sys.modules["backend.label_studio_ml"].runner_settings().model_dir is None
