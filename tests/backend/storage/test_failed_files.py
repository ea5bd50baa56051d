"""Files of archives that failed: told as long as nothing came of them, wherever they failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import analysis

from backend.labelstudio.format import Task
from backend.storage import summaries
from backend.storage.analysis_json import dump_analysis
from backend.storage.failed_files import FailedFile, failed_files
from backend.storage.jobs import Store
from backend.storage.ledger import Entry, Ledger, Source, target_name

A = Source("/v/a.mp4", "/v/a.mp4", "9-1")


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store.engine)


def _entry(ledger: Ledger, source: Source = A, version: str = "m", target: str = "project 1") -> Entry:
    run = ledger.begin(target, version, "c", [source])
    return next(found for state in ("queued", "failed") for found in ledger.of_run(run, state))


def _failed(ledger: Ledger, source: Source = A, version: str = "m", target: str = "project 1") -> Entry:
    entry = _entry(ledger, source, version, target)
    ledger.failed(entry.id, "NotAVideo", f"{source.name}: not a readable media file.")
    return entry


def _told(store: Store) -> list[FailedFile]:
    summaries.refresh(store.engine)
    count, found = failed_files(store.engine)
    assert count == len(found)
    return list(found)


def _job(store: Store, task: int, digest: str) -> None:
    job = store.job_for(Task(task, 1, {}), "/data/b.mp4", "m", "c")
    store.finish_job(job.id, dump_analysis(replace(analysis(), media_digest=digest)))


def test_what_failed_is_told_once_whatever_models_it_failed_with(store: Store, ledger: Ledger) -> None:
    _failed(ledger, version="m")
    _failed(ledger, version="n")
    (told,) = _told(store)
    assert (told.project, told.source, told.attempts) == (1, "/v/a.mp4", 1)


def test_what_is_tried_again_by_the_next_model_is_told_until_it_is_done(store: Store, ledger: Ledger) -> None:
    _failed(ledger, version="m")
    entry = _entry(ledger, version="n")
    assert len(_told(store)) == 1
    ledger.done(entry.id, 7)
    assert _told(store) == []


def test_a_file_that_was_replaced_by_one_that_succeeded_is_not_told(store: Store, ledger: Ledger) -> None:
    _failed(ledger, version="m")
    ledger.done(_entry(ledger, replace(A, fingerprint="8-2"), "n").id, 7)
    assert _told(store) == []


def test_a_file_that_was_replaced_by_one_that_failed_is_told(store: Store, ledger: Ledger) -> None:
    ledger.done(_entry(ledger, version="m").id, 7)
    _failed(ledger, replace(A, fingerprint="8-2"), "n")
    assert len(_told(store)) == 1


def test_what_failed_again_with_a_model_although_another_predicted_it_is_not_told(store: Store, ledger: Ledger) -> None:
    ledger.done(_entry(ledger, version="m").id, 7)
    _failed(ledger, version="n")
    assert _told(store) == []


def test_a_file_whose_bytes_another_one_of_the_project_has_is_not_told(store: Store, ledger: Ledger) -> None:
    entry = _entry(ledger)
    ledger.analyzed(entry.id, dump_analysis(replace(analysis(), media_digest="ab" * 32)))
    ledger.failed(entry.id, "UploadRefused", "no")
    _job(store, 5, "cd" * 32)
    assert len(_told(store)) == 1
    _job(store, 6, "ab" * 32)
    assert _told(store) == []


def test_what_has_a_job_is_told_in_the_list_of_videos(store: Store, ledger: Ledger) -> None:
    source = Source("task 5", "/data/upload/1/0123abcd-a.mp4", "x", Task(5, 1, {}))
    _failed(ledger, source)
    assert [told.task for told in _told(store)] == [5]
    _job(store, 5, "ab" * 32)
    assert _told(store) == []


def test_what_has_a_job_that_only_waits_is_told(store: Store, ledger: Ledger) -> None:
    entry = _entry(ledger)
    ledger.has_task(entry.id, 5)
    ledger.failed(entry.id, "LabelStudioError", "Label Studio answered 502.")
    job = store.job_for(Task(5, 1, {}), "/data/a.mp4", "m", "c")
    assert [told.error_message for told in _told(store)] == ["Label Studio answered 502."]
    store.fail_job(job.id, "NotAVideo", "no")
    assert _told(store) == []


def test_what_the_last_run_over_its_folder_no_longer_had_is_not_told(store: Store, ledger: Ledger) -> None:
    _failed(ledger)
    _entry(ledger, replace(A, name="/v/b.mp4"), target="project 2")
    assert len(_told(store)) == 1
    _entry(ledger, replace(A, name="/v/b.mp4"), version="n")
    assert _told(store) == []


@pytest.mark.parametrize("name", ["task 5", "/w/b.mp4", "/v/below/b.mp4", "https://clips.example/v/b.mp4"])
def test_a_run_over_something_else_hides_nothing(store: Store, ledger: Ledger, name: str) -> None:
    _failed(ledger)
    _entry(ledger, replace(A, name=name))
    assert [told.source for told in _told(store)] == ["/v/a.mp4"]


def test_a_run_over_another_file_of_the_folder_hides_none_that_is_there(
    store: Store, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").touch()
    _failed(ledger, replace(A, name=str(tmp_path / "a.mp4")))
    _entry(ledger, replace(A, name=str(tmp_path / "b.mp4")))
    assert len(_told(store)) == 1
    (tmp_path / "a.mp4").unlink()
    assert _told(store) == []


def test_what_the_last_run_over_tasks_no_longer_had_is_not_told(store: Store, ledger: Ledger) -> None:
    _failed(ledger, Source("task 5", "/data/upload/1/0123abcd-a.mp4", "x", Task(5, 1, {})))
    _entry(ledger)
    assert [told.task for told in _told(store)] == [5]
    _entry(ledger, Source("task 6", "/data/upload/1/0123abcd-b.mp4", "x", Task(6, 1, {})))
    assert _told(store) == []


def test_files_instead_of_a_project_have_a_list_of_their_own(store: Store, ledger: Ledger) -> None:
    _failed(ledger, target=target_name(folder=Path("/out")))
    assert _told(store) == []


def test_the_newest_are_told_first_and_no_more_than_that(store: Store, ledger: Ledger) -> None:
    run = ledger.begin("project 1", "m", "c", [Source(f"/v/{name}.mp4", f"/v/{name}.mp4", "1-1") for name in "abc"])
    for entry in ledger.of_run(run, "queued"):
        ledger.failed(entry.id, "NotAVideo", "no")
    count, found = failed_files(store.engine, limit=2)
    assert (count, [Path(one.source).name for one in found]) == (3, ["c.mp4", "b.mp4"])
