"""What waits in the database: found a page at a time, and handed over to the model in use."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from backend.labelstudio.format import Task
from backend.storage.database import now
from backend.storage.jobs import Job, Store
from backend.storage.waiting import (
    failed_jobs,
    failed_projects,
    hand_over,
    undelivered_jobs,
    versions_of,
)


def job(store: Store, task: int = 1, version: str = "v1", project: int = 1) -> Job:
    return store.job_for(Task(task, project, {"video": "a.mp4"}), "a.mp4", version, "c")


def test_failed_jobs_are_those_that_are_wanted_up_to_a_number(store: Store) -> None:
    jobs = [job(store, task=number) for number in range(6)]
    for one in jobs[:5]:
        store.fail_job(one.id, "LabelStudioError", "away")
    store.fail_job(jobs[0].id, "NotAVideo", "no video")
    found = failed_jobs(store.engine, 1, ["LabelStudioError"], lambda one: one.id != jobs[2].id, 2)
    assert [one.task for one in found] == [1, 3]


def test_projects_with_failed_jobs(store: Store) -> None:
    for project in (3, 2, 2, 1):
        store.fail_job(job(store, project=project, task=project).id, "X" if project == 1 else "LabelStudioError", "")
    assert failed_projects(store.engine, ["LabelStudioError"]) == [2, 3]


def test_undelivered_jobs_are_done_and_not_known_to_be_in_label_studio(store: Store) -> None:
    jobs = [job(store, task=n) for n in range(4)]
    for one in jobs[1:]:
        store.finish_job(one.id, "{}")
    store.mark_pushed(jobs[2].id, 1)
    store.claim_answer(jobs[3].id, now())
    assert undelivered_jobs(store.engine, 1, "v1", "c") == [jobs[1].id, jobs[3].id]
    assert undelivered_jobs(store.engine, 1, "v1", "c", limit=1) == [jobs[1].id]
    assert undelivered_jobs(store.engine, 1, "v1", "c", after=jobs[1].id) == [jobs[3].id]


def test_predictions_of_old_versions_are_not_delivered(store: Store) -> None:
    store.finish_job(job(store, version="v0").id, "{}")
    assert undelivered_jobs(store.engine, 1, "v1", "c") == []


def test_undelivered_jobs_are_found_without_looking_at_the_others(store: Store) -> None:
    """A result is some kilobytes: with a hundred thousand of them every look would read gigabytes."""
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    undelivered_jobs(store.engine, 1, "v1", "c")
    (query, parameters), *_ = asked
    with store.engine.connect() as connection:
        (step,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all()
    assert "jobs_undelivered" in step.detail


def test_what_is_handed_over_is_of_the_new_model_and_to_do(store: Store) -> None:
    old = job(store)
    store.fail_job(old.id, "LabelStudioError", "away")
    (handed,) = hand_over(store.engine, [old.id], "v2", "d")
    assert (handed.id, handed.model_version, handed.config, handed.state) == (old.id, "v2", "d", "queued")
    assert [(one.id, one.project, one.model_version) for one in versions_of(store.engine, [old.id, 99])] == [
        (old.id, 1, "v2")
    ]


@pytest.mark.parametrize("state", ["queued", "done"])
def test_a_video_that_the_new_model_has_a_job_for_is_not_its_twice(store: Store, state: str) -> None:
    old, new = job(store), job(store, version="v2")
    if state == "done":
        store.finish_job(new.id, "{}")
    assert hand_over(store.engine, [old.id], "v2", "c") == []
    states = {one.model_version: (one.state, one.error_type) for one in store.jobs()}
    assert states == {"v1": ("failed", "Superseded"), "v2": (state, "")}


def test_a_job_whose_prediction_label_studio_has_stays_that_of_its_model(store: Store) -> None:
    old = job(store)
    store.mark_pushed(old.id, 55)
    (handed,) = hand_over(store.engine, [old.id], "v2", "c")
    assert handed.id != old.id
    assert (handed.model_version, handed.prediction_id, handed.state) == ("v2", None, "queued")
    kept = store.job(old.id)
    assert kept is not None
    assert (kept.model_version, kept.prediction_id, kept.error_type) == ("v1", 55, "Superseded")
    assert hand_over(store.engine, [old.id], "v2", "c") == []


def test_of_two_jobs_for_one_video_one_is_handed_over(store: Store) -> None:
    jobs = [job(store), job(store, version="v0")]
    assert [one.id for one in hand_over(store.engine, [one.id for one in jobs], "v2", "c")] == [jobs[0].id]


def test_what_is_done_meanwhile_is_left_alone(store: Store) -> None:
    old = job(store)
    store.finish_job(old.id, "{}")
    assert hand_over(store.engine, [old.id], "v2", "c") == []
    assert [(one.model_version, one.state) for one in store.jobs()] == [("v1", "done")]
