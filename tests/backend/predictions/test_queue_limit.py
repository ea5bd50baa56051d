"""The bounded queue: what finds no room waits in the database, what somebody has open does not, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from flask.testing import FlaskClient
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from service_tasks import Maker, backdate

from backend.errors import QueueFull
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.predictions import active, aside
from backend.predictions.active import IMPORTED, OPENED, ActiveJobs
from backend.predictions.aside import Aside
from backend.predictions.preannotator import Preannotator
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Job, Store
from pipeline.config import PipelineConfig


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active, "MOST_ACTIVE", 4)


def tasks(*numbers: int) -> list[Task]:
    return [Task(number, 1, {"video": f"/data/upload/1/{number}.mp4"}) for number in numbers]


def test_what_finds_no_room_stays_in_the_database(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    answer = lone_service.predict(tasks(*range(1, 8)), CONFIG)
    assert answer.predictions == [None] * 7
    assert answer.errors == []
    assert executor.tasks() == [1, 2, 3, 4]
    assert [job.state for job in store.unfinished_jobs()] == ["running"] * 4 + ["queued"] * 3


def test_a_task_that_somebody_opens_finds_room(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict(tasks(*range(1, 8)), CONFIG)
    lone_service.predict(tasks(9), CONFIG)
    lone_service.predict(tasks(7), CONFIG)
    assert executor.tasks() == [1, 2, 3, 4, 9, 7]
    assert executor.priorities[7] == OPENED


def test_what_waits_in_the_database_is_taken_up_when_there_is_room(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    lone_service.predict(tasks(*range(1, 8)), CONFIG)
    for number in (1, 2):
        executor.finish(number)
    until(lone_service._rounds.wake.is_set)
    lone_service.resume()
    assert executor.tasks() == [1, 2, 3, 4, 5, 6]
    for number in (3, 4, 5, 6):
        executor.finish(number)
    until(lone_service._rounds.wake.is_set)
    lone_service.resume()
    assert executor.tasks() == [1, 2, 3, 4, 5, 6, 7]


def test_a_job_that_ends_wakes_nobody_where_none_was_left() -> None:
    jobs, woken = ActiveJobs(), Event()
    jobs.on_room = woken.set
    jobs.begin(1)
    jobs.end(1)
    assert not woken.is_set()
    for number in range(4):
        jobs.begin(number)
    assert not jobs.has_room_for(IMPORTED)
    jobs.end(0)
    assert not woken.is_set()
    jobs.end(1)
    assert woken.is_set()


def finished(store: Store, label_studio: FakeLabelStudio, *numbers: int) -> None:
    """Tasks with predictions that Label Studio lacks."""
    for one in tasks(*numbers):
        label_studio.add_task(one.data["video"], one.id)
        job = store.job_for(one, one.data["video"], VERSION, PipelineConfig().digest())
        store.finish_job(job.id, dump_analysis(analysis()))


def undelivered(store: Store) -> list[int]:
    return [job.task for job in reversed(store.jobs()) if job.delivery != "pushed"]


def test_predictions_that_find_no_room_wait_in_the_database_until_there_is_some(
    service: Preannotator, store: Store, label_studio: FakeLabelStudio
) -> None:
    go_on, storing = Event(), Event()
    label_studio.before_storing = lambda: (storing.set(), go_on.wait(20))[0]
    finished(store, label_studio, *range(1, 8))
    service.resume()
    assert storing.wait(20)
    assert sorted(service._runner.active.ids()) == [1, 2, 3, 4]
    service.resume()
    assert sorted(service._runner.active.ids()) == [1, 2, 3, 4]
    go_on.set()
    until(service._rounds.wake.is_set)
    service.resume()
    until(lambda: undelivered(store) == [])


def test_predictions_that_wait_do_not_keep_videos_from_being_analyzed(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio
) -> None:
    go_on = Event()
    label_studio.before_storing = lambda: go_on.wait(20) and None
    finished(store, label_studio, *range(1, 8))
    service.resume()
    service.predict(tasks(8, 9), CONFIG)
    assert executor.tasks() == [8, 9]
    go_on.set()


def test_while_label_studio_is_away_few_predictions_are_tried(
    make_service: Maker,
    store: Store,
    label_studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.predictions.deliverer.time.sleep", lambda seconds: None)
    service = make_service(Access("http://127.0.0.1:9", SecretStr("legacy")))
    service.connect(1, CONFIG)
    finished(store, label_studio, *range(1, 8))
    service.resume()
    until(lambda: not service._runner.active.ids())
    assert service._runner.deliverer.rests
    service.resume()
    assert service._runner.active.ids() == []
    assert undelivered(store) == list(range(1, 8))


def test_predictions_are_brought_as_soon_as_label_studio_answers_again(
    service: Preannotator, store: Store, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.predictions.deliverer.time.sleep", lambda seconds: None)
    finished(store, label_studio, 1)
    label_studio.rejects_token = True
    service.resume()
    until(lambda: service._runner.deliverer.rests and not service._runner.active.ids())
    label_studio.rejects_token = False
    service.resume()  # asks for the project's tasks, and hears
    service.resume()
    until(lambda: undelivered(store) == [])


def test_videos_that_failed_are_taken_up_as_far_as_there_is_room(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    for one in tasks(*range(1, 8)):
        job = store.job_for(one, one.data["video"], VERSION, PipelineConfig().digest())
        store.fail_job(job.id, "LabelStudioError", "away")
    backdate(store, 61)
    lone_service.resume()
    assert executor.tasks() == [1, 2, 3, 4]


def test_no_more_is_read_from_the_database_than_there_is_room_for(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in tasks(*range(1, 20)):
        store.job_for(one, one.data["video"], VERSION, PipelineConfig().digest())
    read: list[int] = []
    unfinished = store.unfinished_jobs

    def noted(*arguments: Any) -> list[Job]:
        found = list(unfinished(*arguments))
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "unfinished_jobs", noted)
    lone_service.resume()
    assert executor.tasks() == [1, 2, 3, 4]
    assert read == [5]  # one more, by which it is known that there are others


@pytest.fixture
def busy(lone_service: Preannotator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both threads that look at new tasks are kept, and little more is taken."""
    monkeypatch.setattr(aside, "MOST_TASKS", 4)
    released = Event()
    for _ in range(2):
        lone_service._aside.put(1, lambda: released.wait(20) and None)
    yield
    released.set()


