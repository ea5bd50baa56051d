"""The page for people: what it says of projects, models, trainings and failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import CONFIG, VERSION
from flask.testing import FlaskClient

from backend.labelstudio.format import Task
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.app import create_app
from backend.web.services import services_of

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def project(store: Store) -> int:
    store.remember_project(1, CONFIG)
    return 1


def page(http: FlaskClient) -> str:
    answer = http.get("/", headers=HTML)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


def test_programs_are_told_the_health(lone_http: FlaskClient) -> None:
    assert lone_http.get("/", headers={"Accept": "*/*"}).json["status"] == "UP"


def test_without_a_project_it_says_how_to_connect_one(lone_service: Preannotator, tmp_path: Path) -> None:
    empty = Store(f"sqlite:///{tmp_path}/empty.db")
    assert "No project is connected yet" in page(create_app(Settings(), lone_service, empty).test_client())


def test_the_model_in_use_is_named(lone_http: FlaskClient, project: int) -> None:
    assert services_of(lone_http.application).registry.current(project).version in page(lone_http)


def test_a_failure_is_shown_with_its_reason(lone_http: FlaskClient, store: Store, project: int) -> None:
    job = store.job_for(Task(7, project, {"video": "a.mp4"}), "a.mp4", VERSION, "c")
    store.fail_job(job.id, "NotAVideo", "a.mp4: not a readable media file <script>.")
    assert "not a readable media file &lt;script&gt;." in page(lone_http)


def test_a_failure_that_was_mended_is_not_shown(lone_http: FlaskClient, store: Store, project: int) -> None:
    task = Task(7, project, {"video": "a.mp4"})
    store.fail_job(store.job_for(task, "a.mp4", "old", "c").id, "NotAVideo", "broken once")
    store.finish_job(store.job_for(task, "a.mp4", VERSION, "c").id, "{}")
    assert "broken once" not in page(lone_http)


def test_tasks_are_counted_by_their_newest_job(store: Store, project: int) -> None:
    for number in (1, 2):
        task = Task(number, project, {})
        store.finish_job(store.job_for(task, "a.mp4", "old", "c").id, "{}")
    store.job_for(Task(1, project, {}), "a.mp4", "new", "c")
    assert store.newest_states(project) == {"done": 1, "queued": 1}


def test_what_a_new_model_made_needless_is_no_failure(store: Store, project: int) -> None:
    task = Task(1, project, {})
    store.finish_job(store.job_for(task, "a.mp4", "old", "c").id, "{}")
    store.fail_job(store.job_for(task, "a.mp4", "new", "c").id, "Superseded", "The model is newer now.")
    assert (store.newest_states(project), store.newest_failures(project, 5)) == ({"done": 1}, [])


def test_a_training_shows_its_progress(lone_http: FlaskClient, store: Store, project: int) -> None:
    runs = Runs(store)
    runs.request(project, "Start Training")
    running = runs.begin()
    assert running is not None
    runs.note(running.id, "fit", 62.0, 3, 0.125)
    shown = page(lone_http)
    assert all(word in shown for word in ('value="62.0"', "fit, 62 %", "epoch 3", "loss 0.1250"))


def test_a_model_that_was_not_promoted_says_why(
    lone_http: FlaskClient, store: Store, project: int, tmp_path: Path
) -> None:
    registry = services_of(lone_http.application).registry
    folder = registry.root / "1" / "v0001"
    folder.mkdir(parents=True)
    run = {"created": "2026-01-02T03:04:05Z", "labels": {"normal": 25}, "gate": {"passed": False, "reason": "Worse."}}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "model.json").write_text(json.dumps({"version": "p1-v0001-0badc0de"}))
    shown = page(lone_http)
    assert "not promoted" in shown
    assert "Worse." in shown


def test_labels_are_counted(lone_http: FlaskClient, store: Store, project: int) -> None:
    assert "0 of 20" in page(lone_http)
