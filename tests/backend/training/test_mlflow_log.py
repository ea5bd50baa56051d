"""Training runs in MLflow: a real folder of it is written and read; without MLflow a run goes on as ever."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from training_lab import InlineExecutor, Lab

from backend.compute.process_executor import BackgroundExecutor
from backend.errors import BackendError
from backend.labelstudio.format import Json
from backend.models.registry import Model, Registry
from backend.training import mlflow_log
from backend.training.mlflow_log import FinishedRun, log_run, metrics
from backend.training.trainer import Trainer
from pipeline.anomaly.detector import load_detector

REPORT: Json = {
    "seed": 3,
    "parent": "base-0",
    "label_digest": "abc",
    "labels": {"normal": 9, "anomalous": 1, "videos": 2, "skipped": []},
    "metrics": {"normals": 9, "false_alarms": None},
    "losses": [{"epoch": 1, "loss": 0.5, "held_out": 0.75}, {"epoch": 2, "loss": 0.25, "held_out": 0.5}],
    "gate": {"passed": True, "reason": "Not worse.", "figures": {"candidate_auroc": 0.9}},
}


class Following(InlineExecutor):
    """Trains at once, and keeps what MLflow gets, which answers as the test says."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.logged: list[FinishedRun] = []
        self._error = error

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        if function is not log_run:
            return super().submit(function, *args, key=key, priority=priority)
        self.logged.append(args[0])
        future: Future[Any] = Future()
        if self._error is None:
            future.set_result("an-id")
        else:
            future.set_exception(self._error)
        return future


@pytest.fixture
def finished(tmp_path: Path) -> FinishedRun:
    registry = Registry(tmp_path / "models", Model("base-0", None))
    published = registry.publish(12, load_detector(), "# card", REPORT, [])
    return FinishedRun(
        f"file:{tmp_path / 'mlruns'}", 12, 5, "done", "Start Training", "In use.", 1, 100.0, 160.5, published.name,
        published.model.folder, True,
    )  # fmt: skip


def following(lab: Lab, executor: Following, tracking_uri: str = "http://mlflow.example.com") -> None:
    lab.trainer = Trainer(lab.trainer._context, executor, 0, tracking_uri=tracking_uri)


def labelled(lab: Lab) -> Lab:
    for task in range(1, 6):
        lab.label(task)
    return lab


def test_a_run_is_stored_in_a_folder_of_mlflow(finished: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="MLflow is an extra")
    executor = BackgroundExecutor()
    number = executor.submit(log_run, finished, key="mlflow").result(600)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = tracking.MlflowClient(finished.tracking_uri)
    assert client.get_experiment_by_name("deadlift-project-12") is not None
    stored = client.get_run(number)
    assert (stored.info.status, stored.info.end_time - stored.info.start_time) == ("FINISHED", 60_500)
    assert stored.data.params["seed"] == "3"
    assert stored.data.params["encode.length"] == "48"
    assert stored.data.params["asked_for"] == "Start Training"
    assert stored.data.metrics["gate_candidate_auroc"] == 0.9
    assert stored.data.tags["promoted"] == "yes"
    assert "gate" not in stored.data.tags  # one verdict: that of the message
    assert [(point.step, point.value) for point in client.get_metric_history(number, "loss")] == [(1, 0.5), (2, 0.25)]
    assert sorted(file.path for file in client.list_artifacts(number)) == ["CARD.md", "run.json"]
    without_model = replace(finished, run=6, state="failed", name="", folder=None, promoted=False)
    failed = client.get_run(executor.submit(log_run, without_model, key="mlflow").result(600))
    assert (failed.info.status, failed.data.tags["promoted"]) == ("FAILED", "no")


def test_a_server_that_does_not_answer_is_an_error_of_ours(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="MLflow is an extra")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    executor = BackgroundExecutor()
    with pytest.raises(BackendError):
        executor.submit(log_run, replace(finished, tracking_uri="http://127.0.0.1:9"), key="mlflow").result(600)


def test_what_was_not_measured_is_no_metric() -> None:
    assert {name: value for name, value, _ in metrics(REPORT)} == {
        "loss": 0.25,
        "loss_held_out": 0.5,
        "train_normals": 9.0,
        "gate_candidate_auroc": 0.9,
    }


def test_a_run_is_told_with_its_model_and_its_promotion(lab: Lab) -> None:
    executor = Following()
    following(labelled(lab), executor)
    run = lab.train()
    (finished,) = executor.logged
    assert (finished.run, finished.state, finished.name, finished.promoted) == (run.id, "done", "v0001", True)
    assert finished.folder == lab.registry.root / "1" / "v0001"
    assert finished.ended_s >= finished.begun_s


def test_a_run_without_enough_labels_is_told_without_a_model(lab: Lab) -> None:
    executor = Following()
    following(lab, executor)
    lab.train()
    assert [(finished.name, finished.folder, finished.promoted) for finished in executor.logged] == [("", None, False)]


def test_a_failure_of_mlflow_harms_no_run(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    following(labelled(lab), Following(BackendError("no route to it")))
    with caplog.at_level(logging.WARNING):
        run = lab.train()
    assert (run.state, lab.registry.current_name(1)) == ("done", "v0001")
    assert f"Run {run.id} was not logged to MLflow: no route to it" in caplog.text


def test_who_closes_when_a_run_is_done_has_it_told_first(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Following()
    following(lab, executor)
    logged_at_the_end: list[int] = []
    monkeypatch.setattr(executor, "close", lambda: logged_at_the_end.append(len(executor.logged)))
    closing = threading.Thread(target=lab.trainer.close)
    finish = lab.trainer.runs.finish

    def finish_and_close(*values: Any) -> None:
        finish(*values)
        closing.start()
        closing.join(0.2)

    monkeypatch.setattr(lab.trainer.runs, "finish", finish_and_close)
    lab.train()
    closing.join()
    assert logged_at_the_end == [1]


def test_an_error_does_not_tell_the_password_of_mlflow(monkeypatch: pytest.MonkeyPatch, finished: FinishedRun) -> None:
    def refuse(_: FinishedRun) -> str:
        raise OSError("http://anna:secret@mlflow.example.com/api/2.0 does not answer")

    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", SimpleNamespace(MlflowException=ValueError))
    monkeypatch.setattr(mlflow_log, "_CLIENT_SETTINGS", {})
    monkeypatch.setattr(mlflow_log, "_log", refuse)
    with pytest.raises(BackendError) as caught:
        log_run(replace(finished, tracking_uri="http://anna:secret@mlflow.example.com/"))
    assert str(caught.value) == "OSError: http://mlflow.example.com/api/2.0 does not answer"
    assert caught.value.__suppress_context__


def test_nothing_is_told_where_nobody_asked(lab: Lab) -> None:
    executor = Following()
    following(lab, executor, "")
    lab.train()
    assert executor.logged == []
