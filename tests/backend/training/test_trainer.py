"""Runs one by one: which model is in use afterwards, and what survives a crash."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import until
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from training_lab import Lab

from backend.errors import LabelStudioError, WorkerLost
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.storage.jobs import Store
from backend.storage.runs import MOST_ATTEMPTS, Run
from pipeline.anomaly.detector import load_detector


def test_a_label_studio_that_is_away_does_not_keep_from_training(
    store: Store, tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    lab = Lab(store, tmp_path, Access(label_studio.url, SecretStr(label_studio.refresh_token)))
    lab.label(1)
    label_studio.rejects_token = True
    assert lab.train().message.startswith("Too few labels")


def test_requests_during_a_run_are_one_more(lab: Lab) -> None:
    lab.executor.before = lambda: [lab.trainer.request(1, "again") for _ in range(3)] and None
    lab.train()
    assert [run.state for run in lab.trainer.runs.runs()] == ["queued", "skipped"]


def test_a_model_of_honest_labels_is_in_use(trained: Lab) -> None:
    (run,) = trained.trainer.runs.runs()
    assert (run.state, run.version, run.percent) == ("done", "v0001", 100.0)
    assert trained.registry.current_name(1) == "v0001"
    assert trained.changes == 1


def test_a_run_can_be_cancelled_while_it_goes_on(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    lab.executor.before = lambda: lab.trainer.runs.cancel(lab.trainer.runs.runs()[0].id) and None
    assert lab.train().state == "cancelled"
    assert lab.registry.versions(1) == []


def test_a_run_whose_process_dies_is_repeated(lab: Lab) -> None:
    lab.executor.fails = [WorkerLost("died")]
    assert lab.train().state == "queued"
    lab.trainer.run_next()
    assert lab.trainer.runs.runs()[0].state == "skipped"


def test_a_model_that_no_disk_takes_is_a_failure_with_the_remedy(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    for task in range(1, 6):
        lab.label(task)
    lab.executor.fails = [OSError(errno.ENOSPC, "No space left on device", "/data/models/1/.v0001/weights")]
    run = lab.train()
    assert run.state == "failed"
    assert (
        run.message == "/data/models/1/.v0001/weights: No space left on device. Make room, or correct the permissions."
    )
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_run_whose_process_always_dies_is_given_up(lab: Lab) -> None:
    lab.executor.fails = [WorkerLost("died") for _ in range(MOST_ATTEMPTS)]
    lab.trainer.request(1, "test")
    while lab.trainer.run_next():
        pass
    assert lab.trainer.runs.runs()[0].state == "failed"


def locked() -> OperationalError:
    return OperationalError("UPDATE runs", {}, sqlite3.OperationalError("database is locked"))


def test_a_locked_database_neither_ends_the_thread_nor_fails_the_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("backend.training.trainer._POLL_S", 0.01)
    begin, failures = lab.trainer.runs.begin, [locked()]
    lab.executor.fails = [locked()]  # the run's own process met it

    def begun() -> object:
        if failures:
            raise failures.pop()
        return begin()

    monkeypatch.setattr(lab.trainer.runs, "begin", begun)
    run = lab.trainer.request(1, "test")
    thread = threading.Thread(target=lab.trainer.run_until_closed)
    thread.start()
    until(lambda: lab.trainer.runs.run(run.id).state == "skipped")
    lab.trainer.close()
    thread.join(20)
    assert not thread.is_alive()
    assert caplog.text.count("Training was interrupted; it goes on.") == 2
    assert "Traceback" not in caplog.text


def test_a_run_that_was_interrupted_is_repeated_at_the_next_start(lab: Lab) -> None:
    lab.trainer.request(1, "test")
    lab.trainer.runs.begin()
    with lab.trainer.exclusive() as is_exclusive:
        assert is_exclusive
        assert [run.state for run in lab.trainer.runs.runs()] == ["queued"]


def test_a_run_is_repeated_however_often_its_server_is_killed(lab: Lab) -> None:
    lab.trainer.request(1, "test")
    for _ in range(MOST_ATTEMPTS + 1):
        lab.trainer.runs.begin()
        with lab.trainer.exclusive():
            assert [run.state for run in lab.trainer.runs.runs()] == ["queued"]


def test_two_processes_do_not_train_at_once(lab: Lab) -> None:
    with lab.trainer.exclusive() as first, lab.trainer.exclusive() as second:
        assert (first, second) == (True, False)


def test_a_run_that_died_after_publishing_does_not_train_again(trained: Lab) -> None:
    trained.registry.rollback(1)  # as if it had died before the promotion
    run = trained.trainer.runs.runs()[0]
    trained.trainer.runs.retry(run.id)
    trained.trainer.run_next()
    assert len(trained.registry.versions(1)) == 1
    assert trained.registry.current_name(1) == "v0001"


def test_labels_of_after_a_model_was_published_are_not_learnt_by_its_run(trained: Lab) -> None:
    run = trained.trainer.runs.runs()[0]
    trained.trainer.runs.retry(run.id)  # as if it had died before its end
    trained.trainer.run_next()
    assert trained.trainer.runs.run(run.id).labels_at == run.labels_at


@pytest.mark.parametrize("asked", ["2026-01-01T00:00:00.000001", None])
def test_a_model_of_a_run_of_a_lost_database_is_of_no_run_of_the_new_one(trained: Lab, asked: str | None) -> None:
    (version,) = trained.registry.versions(1)
    described = version.run | {"asked": asked, "created": "2026-01-01T00:01:00Z"}
    if asked is None:
        del described["asked"]  # as earlier releases wrote it
    assert version.model.folder is not None
    (version.model.folder / "run.json").write_text(json.dumps(described))
    trained.registry._runs.clear()
    trained.label(1, called=0)
    number = trained.trainer.runs.runs()[0].id
    with trained.store.engine.begin() as connection:
        connection.execute(delete(Run))
    run = trained.train()
    assert (run.id, run.version) == (number, "v0002")


def test_a_model_that_an_earlier_release_published_is_that_of_its_run(trained: Lab) -> None:
    (version,) = trained.registry.versions(1)
    run = trained.trainer.runs.runs()[0]
    earlier = replace(version, run={name: value for name, value in version.run.items() if name != "asked"})
    assert earlier.is_of(run.id, run.created_at)


def test_what_was_judged_against_another_model_is_not_promoted(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    lab.registry.publish(1, load_detector(), "", {"gate": {}}, [])
    run = lab.trainer.request(1, "test")
    begun = lab.trainer.runs.begin()
    assert begun is not None
    outcome = lab.trainer._train(begun)
    lab.registry.promote(1, "v0001")
    assert "v0001 was put in use meanwhile" in lab.trainer._promoted(1, outcome)
    assert run.id == begun.id


def test_a_training_that_could_not_look_for_newer_labels_says_so(trained: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise LabelStudioError("Label Studio cannot be reached.")

    monkeypatch.setattr(LabelStudioClient, "configured", True)
    monkeypatch.setattr("backend.training.trainer.labelled.pull", silent)
    run = trained.train()
    assert run.message.startswith("Nothing has changed since v0001")
    assert run.message.endswith("Label Studio may have newer ones: Label Studio cannot be reached.")