@pytest.mark.usefixtures("busy")
def test_whoever_sends_more_than_is_kept_in_mind_is_told_when_to_come_again(lone_http: FlaskClient) -> None:
    project = {"id": 1, "label_config": CONFIG}
    sent = [{"id": number, "project": 1, "data": {"video": "/data/upload/1/a.mp4"}} for number in range(5)]
    answer = lone_http.post("/webhook", json={"action": "TASKS_CREATED", "project": project, "tasks": sent})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert answer.json is not None
    assert answer.json["error"]["type"] == "QueueFull"


@pytest.mark.usefixtures("busy")
def test_label_studio_gets_no_error_where_more_is_asked_for_than_is_kept_in_mind(lone_http: FlaskClient) -> None:
    sent = [{"id": number, "project": 1, "data": {"video": "/data/upload/1/a.mp4"}} for number in range(1, 21)]
    answer = lone_http.post("/predict", json={"tasks": sent, "project": "1.1", "label_config": CONFIG})
    assert answer.status_code == 200
    assert answer.json == {"results": [[]] * 20, "errors": []}


def test_one_request_may_be_larger_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "MOST_TASKS", 2)
    done = Event()
    kept = Aside()
    kept.put(100, done.set)
    assert done.wait(20)
    until(lambda: kept._tasks == 0)
    released = Event()
    kept.put(1, lambda: released.wait(20) and None)
    with pytest.raises(QueueFull, match="Send these in a minute"):
        kept.put(100, done.set)
    released.set()
    kept.close()
