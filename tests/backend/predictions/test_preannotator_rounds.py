"""What is taken up at the start and in every round: unfinished, failed and missed work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, until
from label_studio_api import FakeLabelStudio
from service_tasks import Maker, backdate, finish, task
from sqlalchemy.exc import OperationalError

from backend.errors import (
    LabelStudioError,
    LabelStudioRefused,
    MediaForbidden,
    MediaNotFound,
    MediaTooSlow,
    MediaUnreachable,
    OutOfMemory,
    SchedulerLost,
    StorageFault,
    WorkerLost,
)
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.predictions.preannotator import Preannotator
from backend.storage.jobs import KnownProject, Store
from pipeline.config import PipelineConfig
from pipeline.errors import VideoTooLarge


def test_unfinished_jobs_are_taken_up_at_the_start(
    make_service: Maker, access: Access, label_studio: FakeLabelStudio, executor: FakeExecutor, store: Store
) -> None:
    number = label_studio.add_task()
    make_service(access).connect(1, CONFIG)
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.start_jobs([job.id])
    make_service(access).resume()
    assert executor.tasks() == [number]


@pytest.mark.parametrize(
    "error",
    [
        LabelStudioError("starting"),
        MediaUnreachable("busy"),
        MediaTooSlow("slow"),
        WorkerLost("died"),
        SchedulerLost("gone"),
        StorageFault("full"),
    ],
)
def test_a_job_that_failed_for_now_is_taken_up_later(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, error: Exception
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, error)
    lone_service.resume()
    assert executor.tasks() == [1]
    backdate(store, 61)
    lone_service.resume()
    assert executor.tasks() == [1, 1]


def test_a_job_that_failed_before_the_clock_was_set_back_is_taken_up(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, LabelStudioError("away"))
    backdate(store, -86400)
    lone_service.resume()
    assert executor.tasks() == [1, 1]


def test_the_pause_before_the_next_attempt_grows(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaUnreachable("busy"))
    backdate(store, 61)
    lone_service.resume()
    executor.fail(1, MediaUnreachable("busy"))
    backdate(store, 61)
    lone_service.resume()
    assert executor.tasks() == [1, 1]


def test_a_job_that_keeps_failing_is_given_up(lone_service: Preannotator, executor: FakeExecutor, store: Store) -> None:
    lone_service.predict([task(1)], CONFIG)
    for _ in range(8):
        if not executor.submitted[-1][1].done():
            executor.fail(1, MediaUnreachable("busy"))
        backdate(store, 3600)
        lone_service.resume()
    assert executor.tasks() == [1] * 5


@pytest.mark.parametrize("error", [LabelStudioError("away"), StorageFault("full"), SchedulerLost("gone")])
def test_what_no_video_causes_is_waited_for_however_long_it_lasts(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, error: Exception
) -> None:
    lone_service.predict([task(1)], CONFIG)
    for _ in range(12):
        executor.fail(1, error)
        backdate(store, 601)
        lone_service.resume()
    assert executor.tasks() == [1] * 13


def test_whoever_asks_to_be_left_alone_is(lone_service: Preannotator, executor: FakeExecutor, store: Store) -> None:
    busy = LabelStudioError("busy")
    busy.retry_after_s = 1800.0
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, busy)
    backdate(store, 700)
    lone_service.resume()
    lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1]


def test_a_result_that_a_locked_database_did_not_take_is_not_lost(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*arguments: object, **named: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    lone_service.predict([task(1)], CONFIG)
    with monkeypatch.context() as patched:
        patched.setattr(store, "finish_jobs", locked)
        executor.finish(1)
    assert [job.state for job in store.jobs()] == ["running"]
    lone_service.resume()
    executor.finish(1)
    assert [job.state for job in store.jobs()] == ["done"]


@pytest.mark.parametrize(
    "error", [MediaNotFound("gone"), MediaForbidden("no"), LabelStudioRefused("no"), VideoTooLarge("8 hours"),
              OutOfMemory("4 GB")],
)  # fmt: skip
def test_a_job_that_failed_for_good_is_not_taken_up(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, error: Exception
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, error)
    backdate(store, 3600)
    lone_service.resume()
    assert executor.tasks() == [1]


def test_a_database_that_is_locked_for_a_while_does_not_end_the_rounds(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects, failures = store.projects, [OperationalError("SELECT", {}, Exception("database is locked"))]

    def locked() -> Sequence[KnownProject]:
        if failures:
            raise failures.pop()
        return projects()

    store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    monkeypatch.setattr(store, "projects", locked)
    monkeypatch.setattr("backend.predictions.rounds._POLL_S", 0.01)
    rounds = threading.Thread(target=lone_service.run_until_closed)
    rounds.start()
    until(lambda: executor.tasks() == [1])
    lone_service.close()
    rounds.join(20)
    assert not rounds.is_alive()


def test_tasks_that_came_while_the_server_was_away_are_taken_up(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor
) -> None:
    number = label_studio.add_task()
    service.resume()
    assert executor.tasks() == [number]


def test_more_than_a_page_of_tasks_is_taken_up(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor
) -> None:
    for _ in range(120):
        label_studio.add_task()
    service.resume()
    assert len(executor.tasks()) == 120


def test_tasks_that_somebody_annotated_are_not_taken_up(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor
) -> None:
    label_studio.tasks[label_studio.add_task()]["total_annotations"] = 1
    service.resume()
    assert executor.tasks() == []


def test_tasks_with_a_prediction_of_this_version_are_not_taken_up(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor
) -> None:
    label_studio.add_prediction(label_studio.add_task(), VERSION, [])
    service.resume()
    assert executor.tasks() == []


def test_a_finished_prediction_that_label_studio_lost_is_pushed_again_at_the_start(
    make_service: Maker,
    service: Preannotator,
    access: Access,
    executor: FakeExecutor,
    label_studio: FakeLabelStudio,
    store: Store,
) -> None:
    number = label_studio.add_task()
    finish(service, executor, store, number)
    label_studio.predictions.clear()
    make_service(access).resume()
    until(lambda: label_studio.of_task(number))
    assert executor.tasks() == [number]


def test_a_label_studio_that_starts_later_is_caught_up_with_in_the_next_round(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor
) -> None:
    number = label_studio.add_task()
    label_studio.rejects_token = True
    service.resume()
    label_studio.rejects_token = False
    service.resume()
    assert executor.tasks() == [number]


def test_a_project_is_caught_up_with_once(service: Preannotator, label_studio: FakeLabelStudio) -> None:
    service.resume()
    label_studio.calls.clear()
    service.resume()
    assert label_studio.calls["GET /api/tasks/"] == 0


def test_a_look_that_is_asked_for_during_another_is_not_lost(
    service: Preannotator, label_studio: FakeLabelStudio, executor: FakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, submit = label_studio.add_task(), executor.submit
    late: list[int] = []

    def ask(*args: Any, **more: Any) -> Any:
        if not late:  # the first task is taken up, so the list of tasks has been read
            late.append(label_studio.add_task())
            service.catch_up_soon(1)
        return submit(*args, **more)

    monkeypatch.setattr(executor, "submit", ask)
    service.resume()
    service.resume()
    assert executor.tasks() == [first, *late]


def test_a_project_with_a_labeling_config_that_went_bad_does_not_keep_others_from_starting(
    make_service: Maker, access: Access, executor: FakeExecutor, store: Store
) -> None:
    digest = PipelineConfig().digest()
    store.remember_project(1, "<View/>")
    store.remember_project(2, CONFIG)
    store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, digest)
    store.job_for(Task(2, 2, {"video": "x"}), "x", VERSION, digest)
    make_service(access).resume()
    assert executor.tasks() == [2]


def test_a_job_of_another_version_is_taken_up_by_the_one_in_use(
    make_service: Maker, access: Access, executor: FakeExecutor, store: Store
) -> None:
    store.remember_project(1, CONFIG)
    store.job_for(task(1), "/data/upload/1/a.mp4", "base-0", PipelineConfig().digest())
    make_service(access).resume()
    assert executor.tasks() == [1]
    assert [job.model_version for job in store.jobs()] == [VERSION]


def test_a_new_version_asks_for_the_task_again(
    make_service: Maker, service: Preannotator, access: Access, executor: FakeExecutor,
    label_studio: FakeLabelStudio, store: Store,
) -> None:  # fmt: skip
    number = label_studio.add_task()
    finish(service, executor, store, number)
    make_service(access, version="base-2").resume()
    assert executor.tasks() == [number, number]
