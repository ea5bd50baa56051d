"""Tasks in, answers out: nothing twice, nothing lost, one failing task sinks no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from service_tasks import Maker, backdate, delivered, task

from backend.errors import (
    BadRequest,
    LabelConfigError,
    MediaNotFound,
    ResultUnreadable,
)
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.predictions.active import IMPORTED, OPENED, REQUESTED
from backend.predictions.preannotator import Preannotator
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.jobs import Job, Store
from pipeline.config import PipelineConfig
from pipeline.records import Rep, RepScore

# What comes first


def test_a_task_that_somebody_opens_comes_before_imported_ones(
    lone_service: Preannotator, executor: FakeExecutor
) -> None:
    lone_service.tasks_created([task(1), task(2)], CONFIG)
    until(lambda: executor.tasks() == [1, 2])
    lone_service.predict([task(3)], CONFIG)
    assert executor.priorities == {1: IMPORTED, 2: IMPORTED, 3: OPENED}


def test_an_imported_task_that_somebody_opens_comes_first(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.tasks_created([task(1), task(2)], CONFIG)
    until(lambda: executor.tasks() == [1, 2])
    lone_service.predict([task(2)], CONFIG)
    assert executor.priorities == {1: IMPORTED, 2: OPENED}


def test_tasks_that_are_asked_for_together_come_between(lone_service: Preannotator, executor: FakeExecutor) -> None:
    lone_service.predict([task(1), task(2)], CONFIG)
    assert executor.priorities == {1: REQUESTED, 2: REQUESTED}


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


def test_a_late_video_that_an_earlier_release_analyzed_is_analyzed_again() -> None:
    """It counted from the container's start, and did not note `earliest_s`."""
    late = analysis()
    stored = json.loads(dump_analysis(replace(late, video=replace(late.video, start_s=0.5))))
    assert load_analysis(json.dumps(stored)).video.start_s == 0.5
    del stored["video"]["earliest_s"]
    with pytest.raises(ResultUnreadable, match="analyzed again"):
        load_analysis(json.dumps(stored))
    stored["video"]["start_s"] = 0.0
    assert load_analysis(json.dumps(stored)) == late


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
