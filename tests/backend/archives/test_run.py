"""A bulk run: each video once, failures apart, and whatever is killed where, the next run does only what is missing."""

from __future__ import annotations

import csv
import json
import pydoc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from archive_runs import CONTROLS, Killed, Run, predictions
from fakes import analysis
from label_studio_api import FakeLabelStudio

from backend.archives.files import write
from backend.archives.run import exclusive
from backend.errors import BackendError, WorkerLost
from backend.predictions.worker import VideoJob
from backend.storage.ledger import Source
from pipeline.errors import NotAVideo


def test_every_video_gets_a_task_with_one_prediction(into_project: Run, label_studio: FakeLabelStudio) -> None:
    assert into_project() == {"a.mp4": 1, "b.mp4": 1, "c.mp4": 1, "d.mp4": 1}
    assert predictions(label_studio) == [1, 1, 1, 1]


def test_a_second_run_does_nothing(into_project: Run, label_studio: FakeLabelStudio) -> None:
    into_project()
    assert into_project() == {}
    assert (len(label_studio.tasks), predictions(label_studio)) == (4, [1, 1, 1, 1])


def test_a_new_video_is_all_that_a_later_run_does(into_project: Run, archive: Path) -> None:
    into_project()
    (archive / "e.mp4").write_bytes(b"e")
    assert into_project() == {"e.mp4": 1}


