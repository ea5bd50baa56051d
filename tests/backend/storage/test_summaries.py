"""Summaries of results: made once, made again when a result changes, gone with their job."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from dashboard_data import label
from fakes import VERSION, analysis
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.labelstudio.format import Task
from backend.storage import overview
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.database import now
from backend.storage.jobs import Job, Store
from backend.storage.labels import Annotation, counting, that_count
from backend.storage.runs import Runs
from backend.storage.summaries import RepSummary, VideoSummary, note_copy, refresh
from backend.storage.video_filter import VideoFilter

TASK = Task(7, 1, {"video": "a.mp4"})


def finish(store: Store, result: str) -> int:
    job = store.job_for(TASK, "a.mp4", VERSION, "c")
    store.finish_job(job.id, result)
    return job.id


def row(store: Store) -> overview.VideoRow:
    refresh(store.engine)
    (found,) = overview.videos(store.engine, {}, VideoFilter())
    return found


def test_a_result_is_summarized(store: Store) -> None:
    finish(store, dump_analysis(analysis((0.1, 0.9))))
    found = row(store)
    assert (found.reps, found.anomalies, found.confidence, found.fps) == (2, 1, 0.8, 30.0)


def test_what_could_not_be_judged_is_counted_as_that_and_as_no_anomaly(store: Store) -> None:
    found = analysis((0.1, 0.9, 0.9))
    scores = (*found.scores[:2], replace(found.scores[2], reliable=False))
    finish(store, dump_analysis(replace(found, scores=scores)))
    assert (row(store).anomalies, row(store).unreliable) == (1, 1)


def test_a_changed_result_is_summarized_again(store: Store) -> None:
    finish(store, dump_analysis(analysis((0.1, 0.9))))
    refresh(store.engine)
    finish(store, dump_analysis(analysis((0.1,))))
    assert row(store).reps == 1


def test_a_result_of_after_the_clock_was_set_back_is_summarized(store: Store) -> None:
    finish(store, dump_analysis(analysis()))
    with Session(store.engine) as session, session.begin():
        session.execute(update(Job).values(updated_at=now() + timedelta(days=30)))
    refresh(store.engine)
    store.finish_job(store.job_for(Task(8, 1, {}), "b.mp4", VERSION, "c").id, dump_analysis(analysis((0.1,))))
    refresh(store.engine)
    assert {one.task: one.reps for one in overview.videos(store.engine, {}, VideoFilter())}[8] == 1


def test_a_result_that_cannot_be_read_has_no_confidence(store: Store) -> None:
    finish(store, "{}")
    assert row(store).confidence is None
    assert overview.issue_counts(store.engine, {}, 1)["unreadable"] == 1


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"codec": "mpeg4", "unplayable": "MPEG-4 Part 2, which..."}, "MPEG-4 Part 2, which..."),
        (
            {"codec": "h264", "unplayable": "H.264 with 10 bits per colour, which..."},
            "H.264 with 10 bits per colour, which...",
        ),
        ({"codec": "mpeg4", "unplayable": "MPEG-4 Part 2, which...", "has_playable_copy": True}, ""),
        ({"codec": "hevc"}, "HEVC (H.265), which browsers do not play"),  # as earlier releases stored it
        ({"codec": "h264"}, ""),
    ],
)
def test_whether_browsers_play_what_people_are_shown(store: Store, found: dict[str, Any], told: str) -> None:
    info = replace(analysis().video, **found)
    finish(store, dump_analysis(replace(analysis(), video=info)))
    assert row(store).unplayable == told
    assert overview.issue_counts(store.engine, {}, 1)["codec"] == bool(told)


def test_a_copy_that_a_task_plays_is_played_whichever_models_analysis_is_shown(store: Store) -> None:
    unplayable = replace(analysis().video, unplayable="MPEG-4 Part 2", codec="mpeg4")
    result = dump_analysis(replace(analysis(), video=unplayable))
    numbers = {}
    for version, task in (("base", TASK), ("trained", TASK), ("base", replace(TASK, id=8))):
        job = store.job_for(task, "a.mp4", version, "c")
        store.finish_job(job.id, result)
        numbers[version, task.id] = job.id
    refresh(store.engine)
    before = {job.id: job.updated_at for job in store.jobs()}
    note_copy(store.engine, 1, TASK.id)
    found = {job.id: load_analysis(job.result).video.has_playable_copy for job in store.jobs()}
    assert found == {numbers["base", 7]: True, numbers["trained", 7]: True, numbers["base", 8]: False}
    assert {job.id: job.updated_at for job in store.jobs()} == before
    for version in ("base", "trained"):
        (row_of_other,) = overview.videos(store.engine, {1: version}, VideoFilter(1, issue="codec"))
        assert row_of_other.task == 8


def test_a_playable_analysis_has_no_need_of_a_copy(store: Store) -> None:
    number = finish(store, dump_analysis(analysis()))
    note_copy(store.engine, 1, TASK.id)
    (job,) = store.jobs()
    assert (job.id, load_analysis(job.result).video.has_playable_copy) == (number, False)


def test_summaries_go_with_their_job(store: Store) -> None:
    store.forget_job(finish(store, dump_analysis(analysis())))
    refresh(store.engine)
    with Session(store.engine) as session:
        assert session.scalars(select(VideoSummary)).all() == []
        assert session.scalars(select(RepSummary)).all() == []


def test_files_that_several_tasks_have_are_found(store: Store) -> None:
    for number in (1, 2, 3):
        job = store.job_for(Task(number, 1, {}), f"{number}.mp4", VERSION, "c")
        store.finish_job(job.id, dump_analysis(replace(analysis(), media_digest="a" if number < 3 else "b")))
    refresh(store.engine)
    assert overview.duplicates(store.engine, {}, 1, 10) == [("a", [(1, 1, "1.mp4"), (1, 2, "2.mp4")])]
    assert overview.count_videos(store.engine, {}, VideoFilter(issue="duplicate")) == 2


def test_tasks_are_counted_by_their_newest_job(store: Store) -> None:
    for number in (1, 2):
        job = store.job_for(Task(number, 1, {}), "a.mp4", "old", "c")
        store.finish_job(job.id, dump_analysis(analysis()))
    store.job_for(Task(1, 1, {}), "a.mp4", "new", "c")
    assert overview.states(store.engine, {}) == {1: {"done": 1, "queued": 1}}


def predicted(store: Store, version: str, scores: tuple[float, ...], minute: int) -> int:
    """A finished job of the task, last changed at that minute of an hour long ago."""
    job = store.job_for(TASK, "a.mp4", version, "c")
    store.finish_job(job.id, dump_analysis(analysis(scores)))
    with Session(store.engine) as session, session.begin():
        session.execute(update(Job).where(Job.id == job.id).values(updated_at=datetime(2026, 1, 2, 13, minute)))
    return job.id


def test_after_a_roll_back_the_job_of_the_model_in_use_counts(store: Store) -> None:
    earlier, _ = predicted(store, "v2", (0.1,), 30), predicted(store, "v3", (0.9, 0.9), 31)
    refresh(store.engine)
    (found,) = overview.videos(store.engine, {1: "v2"}, VideoFilter())
    assert (found.job, found.anomalies) == (earlier, 0)
    assert [rep.job for rep in overview.repetitions(store.engine, {1: "v2"}, 1)] == [earlier]
    assert overview.count_videos(store.engine, {1: "v2"}, VideoFilter(model="v3")) == 0


def test_without_a_job_of_the_model_in_use_the_newest_by_time_counts(store: Store) -> None:
    made_first, _ = predicted(store, "v2", (0.1,), 32), predicted(store, "v3", (0.9,), 31)
    for in_use in ({1: "v4"}, {2: "v3"}, {}):
        assert [row.job for row in overview.videos(store.engine, in_use, VideoFilter())] == [made_first]
    rows = overview.task_jobs(store.engine, TASK.id)
    assert [row.model_version for row in rows] == ["v2", "v3"]
    assert [row.model_version for row in overview.first_by({1: "v3"}, rows)] == ["v3", "v2"]


def test_of_jobs_that_were_changed_at_once_the_last_made_counts(store: Store) -> None:
    jobs = [predicted(store, f"v{number}", (0.1,), 30) for number in range(1, 12)]
    assert [row.job for row in overview.videos(store.engine, {}, VideoFilter())] == [jobs[-1]]
    assert overview.task_jobs(store.engine, TASK.id)[0].job == jobs[-1]


def test_what_a_new_model_made_needless_is_no_failure(store: Store) -> None:
    job = store.job_for(TASK, "a.mp4", "old", "c")
    store.finish_job(job.id, dump_analysis(analysis()))
    store.fail_job(store.job_for(TASK, "a.mp4", "new", "c").id, "Superseded", "The model is newer now.")
    assert overview.states(store.engine, {}) == {1: {"done": 1}}


def test_labels_are_counted_as_the_training_counts_them(store: Store) -> None:
    label(store, 1, 11, [("a", 0.0, 1.0, "normal"), ("b", 2.0, 3.0, "anomalous")])
    runs = Runs(store)
    run = runs.request(1, "Start Training")
    runs.note_labels(run.id, now())
    label(store, 2, 12, [("a", 0.0, 1.0, "normal"), ("b", 2.0, 3.0, "normal")])
    assert overview.label_counts(store.engine) == {1: {"normal": (3, 2), "anomalous": (1, 0)}}
    assert store.labels.normals_since(1, runs.learnt_until(1)) == 2


def test_what_two_people_labelled_is_counted_once_as_the_newest_has_it(store: Store) -> None:
    label(store, 1, 11, [("a", 0.0, 1.0, "normal"), ("b", 2.0, 3.0, "anomalous")], 3, ground_truth=True)
    label(store, 2, 11, [("a", 0.0, 1.0, "normal"), ("b", 2.0, 3.0, "normal")], 4)
    assert overview.label_counts(store.engine) == {1: {"normal": (1, 1), "anomalous": (1, 1)}}
    label(store, 3, 12, [("a", 0.0, 1.0, "anomalous")], 3, updated_at="2026-01-01T00:00:00Z")
    label(store, 4, 12, [("a", 0.0, 1.0, "normal")], 4, updated_at="2026-01-02T00:00:00Z")
    assert overview.label_counts(store.engine) == {1: {"normal": (2, 2), "anomalous": (1, 1)}}
    assert store.labels.normals_since(1, datetime(2020, 1, 1)) == 2


def test_annotations_count_in_the_database_as_they_do_in_python(store: Store) -> None:
    chance = Random(0)
    for number in range(1, 61):
        given = {
            "ground_truth": chance.random() < 0.2,
            "updated_at": f"2026-01-0{chance.randint(1, 3)}T00:00:00Z",
            "was_cancelled": chance.random() < 0.2,
        }
        label(store, number, chance.randint(11, 19), [("a", 0.0, 1.0, "normal")], chance.randint(3, 5), **given)
    store.labels.delete_annotations(range(1, 61, 7))
    of_task: dict[int, list[Annotation]] = {}
    for one in store.labels.valid_annotations(1):
        of_task.setdefault(one.task, []).append(one)
    with Session(store.engine) as session:
        assert set(session.scalars(that_count(1))) == {counting(group).id for group in of_task.values()}


def test_of_trainings_that_are_over_the_last_one_is_current(store: Store) -> None:
    runs = Runs(store)
    for _ in range(2):
        runs.finish(runs.request(1, "Start Training").id, "failed", "No.")
    waiting = runs.request(1, "Start Training")
    assert [run.id for run in overview.current_runs(store.engine)[1]] == [waiting.id, 2]


def test_what_came_of_the_last_finished_training_stays_beside_one_that_came_to_nothing(store: Store) -> None:
    runs = Runs(store)
    for state in ("done", "done", "cancelled"):
        runs.finish(runs.request(1, "Start Training").id, state, "")
    assert [run.id for run in overview.current_runs(store.engine)[1]] == [3, 2]
