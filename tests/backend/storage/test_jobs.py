"""What must survive a restart: jobs, projects and labels in SQLite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from backend.errors import BackendError
from backend.labelstudio.format import AnnotatedRegion, Task
from backend.storage.database import now
from backend.storage.jobs import Job, Store

TASK = Task(1, 1, {"video": "a.mp4"})


def job(store: Store, task: int = 1, media: str = "a.mp4", version: str = "v1", config: str = "c") -> Job:
    return store.job_for(Task(task, 1, {"video": media}), media, version, config)


def region(start_s: float = 1.0, label: Any = "normal") -> AnnotatedRegion:
    return AnnotatedRegion("r", start_s, start_s + 1, label, "manual")


def annotation(number: int = 7, **changes: Any) -> dict[str, Any]:
    return {"id": number, "completed_by": 3, "updated_at": "2026-01-01T00:00:00Z"} | changes


def put(store: Store, *regions: AnnotatedRegion, **changes: Any) -> None:
    store.labels.put_annotation(annotation(**changes), TASK, "a.mp4", regions)


def together(function: Callable[[], object], threads: int = 8) -> None:
    """Call it from several threads at once; raises what one of them raises."""
    start = threading.Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(lambda: (start.wait(), function())) for _ in range(threads)]:
            future.result()


# Projects


def test_a_project_is_remembered(store: Store) -> None:
    store.remember_project(1, "<View/>")
    assert store.label_config(1) == "<View/>"


def test_the_latest_labeling_config_counts(store: Store) -> None:
    store.remember_project(1, "old")
    store.remember_project(1, "new")
    assert store.label_config(1) == "new"


def test_a_missing_labeling_config_replaces_none(store: Store) -> None:
    store.remember_project(1, "<View/>")
    store.remember_project(1, "")
    assert store.label_config(1) == "<View/>"


def test_an_unknown_project_has_no_labeling_config(store: Store) -> None:
    assert store.label_config(5) == ""


def test_a_project_may_be_seen_by_several_requests_at_once(store: Store) -> None:
    together(lambda: store.remember_project(1, "<View/>"))
    assert len(store.projects()) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendError, match=r"file/data: cannot be made \(.+\)\. Choose another DATA_DIR"):
        Store(f"sqlite:///{tmp_path}/file/data/deadlift.db")


# Jobs


def test_a_new_job_is_queued(store: Store) -> None:
    assert (job(store).state, job(store).delivery, job(store).attempts) == ("queued", "", 0)


def test_a_job_is_made_once(store: Store) -> None:
    assert job(store).id == job(store).id


def test_a_job_is_made_once_by_several_requests_at_once(store: Store) -> None:
    together(lambda: job(store))
    assert len(store.jobs()) == 1


@pytest.mark.parametrize("other", [{"task": 2}, {"media": "b.mp4"}, {"version": "v2"}, {"config": "d"}])
def test_another_task_video_version_or_configuration_is_another_job(store: Store, other: dict[str, Any]) -> None:
    assert job(store, **other).id != job(store).id


def test_starting_a_job_counts_its_attempts(store: Store) -> None:
    store.start_jobs([job(store).id])
    (started,) = store.start_jobs([job(store).id])
    assert (started.state, started.attempts) == ("running", 2)


def test_a_finished_job_does_not_start_again(store: Store) -> None:
    store.finish_job(job(store).id, "{}")
    assert store.start_jobs([job(store).id]) == []
    assert job(store).state == "done"


def test_a_deleted_job_does_not_start(store: Store) -> None:
    assert store.start_jobs([99]) == []


def test_a_finished_job_has_its_result_and_no_error(store: Store) -> None:
    store.fail_job(job(store).id, "VideoDamaged", "broken")
    store.finish_job(job(store).id, '{"a": 1}')
    assert (job(store).state, job(store).result, job(store).error_type) == ("done", '{"a": 1}', "")


def test_a_failed_job_says_why(store: Store) -> None:
    store.fail_job(job(store).id, "VideoDamaged", "broken")
    assert (job(store).state, job(store).error_type, job(store).error_message) == ("failed", "VideoDamaged", "broken")


def test_an_answer_is_claimed_by_one_of_several_requests_at_once(store: Store) -> None:
    number, claims = job(store).id, []
    moment = now()
    together(lambda: claims.append(store.claim_answer(number, moment)))
    assert sorted(claims) == [False] * 7 + [True]


def test_an_answer_may_be_claimed_again_after_a_while(store: Store) -> None:
    store.claim_answer(job(store).id, now())
    assert store.claim_answer(job(store).id, now() + timedelta(seconds=1))


def test_an_answer_of_before_the_clock_was_set_back_may_be_claimed_again(store: Store) -> None:
    store.claim_answer(job(store).id, now())
    with store.engine.begin() as connection:
        connection.execute(update(Job).values(delivered_at=now() + timedelta(hours=1)))
    assert store.claim_answer(job(store).id, now() - timedelta(minutes=2))


def test_a_pushed_job_knows_its_prediction(store: Store) -> None:
    store.mark_pushed(job(store).id, 55)
    assert (job(store).delivery, job(store).prediction_id) == ("pushed", 55)


def test_unfinished_jobs_are_those_queued_or_running(store: Store) -> None:
    jobs = [job(store, task=n) for n in range(4)]
    store.start_jobs([jobs[1].id])
    store.finish_job(jobs[2].id, "{}")
    store.fail_job(jobs[3].id, "X", "x")
    assert [j.task for j in store.unfinished_jobs()] == [0, 1]


def test_unfinished_jobs_come_without_those_in_progress_up_to_a_number(store: Store) -> None:
    jobs = [job(store, task=n) for n in range(5)]
    assert [j.task for j in store.unfinished_jobs(but=[jobs[0].id, jobs[2].id], limit=2)] == [1, 3]


def test_projects_with_the_oldest_unfinished_jobs_come_first(store: Store) -> None:
    for project, task in ((2, 1), (1, 2), (2, 3), (3, 4)):
        store.job_for(Task(task, project, {}), f"v{task}.mp4", "v1", "c")
    (last,) = [one for one in store.unfinished_jobs() if one.project == 3]
    store.finish_job(last.id, "{}")
    assert store.unfinished_projects() == [2, 1]


def test_the_newest_jobs_come_first(store: Store) -> None:
    for n in range(3):
        job(store, task=n)
    store.fail_job(job(store, task=0).id, "X", "x")
    assert [j.task for j in store.jobs()] == [0, 2, 1]


def test_jobs_can_be_told_by_project(store: Store) -> None:
    job(store)
    store.job_for(Task(2, 9, {}), "b", "v", "c")
    assert [j.task for j in store.jobs(project=9)] == [2]


def test_versions_of_a_project(store: Store) -> None:
    job(store, version="v1")
    job(store, version="v2")
    assert store.model_versions(1) == {"v1", "v2"}


def test_jobs_survive_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'down' / 'b.sqlite3'}"
    first = Store(url)
    job(first)
    first.close()
    second = Store(url)
    assert [j.media for j in second.jobs()] == ["a.mp4"]
    second.close()


def test_the_jobs_of_deleted_tasks_are_forgotten(store: Store) -> None:
    job(store, task=1)
    job(store, task=2)
    store.delete_tasks([1])
    assert [j.task for j in store.jobs()] == [2]


def test_any_number_of_tasks_may_be_deleted_at_once(store: Store) -> None:
    job(store, task=1)
    store.delete_tasks(range(300_000))
    assert store.jobs() == []


# Labels


def test_an_annotation_is_stored_with_its_repetitions(store: Store) -> None:
    put(store, region(1.0), region(4.0, "anomalous"))
    assert [(r.start_s, r.label) for r in store.labels.labelled_regions(7)] == [(1.0, "normal"), (4.0, "anomalous")]


def test_where_a_repetition_comes_from_is_kept(store: Store) -> None:
    put(store, region())
    assert store.labels.labelled_regions(7)[0].origin == "manual"


def test_an_update_replaces_the_repetitions(store: Store) -> None:
    put(store, region(1.0), region(4.0))
    put(store, region(2.0), updated_at="2026-01-02T00:00:00Z")
    assert [r.start_s for r in store.labels.labelled_regions(7)] == [2.0]


def test_an_update_that_comes_late_does_not_replace_a_newer_one(store: Store) -> None:
    put(store, region(2.0), updated_at="2026-01-02T00:00:00Z")
    put(store, region(1.0), updated_at="2026-01-01T00:00:00Z")
    assert [r.start_s for r in store.labels.labelled_regions(7)] == [2.0]


@pytest.mark.parametrize(("updated_at", "count"), [("2026-01-01T00:00:00Z", 0), ("2026-01-02T00:00:00Z", 1)])
def test_only_an_annotation_that_was_changed_is_new_again(store: Store, updated_at: str, count: int) -> None:
    put(store, region())
    moment = now()
    put(store, region(), updated_at=updated_at)
    assert store.labels.normals_since(1, moment) == count


def test_an_update_without_a_date_counts(store: Store) -> None:
    put(store, region(2.0))
    put(store, region(1.0), updated_at=None)
    assert [r.start_s for r in store.labels.labelled_regions(7)] == [1.0]


def test_updates_at_once_leave_one_set_of_repetitions(store: Store) -> None:
    together(lambda: put(store, region(1.0), region(4.0)))
    assert len(store.labels.labelled_regions(7)) == 2


def test_a_skipped_task_is_marked(store: Store) -> None:
    put(store, was_cancelled=True)
    assert store.labels.annotations()[0].was_cancelled


def test_a_deleted_annotation_stays_marked(store: Store) -> None:
    put(store, region())
    store.labels.delete_annotations([7])
    assert store.labels.annotations()[0].deleted
    assert len(store.labels.labelled_regions(7)) == 1


def test_an_update_that_comes_after_the_deletion_does_not_bring_an_annotation_back(store: Store) -> None:
    put(store, region())
    store.labels.delete_annotations([7])
    put(store, region(2.0), updated_at="2026-01-02T00:00:00Z")
    assert store.labels.annotations()[0].deleted


def test_an_annotation_whose_deletion_came_first_is_deleted(store: Store) -> None:
    store.labels.delete_annotations([7, 8])
    put(store, region())
    assert store.labels.valid_annotations(1) == []
    assert [(a.id, a.task, a.deleted) for a in store.labels.annotations()] == [(7, 1, True), (8, 0, True)]


def test_any_number_of_annotations_may_be_deleted_at_once(store: Store) -> None:
    store.labels.delete_annotations(range(5_000))
    assert len(store.labels.deleted_annotations()) == 5_000


def test_the_annotations_of_a_deleted_task_stay_marked(store: Store) -> None:
    put(store, region())
    store.delete_tasks([1])
    assert store.labels.annotations()[0].deleted


def test_an_annotation_that_comes_after_its_task_was_deleted_is_deleted(store: Store) -> None:
    store.delete_tasks([1])
    put(store, region())
    assert store.labels.valid_annotations(1) == []


def test_annotations_can_be_told_by_task(store: Store) -> None:
    put(store)
    assert [len(store.labels.annotations(task)) for task in (1, 2)] == [1, 0]


def test_who_annotated_is_kept(store: Store) -> None:
    put(store, completed_by=3, parent_prediction=37)
    assert (store.labels.annotations()[0].annotator, store.labels.annotations()[0].parent_prediction) == (3, 37)


@pytest.mark.parametrize("odd", [None, {"id": 3}, "anna"])
def test_an_annotator_in_an_unknown_shape_is_nobody(store: Store, odd: Any) -> None:
    put(store, completed_by=odd)
    assert store.labels.annotations()[0].annotator is None


def test_what_an_archive_run_delivered_meanwhile_stays(store: Store) -> None:
    job = store.job_for(Task(1, 1, {}), "a.mp4", "m", "c").id
    store.start_jobs([job])
    store.finish_job(job, "of the archive run")
    store.finish_jobs({job: "of the server"}, is_first=True)
    assert [one.result for one in store.jobs()] == ["of the archive run"]
    store.finish_jobs({job: "anew"})
    assert [one.result for one in store.jobs()] == ["anew"]
