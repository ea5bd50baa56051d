"""`deadlift jobs`: what is shown of trainings and videos, the end of a training, another try of a video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import analysis
from typer.testing import CliRunner

from backend.cli import app
from backend.context import registry_of
from backend.errors import BackendError, UnknownRun
from backend.labelstudio.format import Task
from backend.predictions.retries import MOST_ATTEMPTS
from backend.settings import Settings
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.storage.runs import Runs

Invoke = Callable[..., str]


@pytest.fixture
def invoke(tmp_path: Path, store: Store) -> Invoke:
    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["jobs", *arguments], env={"DATA_DIR": str(tmp_path), "COLUMNS": "80"})
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found.output

    return run


def failed_job(store: Store, task: int, kind: str = "MediaNotFound", version: str = "base") -> int:
    job = store.job_for(Task(task, 1, {}), "/data/upload/1/a.mp4", version, "c")
    store.start_jobs([job.id])
    store.fail_job(job.id, kind, "The video is gone.")
    return job.id


def state(store: Store, job: int) -> str:
    found = store.job(job)
    assert found is not None
    return found.state


def test_an_empty_folder_says_so(invoke: Invoke) -> None:
    said = invoke()
    assert said.startswith("No training was asked for yet.\nNo video was analyzed yet.\nLooked at ")
    assert "DATA_DIR" in said


def test_another_folder_than_the_servers_is_said_and_left_alone(tmp_path: Path) -> None:
    for arguments in ([], ["cancel", "1"], ["retry"]):
        wrong = tmp_path / "wrong"
        with pytest.raises(BackendError, match=r"wrong has no data of a server\. DATA_DIR says where"):
            CliRunner().invoke(app, ["jobs", *arguments], env={"DATA_DIR": str(wrong)}, catch_exceptions=False)
        assert not wrong.exists()


def test_an_empty_project_says_so(invoke: Invoke, store: Store) -> None:
    Runs(store).request(1, "Start Training")
    assert "No training of project 2 was asked for yet." in invoke("--project", "2")


def test_a_running_training_shows_how_far_it_is(invoke: Invoke, store: Store) -> None:
    runs = Runs(store)
    run = runs.request(1, "Start Training")
    runs.begin()
    runs.note(run.id, "judge", 50.0)
    assert "running: judge, 50 %" in " ".join(invoke().split())


def test_a_video_that_failed_for_good_shows_why_and_what_to_do(invoke: Invoke, store: Store) -> None:
    failed_job(store, 5)
    said = " ".join(invoke().split())
    assert "The video is gone." in said
    assert "until the reason is mended; then `deadlift jobs retry NUMBER`" in said
    assert "tried again by the server" not in said


@pytest.mark.parametrize("kind", ["LabelStudioError", "MediaUnreachable", "StorageFault"])
def test_a_video_that_failed_for_now_is_said_to_be_tried_again(invoke: Invoke, store: Store, kind: str) -> None:
    failed_job(store, 5, kind)
    said = " ".join(invoke().split())
    assert "tried again by the server" in said
    assert "deadlift jobs retry" not in said


def test_a_video_that_failed_for_now_too_often_is_offered_another_try(invoke: Invoke, store: Store) -> None:
    for _ in range(MOST_ATTEMPTS):
        failed_job(store, 5, "MediaUnreachable")
    assert "failed so too often: `deadlift jobs retry`" in " ".join(invoke().split())


def test_how_many_videos_there_are_is_said_where_some_are_not_shown(invoke: Invoke, store: Store) -> None:
    for task in (1, 2, 3):
        failed_job(store, task)
    assert "The newest 2 videos; --limit shows more of the 3." in invoke("--limit", "2")
    assert "The newest" not in invoke("--limit", "3")


def test_a_waiting_training_is_cancelled_at_once(invoke: Invoke, store: Store) -> None:
    run = Runs(store).request(1, "Start Training")
    assert invoke("cancel", str(run.id)) == f"Run {run.id}: cancelled.\n"


def test_a_running_training_is_told_to_end(invoke: Invoke, store: Store) -> None:
    runs = Runs(store)
    run = runs.request(1, "Start Training")
    runs.begin()
    assert "next sign of life" in invoke("cancel", str(run.id))
    assert runs.run(run.id).is_cancelled


def test_a_training_that_is_over_is_not_cancelled(invoke: Invoke, store: Store) -> None:
    runs = Runs(store)
    run = runs.request(1, "Start Training")
    runs.begin()
    runs.finish(run.id, "done", "In use.")
    before = runs.run(run.id).updated_at
    assert invoke("cancel", str(run.id)) == f"Run {run.id} was over already: done.\n"
    assert (runs.run(run.id).updated_at, runs.run(run.id).is_cancelled) == (before, False)


def test_an_unknown_training_is_an_error(invoke: Invoke) -> None:
    with pytest.raises(UnknownRun, match="There is no run 7"):
        invoke("cancel", "7")


def test_a_failed_video_is_tried_again(invoke: Invoke, store: Store) -> None:
    first, second = failed_job(store, 5), failed_job(store, 6)
    assert invoke("retry", str(first)) == "1 to be tried again.\n"
    assert (state(store, first), state(store, second)) == ("queued", "failed")


def test_those_whose_reason_may_have_passed_are_tried_again_and_no_others(invoke: Invoke, store: Store) -> None:
    kinds = ("LabelStudioError", "Superseded", "MediaNotFound")
    jobs = [failed_job(store, number, kind) for number, kind in enumerate(kinds, 5)]
    said = invoke("retry")
    assert [state(store, job) for job in jobs] == ["queued", "failed", "failed"]
    assert said.startswith("1 to be tried again.\n1 failed for reasons that stay until something is changed")


def test_a_video_is_listed_and_counted_once_whatever_models_judged_it(
    invoke: Invoke, store: Store, tmp_path: Path
) -> None:
    store.remember_project(1, "<View/>")
    registry = registry_of(Settings(data_dir=tmp_path))
    first = registry.current(1).version
    second = registry.choose_rate(1, 0.16).version
    lasting = [failed_job(store, 5, version=version) for version in (first, second)]
    delivered = store.job_for(Task(6, 1, {}), "/data/upload/1/b.mp4", first, "c")
    store.finish_job(delivered.id, dump_analysis(analysis()))
    store.mark_pushed(delivered.id, 9)
    waiting = store.job_for(Task(6, 1, {}), "/data/upload/1/b.mp4", second, "c")
    failed_job(store, 7, "Superseded", second)
    listed = [line.split()[0] for line in invoke().splitlines() if line.strip()[:1].isdecimal()]
    assert listed == [str(waiting.id), str(lasting[1])]
    assert "1 failed for reasons that stay" in invoke("retry")


def test_what_has_not_failed_is_not_tried_again(invoke: Invoke, store: Store) -> None:
    job = store.job_for(Task(5, 1, {}), "/data/upload/1/a.mp4", "base", "c")
    with pytest.raises(UnknownRun, match=f"No failed video has the number {job.id}"):
        invoke("retry", str(job.id))


def test_without_failures_there_is_nothing_to_try_again(invoke: Invoke) -> None:
    assert invoke("retry") == "No video has failed for a reason that may pass.\n"
