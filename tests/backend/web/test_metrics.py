"""GET /metrics: every figure by its name, and no label that grows without end."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, FakeExecutor, analysis, until
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from backend.errors import MediaNotFound
from backend.predictions.costs import MOST_PROJECTS, ProjectLabels
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.app import create_app
from backend.web.metrics import CAME_AT


def figures(http: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of /metrics by its name and labels."""
    answer = http.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(http: FlaskClient, name: str, **labels: str) -> float | None:
    return figures(http).get((name, tuple(sorted(labels.items()))))


def body(*numbers: int) -> dict[str, Any]:
    tasks = [{"id": number, "project": 1, "data": {"video": f"/data/upload/1/{number}.mp4"}} for number in numbers]
    return {"tasks": tasks, "project": "1.1", "label_config": CONFIG}


def test_requests_are_counted_by_template_and_not_by_address(lone_http: FlaskClient) -> None:
    for number in (1, 2):
        lone_http.delete(f"/jobs/runs/{number}")
    lone_http.open("/health", method="BREW")
    lone_http.get("/nowhere/1")
    lone_http.get("/nowhere/2")
    found = figures(lone_http)
    route = "/jobs/runs/<int:run_id>"
    assert found["deadlift_requests_total", (("method", "DELETE"), ("route", route), ("status", "404"))] == 2
    assert found["deadlift_requests_total", (("method", "GET"), ("route", "none"), ("status", "404"))] == 2
    assert not any("BREW" in dict(labels).values() for _, labels in found)


def test_the_seconds_of_a_request_are_measured(lone_http: FlaskClient) -> None:
    lone_http.get("/health")
    assert figure(lone_http, "deadlift_request_seconds_count", route="/health") == 1


def test_a_request_that_waited_for_a_thread_took_that_long(lone_http: FlaskClient) -> None:
    lone_http.get("/health", environ_overrides={CAME_AT: time.perf_counter() - 5.0})
    assert (figure(lone_http, "deadlift_request_seconds_sum", route="/health") or 0.0) >= 5.0


def test_the_queue_is_shown_by_priority(lone_http: FlaskClient) -> None:
    lone_http.post("/predict", json=body(1))
    lone_http.post("/predict", json=body(2, 3))
    assert figure(lone_http, "deadlift_queue", priority="opened", state="waiting") == 1
    assert figure(lone_http, "deadlift_queue", priority="requested", state="waiting") == 2
    assert figure(lone_http, "deadlift_queue", priority="imported", state="waiting") == 0


def test_an_analysis_leaves_what_it_took(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(1))
    executor.finish(1, analysis((0.1, 0.9)))
    until(lambda: figure(lone_http, "deadlift_analyses_total", project="1", outcome="done") == 1)
    assert figure(lone_http, "deadlift_repetitions_total", project="1", verdict="anomalous") == 1
    assert figure(lone_http, "deadlift_analysis_phase_seconds_sum", phase="judge") == 0.1
    assert figure(lone_http, "deadlift_analysis_cpu_seconds_total", landmarks="estimated") == 2.0
    assert figure(lone_http, "deadlift_analyzed_video_seconds_total", landmarks="estimated") == 4.0
    assert figure(lone_http, "deadlift_poses_total") == 20
    assert figure(lone_http, "deadlift_tasks", project="1", state="done") == 1


def test_a_failure_is_counted_by_its_type(lone_http: FlaskClient, executor: FakeExecutor) -> None:
    lone_http.post("/predict", json=body(1))
    executor.fail(1, MediaNotFound("gone"))
    until(lambda: figure(lone_http, "deadlift_failed_tasks", project="1", type="MediaNotFound") == 1)
    assert figure(lone_http, "deadlift_analyses_total", project="1", outcome="MediaNotFound") == 1


def test_trainings_are_those_of_the_database(lone_http: FlaskClient, store: Store) -> None:
    Runs(store).request(7, "asked for")
    assert figure(lone_http, "deadlift_trainings", project="7", state="queued") == 1
    assert figure(lone_http, "deadlift_trainings", project="7", state="done") == 0


def test_projects_have_a_limited_number_of_labels() -> None:
    labels = ProjectLabels()
    found = {labels.of(project) for project in range(3 * MOST_PROJECTS)}
    assert len(found) == MOST_PROJECTS + 1
    assert labels.of(5) == "5"


def test_what_is_beyond_the_number_of_projects_is_counted_together(
    lone_http: FlaskClient, lone_service: Preannotator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.predictions.costs.MOST_PROJECTS", 2)
    for project in range(1, 6):
        Runs(store).request(project, "asked for")
        lone_service.costs.done(project, analysis((0.1, 0.9)), None)
        lone_service.costs.failed(project, "MediaNotFound")
    shown = defaultdict(set)
    for name, labels in figures(lone_http):
        shown[name] |= {value for label, value in labels if label == "project"}
    for name in ("deadlift_trainings", "deadlift_analyses_total", "deadlift_repetitions_total"):
        assert "other" in shown[name]
        assert len(shown[name]) == 3


def test_prometheus_gets_the_figures_with_the_password(
    lone_service: Preannotator, store: Store, tmp_path: Path
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, basic_auth_user="coach", basic_auth_pass=SecretStr("secret"))
    locked = create_app(settings, lone_service, store).test_client()
    assert locked.get("/metrics").status_code == 401
    answer = locked.get("/metrics", auth=("coach", "secret"))
    assert 'deadlift_requests_total{method="GET",route="/metrics",status="401"} 1.0' in answer.text
