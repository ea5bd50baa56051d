"""Equal files have one task, whatever they are called; files that are only called alike have one each."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from archive_runs import CONTROLS, Run, predictions
from fakes import VERSION, analysis
from label_studio_api import FakeLabelStudio

from backend.archives.project_target import ProjectTarget
from backend.archives.sources import files
from backend.context import Context
from backend.labelstudio.format import Task
from backend.storage.analysis_json import dump_analysis
from backend.storage.ledger import Ledger, Source


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    for name in "ab":
        (tmp_path / "archive" / f"{name}.mp4").write_bytes(name.encode() * 9)
    return tmp_path / "archive"


def _run(context: Context, *folders: Path, root: Path | None = None) -> Run:
    """A run over folders, no two files of which are called the same with different contents."""
    run = Run(context, True, folders[0], root)
    for folder in folders:
        for path in folder.iterdir():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            run.executor.results[path.name] = replace(analysis(), media_digest=digest)
    run(files([str(folder) for folder in folders]))
    return run


def _planned(context: Context, folder: Path, root: Path | None = None) -> list[str]:
    target = ProjectTarget(context, Ledger(context.store.engine), 1, CONTROLS, root)
    return [target.new_task(source).kind for source in files([str(folder)])]


@pytest.fixture
def again(context: Context, archive: Path) -> Path:
    """The same archive in another place, after a run over the first; one file has another name."""
    _run(context, archive)
    other = Path(shutil.copytree(archive, archive.parent / "archive2"))
    (other / "b.mp4").rename(other / "c.mp4")
    return other


def test_a_copied_archive_has_the_tasks_of_the_first(
    context: Context, again: Path, label_studio: FakeLabelStudio
) -> None:
    assert _planned(context, again) == ["same", "same"]
    run = _run(context, again)
    assert run.ledger.counts(run.number) == {"done": 2}
    assert predictions(label_studio) == [1, 1]
    assert len(label_studio.files) == 2


def test_another_file_of_the_same_name_and_size_gets_its_own(
    context: Context, again: Path, label_studio: FakeLabelStudio
) -> None:
    (again / "a.mp4").write_bytes(b"z" * 9)
    assert _planned(context, again) == ["uploaded", "same"]
    _run(context, again)
    assert predictions(label_studio) == [1, 1, 1]


def test_a_task_that_was_deleted_is_made_again(context: Context, again: Path, label_studio: FakeLabelStudio) -> None:
    label_studio.tasks.clear()
    assert _planned(context, again) == ["uploaded", "uploaded"]
    _run(context, again)
    assert predictions(label_studio) == [1, 1]


def test_equal_files_of_one_run_have_one_task(context: Context, archive: Path, label_studio: FakeLabelStudio) -> None:
    shutil.copyfile(archive / "a.mp4", archive / "c.mp4")
    assert _planned(context, archive) == ["uploaded", "uploaded", "same"]
    run = _run(context, archive)
    assert run.ledger.counts(run.number) == {"done": 3}
    assert predictions(label_studio) == [1, 1]


def test_files_that_label_studio_reads_in_place_keep_tasks_of_their_own(
    context: Context, again: Path, tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    assert _planned(context, again, tmp_path) == ["linked", "linked"]
    _run(context, again, root=tmp_path)
    assert predictions(label_studio) == [1] * 4
    assert len(label_studio.files) == 2


def test_equal_files_that_are_refused_are_both_refused(context: Context, archive: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        (archive / name).write_bytes(b"m" * 5)
    assert _planned(context, archive) == ["refused", "uploaded", "refused", "uploaded"]


def test_a_plan_knows_files_that_equal_one_with_a_task_of_somebody_else(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    label_studio.files["1/0123abcd-a.mp4"] = b"a" * 9
    label_studio.add_task("/data/upload/1/0123abcd-a.mp4")
    shutil.copyfile(archive / "a.mp4", archive / "c.mp4")
    assert _planned(context, archive) == ["there", "uploaded", "same"]


def test_a_file_that_somebody_uploaded_under_another_name_keeps_that_task(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    """The server has analyzed it there: it knows the bytes, whatever the file is called."""
    address = "/data/upload/1/0123abcd-from-my-phone.mp4"
    label_studio.files["1/0123abcd-from-my-phone.mp4"] = b"a" * 9
    number = label_studio.add_task(address)
    seen = replace(analysis(), media_digest=hashlib.sha256(b"a" * 9).hexdigest())
    job = context.store.job_for(Task(number, 1, {"video": address}), address, VERSION, context.config.digest())
    context.store.finish_job(job.id, dump_analysis(seen))
    target = ProjectTarget(context, Ledger(context.store.engine), 1, CONTROLS, None)
    foreseen = [target.new_task(source) for source in files([str(archive)])]
    assert [(one.kind, one.same_as) for one in foreseen] == [
        ("same", f"the video (task {number})"),
        ("uploaded", ""),
    ]
    run = _run(context, archive)
    assert run.ledger.counts(run.number) == {"done": 2}
    assert predictions(label_studio) == [1, 1]
    assert len(label_studio.files) == 2


def test_a_plan_reads_no_file_that_has_a_task(context: Context, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(context, archive)
    read: list[Path] = []
    monkeypatch.setattr("pipeline.media.reading.digest", read.append)
    assert _planned(context, archive) == ["there", "there"]
    assert read == []


def test_a_plan_names_the_equal_file(context: Context, again: Path, label_studio: FakeLabelStudio) -> None:
    of_b = next(number for number, task in label_studio.tasks.items() if task["data"]["video"].endswith("-b.mp4"))
    target = ProjectTarget(context, Ledger(context.store.engine), 1, CONTROLS, None)
    (again / "a.mp4").write_bytes(b"z" * 9)
    shutil.copyfile(again / "a.mp4", again / "d.mp4")
    first = again.parent / "archive" / "b.mp4"
    assert [target.new_task(source).same_as for source in files([str(again)])] == [
        "", f"{first} (task {of_b})", str(again / "a.mp4"),
    ]  # fmt: skip


def test_finished_files_with_the_task_of_an_equal_one_are_counted(context: Context, again: Path) -> None:
    shutil.copyfile(again.parent / "archive" / "a.mp4", again / "d.mp4")
    (again / "e.mp4").write_bytes(b"e")
    run = _run(context, again)
    assert run.ledger.counts(run.number) == {"done": 4}
    assert run.ledger.count_equal(run.number) == 3


def test_the_task_that_a_file_has_of_its_own_is_not_counted_as_that_of_an_equal_one(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    label_studio.files["1/0123abcd-a.mp4"] = b"a" * 9
    number = label_studio.add_task("/data/upload/1/0123abcd-a.mp4")
    ledger = Ledger(context.store.engine)
    run_before = ledger.begin("project 1", "m", "c", [Source(f"task {number}", "", "x", Task(number, 1, {}))])
    for entry in ledger.of_run(run_before, "queued"):
        ledger.done(entry.id, 1)
    run = _run(context, archive)
    assert run.ledger.counts(run.number) == {"done": 2}
    assert (run.ledger.count_equal(run.number), ledger.count_equal(run_before)) == (0, 0)
