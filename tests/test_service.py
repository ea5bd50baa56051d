"""Tasks in, predictions out: nothing twice, nothing lost, one failing task sinks no other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from backend.database import now
from backend.errors import (
    BadRequest,
    LabelConfigError,
    LabelStudioError,
    MediaNotFound,
    MediaUnreachable,
    ResultUnreadable,
    WorkerLost,
)
from backend.jobs import ASKED, IMPORTED, OPENED, dump_analysis, load_analysis
from backend.ls_client import Access
from backend.ls_format import Task
from backend.service import Preannotator
from backend.store import Job, Project, Store
from pipeline.config import PipelineConfig
from pipeline.records import Rep, RepScore

Maker = Callable[..., Preannotator]


def task(number: int, video: str = "/data/upload/1/a.mp4", **data: Any) -> Task:
    return Task(number, 1, {"video": video, **data})


def backdate(store: Store, seconds: float) -> None:
    """Let time pass for everything that the jobs remember."""
    jobs = store.jobs(limit=1000)
    with store.engine.begin() as connection:
        for job in jobs:
            delivered = job.delivered_at and job.delivered_at - timedelta(seconds=seconds)
            changed = job.updated_at - timedelta(seconds=seconds)
            connection.execute(update(Job).where(Job.id == job.id).values(delivered_at=delivered, updated_at=changed))


def delivered(store: Store, number: int = 1) -> bool:
    return any(job.delivery == "pushed" for job in store.jobs() if job.task == number)


def finish(service: Preannotator, executor: FakeExecutor, store: Store, number: int) -> None:
    """A task is asked for, analyzed and delivered."""
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: delivered(store, number))


# What comes first


def test_a_task_that_somebody_opens_comes_before_imported_ones(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    lone_service.tasks_created([task(1), task(2)], CONFIG)
    until(lambda: executor.tasks() == [1, 2])
    lone_service.predict([task(3)], CONFIG)
    assert executor.priorities == {1: IMPORTED, 2: IMPORTED, 3: OPENED}


def test_an_imported_task_that_somebody_opens_is_hastened(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.tasks_created([task(1), task(2)], CONFIG)
    until(lambda: executor.tasks() == [1, 2])
    lone_service.predict([task(2)], CONFIG)
    assert executor.priorities == {1: IMPORTED, 2: OPENED}


def test_tasks_that_are_asked_for_together_come_between(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1), task(2)], CONFIG)
    assert executor.priorities == {1: ASKED, 2: ASKED}


def test_a_long_list_of_new_tasks_is_started_behind_the_answer(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    asked = [task(number) for number in range(1, 256)]
    assert lone_service.predict(asked, CONFIG).predictions == [None] * 255
    until(lambda: len(executor.tasks()) == 255)


# Stored analyses


def test_an_analysis_survives_storing() -> None:
    assert load_analysis(dump_analysis(analysis())) == analysis()


def test_an_analysis_with_a_rep_that_could_not_be_judged_survives_storing() -> None:
    unjudged = replace(analysis(scores=(0.1,)), scores=(RepScore(0.5, 1.0, float("nan"), reliable=False),))
    assert load_analysis(dump_analysis(unjudged)).scores[0].reliable is False


@pytest.mark.parametrize("text", ["", "{", '{"reps": []}'])
def test_a_stored_analysis_that_is_damaged_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(ResultUnreadable):
        load_analysis(text)


def test_a_task_whose_result_cannot_be_read_is_analyzed_again(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    lone_service.predict([task(1), task(2)], CONFIG)
    executor.finish(1)
    executor.finish(2)
    store.finish_job(store.jobs()[-1].id, '{"of": "another release"}')
    (unreadable,) = (job.task for job in store.jobs() if "another" in job.result)
    answer = lone_service.predict([task(1), task(2)], CONFIG)
    assert [prediction is None for prediction in answer.predictions] == [unreadable == 1, unreadable == 2]
    executor.finish(unreadable)
    assert None not in lone_service.predict([task(1), task(2)], CONFIG).predictions


def test_a_result_that_cannot_be_read_does_not_keep_others_from_being_delivered(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    digest = PipelineConfig().digest()
    broken, whole = (label_studio.add_task() for _ in range(2))
    for number, result in ((broken, "{}"), (whole, dump_analysis(analysis()))):
        store.finish_job(store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, digest).id, result)
    service.resume()
    until(lambda: delivered(store, whole))
    assert executor.tasks() == [broken]


def test_a_job_that_cannot_be_taken_up_does_not_keep_others_from_it(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = (
        store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest()) for number in (1, 2)
    )
    start = store.start_jobs

    def start_jobs(job_ids: Sequence[int]) -> list[Job]:
        if first.id in job_ids:
            raise OSError("disk full")
        return start(job_ids)

    monkeypatch.setattr(store, "start_jobs", start_jobs)
    lone_service.resume()
    assert executor.tasks() == [2]


# Without access to Label Studio: answers only


def test_a_new_task_is_not_ready(lone_service: Preannotator) -> None:
    assert lone_service.predict([task(1)], CONFIG).predictions == [None]


def test_a_finished_task_is_answered(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.finish(1)
    (prediction,) = lone_service.predict([task(1)], CONFIG).predictions
    assert prediction is not None
    assert prediction["model_version"] == VERSION


def test_an_answer_counts_frames_at_the_rate_of_the_task_as_it_is_asked_for(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.finish(1)
    (prediction,) = lone_service.predict([task(1, fps=50)], CONFIG).predictions
    assert prediction is not None
    assert prediction["result"][0]["value"]["ranges"] == [{"start": 51, "end": 150}]


def test_a_task_is_analyzed_once_however_often_it_is_asked_for(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    for _ in range(3):
        lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1]


def test_a_finished_task_is_not_analyzed_again(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.finish(1)
    lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1]


def test_another_video_in_the_task_is_another_job(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    lone_service.predict([task(1, video="/data/upload/1/b.mp4")], CONFIG)
    assert executor.tasks() == [1, 1]


def test_a_request_waits_for_a_task_that_is_about_to_finish(make_service: Maker, executor: FakeExecutor) -> None:
    service = make_service(Access("", SecretStr("")), wait_s=20.0)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(service.predict([task(1)], CONFIG)))
    thread.start()
    until(lambda: executor.submitted)
    executor.finish(1)
    thread.join(10)
    assert answers[0].predictions[0] is not None


def test_results_come_in_the_order_of_the_tasks(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1), task(2), task(3)], CONFIG)
    executor.finish(2)
    answer = lone_service.predict([task(1), task(2), task(3)], CONFIG)
    assert [prediction is not None for prediction in answer.predictions] == [False, True, False]


def test_a_failed_task_is_reported(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaNotFound("a.mp4: not found."))
    (error,) = lone_service.predict([task(1)], CONFIG).errors
    assert (error.task, error.kind, error.message) == (1, "MediaNotFound", "a.mp4: not found.")


def test_a_failed_task_does_not_sink_the_others(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1), task(2)], CONFIG)
    executor.fail(1, MediaNotFound("gone"))
    executor.finish(2)
    assert lone_service.predict([task(1), task(2)], CONFIG).predictions[1] is not None


def test_a_failed_task_is_not_tried_again_at_every_click(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaNotFound("gone"))
    lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1]


def test_a_failed_task_is_tried_again_later(lone_service: Preannotator, executor: FakeExecutor, store: Store) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaNotFound("gone"))
    backdate(store, 61)
    lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1, 1]


def test_each_try_has_a_key_of_its_own(lone_service: Preannotator, executor: FakeExecutor, store: Store) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaNotFound("gone"))
    backdate(store, 61)
    lone_service.predict([task(1)], CONFIG)
    assert len({key for _, _, key in executor.submitted}) == 2


def test_an_unexpected_error_is_reported_without_its_text(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, KeyError("password=hunter2"))
    (error,) = lone_service.predict([task(1)], CONFIG).errors
    assert error.kind == "InternalError"
    assert "hunter2" not in error.message


def test_a_cancelled_job_is_started_again_when_asked_for(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, CancelledError())
    lone_service.predict([task(1)], CONFIG)
    assert executor.tasks() == [1, 1]


def test_a_task_without_a_video_is_an_error_of_its_own(lone_service: Preannotator, executor: FakeExecutor) -> None:
    answer = lone_service.predict([Task(1, 1, {"image": "a.png"}), task(2)], CONFIG)
    assert [(error.task, error.kind) for error in answer.errors] == [(1, "BadRequest")]
    assert executor.tasks() == [2]


def test_an_entry_that_is_no_task_does_not_sink_the_others(lone_service: Preannotator, executor: FakeExecutor) -> None:
    answer = lone_service.predict([BadRequest("what?"), task(2)], CONFIG)
    assert answer.errors[0].task is None
    assert executor.tasks() == [2]


def test_an_address_that_cannot_be_stored_is_refused(lone_service: Preannotator) -> None:
    (error,) = lone_service.predict([task(1, video="/data/\ud800.mp4")], CONFIG).errors
    assert error.kind == "BadRequest"


def test_a_labeling_config_without_a_timeline_is_refused(lone_service: Preannotator) -> None:
    with pytest.raises(LabelConfigError):
        lone_service.predict([task(1)], "<View/>")


# With access to Label Studio: predictions are stored there


def test_a_finished_prediction_is_stored_in_label_studio(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    finish(service, executor, store, number)
    assert [p["model_version"] for p in label_studio.of_task(number)] == [VERSION]


def test_delivering_never_opens_the_task(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    """Label Studio asks the backend for a prediction then, which would wait for itself."""
    number = label_studio.add_task()
    finish(service, executor, store, number)
    assert label_studio.calls["GET /api/tasks/N/"] == 0


def test_a_request_while_the_prediction_is_pushed_does_not_carry_it_too(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    storing, go_on = threading.Event(), threading.Event()
    label_studio.before_storing = lambda: (storing.set(), go_on.wait(20))[0]
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    assert storing.wait(20)
    answer = service.predict([task(number)], CONFIG)
    go_on.set()
    until(lambda: delivered(store, number))
    assert answer.predictions == [None]


def test_a_request_that_was_under_way_when_the_prediction_was_pushed_does_not_carry_it_too(
    make_service: Maker, access: Access, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    service = make_service(access, wait_s=20.0)

    def ask(body: dict[str, Any]) -> dict[str, Any]:
        thread = threading.Thread(target=lambda: (until(lambda: executor.submitted), executor.finish(number)))
        thread.start()
        answer = service.predict([Task(t["id"], 1, t["data"]) for t in body["tasks"]], CONFIG)
        thread.join()
        return {"results": [p or [] for p in answer.predictions]}

    label_studio.retrieve_predictions(ask, CONFIG, VERSION)
    assert len(label_studio.of_task(number)) == 1


def test_two_requests_for_one_task_at_once_store_one_prediction(
    make_service: Maker, access: Access, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    service = make_service(access, wait_s=20.0)

    def retrieve() -> None:
        def ask(body: dict[str, Any]) -> dict[str, Any]:
            answer = service.predict([Task(t["id"], 1, t["data"]) for t in body["tasks"]], CONFIG)
            return {"results": [p or [] for p in answer.predictions]}

        label_studio.retrieve_predictions(ask, CONFIG, VERSION)

    threads = [threading.Thread(target=retrieve) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: executor.submitted)
    executor.finish(number)
    for thread in threads:
        thread.join(30)
    assert len(label_studio.of_task(number)) == 1


def test_many_requests_at_once_for_a_prediction_that_was_deleted_store_one(
    make_service: Maker, access: Access, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    service = make_service(access, wait_s=20.0)
    service.connect(1, CONFIG)
    threading.Thread(target=lambda: (until(lambda: executor.submitted), executor.finish(number))).start()
    service.predict([task(number)], CONFIG)
    until(lambda: delivered(store, number))
    label_studio.predictions.clear()
    backdate(store, 3600)

    def retrieve() -> None:
        def ask(body: dict[str, Any]) -> dict[str, Any]:
            answer = service.predict([Task(t["id"], 1, t["data"]) for t in body["tasks"]], CONFIG)
            return {"results": [p or [] for p in answer.predictions]}

        label_studio.retrieve_predictions(ask, CONFIG, VERSION)

    threads = [threading.Thread(target=retrieve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    until(lambda: label_studio.of_task(number))
    assert len(label_studio.of_task(number)) == 1


def test_a_prediction_that_label_studio_has_is_answered_to_a_test_request(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    finish(service, executor, store, number)
    backdate(store, 3600)
    until(lambda: service.predict([task(number)], CONFIG).predictions[0] is not None)


def test_an_answer_to_a_test_request_counts_frames_as_label_studio_does_now(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    finish(service, executor, store, number)  # which sets fps to 30
    backdate(store, 3600)
    answers: list[Any] = []
    until(lambda: answers.extend(filter(None, service.predict([task(number)], CONFIG).predictions)) or answers)
    assert answers[0]["result"][0]["value"]["ranges"] == [{"start": 31, "end": 90}]


def test_a_batch_of_tasks_that_label_studio_has_is_looked_up_by_the_hundred(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    numbers = [label_studio.add_task(video=f"/data/upload/1/{n}.mp4") for n in range(255)]
    tasks = [task(n, video=label_studio.tasks[n]["data"]["video"]) for n in numbers]
    service.predict(tasks, CONFIG)
    for job in store.jobs(limit=1000):
        store.finish_job(job.id, dump_analysis(analysis()))
        store.mark_pushed(job.id, 1)
        label_studio.add_prediction(job.task, VERSION, [])
    for _, future, _ in executor.submitted:
        future.cancel()
    backdate(store, 3600)
    label_studio.calls.clear()
    service.predict(tasks, CONFIG)
    assert label_studio.calls["GET /api/tasks/"] == 3


def test_a_push_that_fails_is_tried_again(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    label_studio.failures = [503]
    finish(service, executor, store, number)
    assert len(label_studio.of_task(number)) == 1


def test_a_push_that_failed_after_storing_stores_no_second(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    label_studio.failures_after_storing = [502]
    finish(service, executor, store, number)
    assert len(label_studio.of_task(number)) == 1


def test_a_push_that_kept_failing_is_made_up_for_in_the_next_round(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    service.predict([task(number)], CONFIG)
    (job,) = store.jobs()
    store.finish_job(job.id, dump_analysis(analysis()))
    executor.fail(number, CancelledError())  # as if all its attempts had failed
    service.resume()
    until(lambda: delivered(store, number))
    assert len(label_studio.of_task(number)) == 1


def test_a_restart_after_storing_and_before_noting_it_stores_no_second(
    make_service: Maker, access: Access, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.finish_job(job.id, dump_analysis(analysis()))
    store.remember_project(1, CONFIG)
    label_studio.add_prediction(number, VERSION, [])
    make_service(access).resume()
    until(lambda: delivered(store, number))
    assert len(label_studio.of_task(number)) == 1


def test_label_studio_out_of_reach_is_answered_itself(
    make_service: Maker, store: Store, executor: FakeExecutor
) -> None:
    service = make_service(Access("http://127.0.0.1:9", SecretStr("legacy")))
    job = store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.finish_job(job.id, dump_analysis(analysis()))
    assert service.predict([task(1)], CONFIG).predictions[0] is not None


def test_label_studio_out_of_reach_is_answered_once_where_two_ask_at_a_time(make_service: Maker, store: Store) -> None:
    service = make_service(Access("http://127.0.0.1:9", SecretStr("legacy")))
    job = store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.finish_job(job.id, dump_analysis(analysis()))
    answers = [service.predict([task(1)], CONFIG).predictions[0] for _ in range(2)]
    assert [answer is not None for answer in answers] == [True, False]


def test_a_label_studio_that_does_not_answer_holds_no_request_up(make_service: Maker, store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        service = make_service(Access(f"http://127.0.0.1:{silent.getsockname()[1]}", SecretStr("legacy")))
        job = store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
        store.finish_job(job.id, dump_analysis(analysis()))
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(service.predict([task(1)], CONFIG)))
        asking.start()
        asking.join(20)  # the SDK itself would wait for a minute
        assert answers


def test_the_look_at_label_studio_is_part_of_the_wait(
    make_service: Maker, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(access, wait_s=2.0)
    deadlines: list[float] = []
    monkeypatch.setattr("backend.service.time", SimpleNamespace(monotonic=lambda: 100.0))
    monkeypatch.setattr(service._runner, "wait", lambda job, deadline: (deadlines.append(deadline), job)[1])
    service.predict([task(1)], CONFIG)
    assert deadlines == [101.5]


def test_an_answer_that_label_studio_did_not_store_is_pushed_later(
    make_service: Maker, access: Access, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    store.remember_project(1, CONFIG)
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.finish_job(job.id, dump_analysis(analysis()))
    assert store.claim_answer(job.id, now())
    backdate(store, 3600)
    make_service(access).resume()
    until(lambda: delivered(store, number))
    assert len(label_studio.of_task(number)) == 1


def test_a_deleted_task_is_forgotten_when_its_prediction_comes(
    service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    service.predict([task(77)], CONFIG)
    executor.finish(77)
    until(lambda: not store.jobs())


def test_a_task_deleted_while_its_video_is_analyzed_harms_nothing(
    service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    service.predict([task(77)], CONFIG)
    store.delete_tasks([77])
    executor.finish(77)
    assert store.jobs() == []


def test_a_task_deleted_while_it_is_asked_for_has_no_prediction(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = store._found

    def found(*wanted: Any) -> Any:
        store.delete_tasks([77])
        return known(*wanted)

    monkeypatch.setattr(store, "_found", found)
    answer = lone_service.predict([task(77), task(78)], CONFIG)
    assert (answer.predictions, executor.tasks()) == ([None, None], [78])


def test_the_project_shows_our_version_after_the_first_prediction(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    finish(service, executor, store, label_studio.add_task())
    until(lambda: label_studio.project_version == VERSION)


# Starting


def test_unfinished_jobs_are_taken_up_at_the_start(
    make_service: Maker, access: Access, label_studio: FakeLabelStudio, executor: FakeExecutor, store: Store
) -> None:
    number = label_studio.add_task()
    make_service(access).connect(1, CONFIG)
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.start_jobs([job.id])
    make_service(access).resume()
    assert executor.tasks() == [number]


@pytest.mark.parametrize("error", [LabelStudioError("starting"), MediaUnreachable("busy"), WorkerLost("died")])
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


def test_a_job_that_failed_for_good_is_not_taken_up(
    lone_service: Preannotator, executor: FakeExecutor, store: Store
) -> None:
    lone_service.predict([task(1)], CONFIG)
    executor.fail(1, MediaNotFound("gone"))
    backdate(store, 3600)
    lone_service.resume()
    assert executor.tasks() == [1]


def test_a_database_that_is_locked_for_a_while_does_not_end_the_rounds(
    lone_service: Preannotator, executor: FakeExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects, failures = store.projects, [OperationalError("SELECT", {}, Exception("database is locked"))]

    def locked() -> Sequence[Project]:
        if failures:
            raise failures.pop()
        return projects()

    store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    monkeypatch.setattr(store, "projects", locked)
    monkeypatch.setattr("backend.service._LOOK_S", 0.01)
    rounds = threading.Thread(target=lone_service.keep_going)
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
            service.look_again(1)
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


def test_a_job_of_another_version_is_not_taken_up(
    make_service: Maker, access: Access, executor: FakeExecutor, store: Store
) -> None:
    store.remember_project(1, CONFIG)
    store.job_for(task(1), "/data/upload/1/a.mp4", "base-0", PipelineConfig().digest())
    make_service(access).resume()
    assert (executor.tasks(), store.jobs()[0].error_type) == ([], "Superseded")


def test_a_new_version_asks_for_the_task_again(
    make_service: Maker, service: Preannotator, access: Access, executor: FakeExecutor,
    label_studio: FakeLabelStudio, store: Store,
) -> None:  # fmt: skip
    number = label_studio.add_task()
    finish(service, executor, store, number)
    make_service(access, version="base-2").resume()
    assert executor.tasks() == [number, number]


# Events


def test_new_tasks_are_started_before_anybody_opens_them(service: Preannotator, executor: FakeExecutor) -> None:
    service.tasks_created([task(1), task(2)], CONFIG)
    until(lambda: executor.tasks() == [1, 2])


def test_new_tasks_without_a_video_are_left_alone(service: Preannotator, executor: FakeExecutor) -> None:
    service.tasks_created([Task(1, 1, {"text": "hello"}), task(2)], CONFIG)
    until(lambda: executor.tasks() == [2])


def test_new_tasks_of_a_project_for_something_else_are_left_alone(
    service: Preannotator, executor: FakeExecutor
) -> None:
    service.tasks_created([task(1)], "<View/>")
    assert executor.tasks() == []


def test_a_touch_and_go_rep_shares_no_frame_with_the_next(lone_service: Preannotator, executor: FakeExecutor) -> None:
    touching = replace(analysis(), reps=(Rep(1.0, 2.0, 3.01), Rep(3.01, 4.0, 5.0)))
    lone_service.predict([task(1)], CONFIG)
    executor.finish(1, touching)
    (prediction,) = lone_service.predict([task(1, fps=30)], CONFIG).predictions
    assert prediction is not None
    ranges = [r["value"]["ranges"][0] for r in prediction["result"] if r["type"] == "timelinelabels"]
    assert ranges[1]["start"] == ranges[0]["end"] + 1


def test_closing_stops_the_workers(make_service: Maker, access: Access, executor: FakeExecutor) -> None:
    make_service(access).close()
    assert executor.is_closed
