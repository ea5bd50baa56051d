"""Requests that Label Studio never made: with a token for it, none changes anything that it does not confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from hinted_server import CREATED, EVIL, Server

from backend.labelstudio.format import Task
from backend.storage.analysis_json import dump_analysis
from backend.storage.setups import refused_setups
from backend.web.services import services_of
from pipeline.config import PipelineConfig

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
    server.store.finish_job(job.id, dump_analysis(analysis()))
    assert predict(server, "b.mp4")["results"] == [[]]
    assert executor.tasks() == []  # it had a result to answer with


def test_a_prediction_of_the_right_video_is_stored(server: Server, executor: FakeExecutor) -> None:
    server.label_studio.add_task("/data/upload/1/true.mp4", 5)
    predict(server, "/data/upload/1/true.mp4")
    executor.finish(5)
    until(lambda: len(server.label_studio.of_task(5)) == 1)


def test_nothing_is_predicted_for_a_project_that_is_not_connected(server: Server, executor: FakeExecutor) -> None:
    assert predict(server, "a.mp4", project=2, status=403)["error"]["type"] == "NotConnected"
    assert (executor.tasks(), server.store.jobs()) == ([], [])
