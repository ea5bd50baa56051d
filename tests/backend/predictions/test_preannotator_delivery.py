"""With access to Label Studio, predictions are stored there: each once, whoever asks meanwhile."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import CancelledError
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from service_tasks import Maker, backdate, delivered, finish, task

from backend.errors import LabelConfigError, LabelStudioError, StorageFault, WorkerLost
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.predictions.deliverer import in_grace_period
from backend.predictions.preannotator import Preannotator
from backend.storage.analysis_json import dump_analysis
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.setups import refused_setups
from pipeline.config import PipelineConfig
from pipeline.errors import NotAVideo


def test_a_finished_prediction_is_stored_in_label_studio(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    finish(service, executor, store, number)
    assert [p["model_version"] for p in label_studio.of_task(number)] == [VERSION]


def test_a_video_that_failed_is_told_on_its_task(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    service.predict([task(number)], CONFIG)
    executor.fail(number, NotAVideo("/data/upload/1/a.mp4: the file is empty."))
    until(lambda: "deadlift_state" in label_studio.tasks[number]["data"])
    assert label_studio.tasks[number]["data"]["deadlift_state"] == "failed: a.mp4: the file is empty."


@pytest.mark.parametrize(
    "error",
    [
        LabelStudioError("a.mp4: the server answered 500."),
        WorkerLost("The process that worked on this video died."),
    ],
)
def test_what_is_tried_again_is_told_on_the_task_as_well(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, error: Exception
) -> None:
    number = label_studio.add_task()
    service.predict([task(number)], CONFIG)
    executor.fail(number, error)
    until(lambda: "deadlift_state" in label_studio.tasks[number]["data"])
    assert label_studio.tasks[number]["data"]["deadlift_state"] == f"failed: {error}"


def test_a_disk_of_ours_that_is_full_is_told_on_no_task(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    full, broken = label_studio.add_task(), label_studio.add_task()
    service.predict([task(full), task(broken)], CONFIG)
    executor.fail(full, StorageFault("/srv/deadlift/poses: the disk is full."))
    executor.fail(broken, NotAVideo("/data/upload/1/a.mp4: the file is empty."))
    until(lambda: "deadlift_state" in label_studio.tasks[broken]["data"])
    assert "deadlift_state" not in label_studio.tasks[full]["data"]


def test_a_bug_of_ours_is_told_on_the_task_without_details(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    service.predict([task(number)], CONFIG)
    executor.fail(number, ZeroDivisionError("secret"))
    until(lambda: "deadlift_state" in label_studio.tasks[number]["data"])
    assert label_studio.tasks[number]["data"]["deadlift_state"].startswith("failed: Unexpected error")


def test_what_was_answered_before_the_clock_was_set_back_is_stored(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, PipelineConfig().digest())
    store.finish_job(job.id, dump_analysis(analysis()))
    store.claim_answer(job.id, now())
    service.resume()
    assert label_studio.of_task(number) == []  # Label Studio is perhaps just storing the answer
    backdate(store, -86400)
    until(lambda: service.resume() or delivered(store, number))  # the job may be looked at for the first time still


@pytest.mark.parametrize(("seconds", "is_in_it"), [(-30, False), (-5, True), (0, True), (60, True), (3600, False)])
def test_what_was_delivered_during_a_long_request_was_so_just_now(store: Store, seconds: int, is_in_it: bool) -> None:
    job = store.job_for(task(1), "/data/upload/1/a.mp4", VERSION, "c")
    store.mark_pushed(job.id, 55)
    (pushed,) = store.jobs()
    assert pushed.delivered_at is not None
    assert in_grace_period(pushed, pushed.delivered_at - timedelta(seconds=seconds)) == is_in_it


def test_a_project_that_does_not_fit_is_kept_with_the_reason_until_it_does(service: Preannotator, store: Store) -> None:
    with pytest.raises(LabelConfigError):
        service.connect(7, "<View/>")
    assert [(one.project, "no TimelineLabels" in one.message) for one in refused_setups(store.engine)] == [(7, True)]
    service.connect(7, CONFIG)
    assert refused_setups(store.engine) == []


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
    monkeypatch.setattr("backend.predictions.preannotator.time", SimpleNamespace(monotonic=lambda: 100.0))
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