@pytest.mark.parametrize("step", ["analyzed", "has_task", "done", "task_for", "push", "finish_job"])
def test_a_run_killed_before_or_after_any_step_is_finished_by_the_next(
    into_project: Run, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process ends before the step of the first video, then after that of the next one."""
    owner: Any = {
        "task_for": "backend.archives.project_tasks.ProjectTasks",
        "push": "backend.predictions.delivery",
        "finish_job": "backend.storage.jobs.Store",
    }.get(step, "backend.storage.ledger.Ledger")
    holder = pydoc.locate(owner)
    real = getattr(holder, step)
    for after in (False, True):

        def die(*args: Any, after: bool = after, **named: Any) -> Any:
            if after:
                real(*args, **named)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(holder, step, die)
            with pytest.raises(Killed):
                into_project()
    into_project()
    assert predictions(label_studio) == [1, 1, 1, 1]
    assert into_project.ledger.counts(into_project.number) == {"done": 4}


def test_whoever_interrupts_a_run_is_told_at_once_and_the_next_goes_on(
    into_files: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as while_working:
        while_working.setattr("backend.archives.run.wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            into_files()
    assert "Stopping. What is done is kept" in caplog.text
    into_files()
    assert len(list(into_files.ledger.of_run(into_files.number, "done"))) == 4


def test_what_was_analyzed_before_a_kill_is_not_analyzed_again(
    into_project: Run, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("backend.predictions.delivery.push", lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            into_project()
    into_project()
    assert set(into_project.executor.calls.values()) == {1}


@pytest.mark.parametrize("error", [NotAVideo("x: no video"), WorkerLost("died"), RuntimeError("?"), MemoryError()])
def test_a_poisonous_video_is_retried_and_stops_no_other(
    into_project: Run, label_studio: FakeLabelStudio, error: BaseException
) -> None:
    into_project.executor.results["b.mp4"] = error
    assert into_project(attempts=3) == {"a.mp4": 1, "c.mp4": 1, "d.mp4": 1, "!b.mp4": 3}
    assert predictions(label_studio) == [1, 1, 1]


def test_a_failure_is_listed_with_its_reason(into_files: Run) -> None:
    into_files.executor.results["b.mp4"] = NotAVideo("b.mp4: no video")
    into_files()
    (failed,) = into_files.ledger.of_run(into_files.number, "failed")
    assert (Path(failed.source).name, failed.failures, failed.error_message) == ("b.mp4", 2, "b.mp4: no video")


def test_what_was_given_up_stays_given_up(into_files: Run) -> None:
    into_files.executor.results["b.mp4"] = NotAVideo("b.mp4: no video")
    into_files()
    assert into_files() == {}


def test_a_failure_is_tried_again_after_all_others(into_files: Run) -> None:
    into_files.executor.results["a.mp4"] = NotAVideo("a.mp4: no video")
    into_files()
    assert into_files.executor.order.count("a.mp4") == 2
    assert into_files.executor.order[-1] == "a.mp4"


def test_a_limited_run_takes_so_many_and_the_next_goes_on(into_files: Run) -> None:
    assert sum(into_files(limit=3).values()) == 3
    assert into_files(limit=3) == {"d.mp4": 1}


def test_a_limited_run_retries_its_own_alone(into_files: Run) -> None:
    into_files.executor.results["b.mp4"] = NotAVideo("b.mp4: no video")
    assert into_files(limit=2) == {"a.mp4": 1, "!b.mp4": 2}


def test_no_more_are_in_hand_than_are_worked_on(into_files: Run, archive: Path) -> None:
    handed: list[int] = []

    def endless() -> Iterator[Source]:
        for number in range(1000):
            yield Source(f"/v/{number}.mp4", f"/v/{number}.mp4", "1")

    unfinished = into_files.ledger.unfinished

    def counted(run: int, failures: int) -> Iterator[Any]:
        for entry in unfinished(run, failures):
            handed.append(sum(into_files.executor.calls.values()))
            yield entry

    into_files.ledger.unfinished = counted  # type: ignore[method-assign]
    into_files(endless())
    assert max(position - done for position, done in enumerate(handed)) <= 4


def test_workers_that_come_later_are_used(into_files: Run, archive: Path) -> None:
    """One is there at first; with the first video that is done there are eight."""
    for number in range(20):
        (archive / f"{number}.mp4").write_bytes(b"0")
    held: list[Future[Any]] = []
    released = threading.Event()
    lock = threading.Lock()

    def release() -> None:
        released.set()
        for future in held:
            if not future.done():
                future.set_result(analysis())

    def submit(*args: Any, **named: Any) -> Future[Any]:
        with lock:
            held.append(Future())
            if len(held) == 3:
                into_files.capacity = 8
                held[0].set_result(analysis())
            if len(held) == 11 or released.is_set():
                release()
            return held[-1]

    into_files.capacity = 1
    into_files.executor.submit = submit  # type: ignore[method-assign]
    patience = threading.Timer(10.0, release)
    patience.start()
    into_files()
    assert patience.is_alive()  # eleven were in hand at once: one that is done, eight, and two that are delivered
    patience.cancel()


def test_tasks_are_fetched_with_the_token_and_addresses_without(
    into_project: Run, label_studio: FakeLabelStudio
) -> None:
    works: list[VideoJob] = []
    submit = into_project.executor.submit

    def keep(function: Callable[..., Any], *args: Any, **named: Any) -> Future[Any]:
        works.append(args[0])
        return submit(function, *args, **named)

    into_project.executor.submit = keep  # type: ignore[method-assign]
    task = label_studio.add_task()
    state = into_project.context.client.task_states(1, [task])[task].task
    address = "https://example.com/x.mp4"
    into_project(iter([Source(f"task {task}", "/data/upload/1/a.mp4", "", state), Source(address, address, address)]))
    assert {(work.task.id, work.access.configured) for work in works} == {(task, True), (0, False)}


def test_files_hold_every_video_and_every_repetition(into_files: Run, tmp_path: Path) -> None:
    into_files.executor.results["b.mp4"] = NotAVideo("b.mp4: no video")
    into_files()
    ledger, run = into_files.ledger, into_files.number
    write(tmp_path / "out", ledger.of_run(run, "done"), ledger.of_run(run, "failed"), CONTROLS, tmp_path)
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [task["data"] for task in tasks] == [
        {"video": f"/data/local-files/?d=archive/{name}.mp4", "fps": 30.0} for name in "acd"
    ]
    assert [len(task["predictions"]) for task in tasks] == [1, 1, 1]
    with (tmp_path / "out" / "reps.csv").open() as file:
        reps = list(csv.DictReader(file))
    assert {(row["back_is_rounded"], row["reliable"], row["hindrance"]) for row in reps} == {("false", "true", "")}
    assert [(Path(row["video"]).name, row["rep"], row["label"]) for row in reps[:2]] == [
        ("a.mp4", "1", "normal"),
        ("a.mp4", "2", "anomalous"),
    ]
    assert (tmp_path / "out" / "failed.csv").read_text().splitlines()[1].endswith(",2,NotAVideo,b.mp4: no video")


def test_files_of_nothing_are_valid(into_files: Run, tmp_path: Path) -> None:
    write(tmp_path / "out", iter(()), iter(()), CONTROLS, None)
    assert json.loads((tmp_path / "out" / "tasks.json").read_text()) == []


def test_two_runs_for_one_target_are_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path, "project 1"):
        with pytest.raises(BackendError, match="Another run"), exclusive(tmp_path, "project 1"):
            pass
        with exclusive(tmp_path, "project 2"):
            pass
