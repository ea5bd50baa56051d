"""`deadlift prelabel` as it is typed: what it refuses, what it prints, and its exit code."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from archive_runs import InlineExecutor
from fakes import CONFIG, analysis
from label_studio_api import FakeLabelStudio
from typer.testing import CliRunner, Result
from video_files import write_video

from backend.cli import app
from backend.errors import BackendError, BadRequest, SchedulerLost
from backend.labelstudio.task_data import ORIGINAL
from backend.settings import Settings
from backend.storage.jobs import Store
from pipeline.errors import NotAVideo


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> InlineExecutor:
    made = InlineExecutor()
    monkeypatch.setattr("backend.compute.dask_executor.DaskExecutor", lambda workers, scheduler, scratch: made)
    return made


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, label_studio: FakeLabelStudio) -> None:
    label_studio.label_config = CONFIG
    for name, value in {
        "DATA_DIR": str(tmp_path / "data"),
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.refresh_token,
        "COLUMNS": "160",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    for name in "abc":
        (tmp_path / "archive" / f"{name}.mp4").write_bytes(name.encode())
    return tmp_path / "archive"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prelabel", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.mp4"], "Where"),
        (["a.mp4", "--project=1", "--out=o"], "--project or --out, not both"),
        (["--project=1"], "Which"),
        (["a.mp4", "--project=1", "--tasks=all"], "--tasks of a --project, not both"),
        (["--tasks=all", "--out=o"], "Which"),
        (["gone.mp4", "--out=o"], "no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, BackendError)
    assert words in str(result.exception)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, BadRequest)
    assert not (tmp_path / "out" / "tasks.json").exists()


def test_files_are_written(executor: InlineExecutor, archive: Path, tmp_path: Path) -> None:
    result = run(archive, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert len(json.loads((tmp_path / "out" / "tasks.json").read_text())) == 3


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = run(archive, "--out", tmp_path / "file" / "out")
    assert isinstance(found.exception, BackendError)
    assert "cannot be written" in str(found.exception)
    assert executor.order == []


def test_what_another_release_found_is_found_again_where_it_cannot_be_read(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    run(archive, "--out", tmp_path / "out")
    database = Store(Settings(_env_file=None).database_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("update ledger set result = '{}' where source like '%a.mp4'")
    database.close()
    assert run(archive, "--out", tmp_path / "out").exit_code == 0
    assert executor.calls == {"a.mp4": 2, "b.mp4": 1, "c.mp4": 1}


def test_whoever_serves_files_from_another_folder_is_told_how_to_have_them_named(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    assert "--local-files-root" in run(archive, "--out", tmp_path / "out").stdout
    again = run(archive, "--out", tmp_path / "out", "--local-files-root", archive)
    assert "--local-files-root" not in again.stdout


def test_the_summary_lists_failures_and_the_exit_code_says_so(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    executor.results["b.mp4"] = NotAVideo(f"{archive / 'b.mp4'}: not a readable media file.")
    result = run(archive, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "b.mp4" in result.stdout
    assert "not a readable media file." in result.stdout


def test_progress_as_lines_of_json(executor: InlineExecutor, archive: Path, tmp_path: Path) -> None:
    executor.results["b.mp4"] = NotAVideo("no")
    lines = [
        json.loads(line) for line in run(archive, "--out", tmp_path / "out", "--json-progress").stdout.splitlines()
    ]
    assert [line["event"] for line in lines if line["event"] != "done"] == [
        *("begin", "failed", "failed", "given up", "end"),
    ]
    assert (lines[-1]["done"], lines[-1]["failed"], lines[-1]["reps"]) == (2, 1, 4)


def test_a_second_run_says_that_nothing_is_left_and_still_fails(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    executor.results["b.mp4"] = NotAVideo("no")
    run(archive, "--out", tmp_path / "out")
    executor.calls.clear()
    assert run(archive, "--out", tmp_path / "out").exit_code == 1
    assert executor.calls == {}


def test_what_failed_is_tried_again_on_request(executor: InlineExecutor, archive: Path, tmp_path: Path) -> None:
    executor.results["b.mp4"] = NotAVideo("no")
    run(archive, "--out", tmp_path / "out")
    executor.results.clear()
    executor.calls.clear()
    assert run(archive, "--out", tmp_path / "out", "--retry-failed").exit_code == 0
    assert executor.calls == {"b.mp4": 1}


def test_without_resume_everything_is_done_again(
    executor: InlineExecutor, archive: Path, label_studio: FakeLabelStudio
) -> None:
    run(archive, "--project=1")
    run(archive, "--project=1", "--no-resume")
    assert set(executor.calls.values()) == {2}
    assert [len(label_studio.of_task(task)) for task in label_studio.tasks] == [1, 1, 1]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    executor: InlineExecutor, archive: Path, label_studio: FakeLabelStudio
) -> None:
    write_video(archive / "a.mp4", count=3)
    (archive / "c.mp4").write_bytes(b"")
    shown = run(archive, "--project=1", "--dry-run", "--json-progress").stdout
    lines = list(map(json.loads, shown.splitlines()))
    assert lines[-1] | {"model_version": ""} == {
        "event": "plan", "target": "project 1", "model_version": "",
        "to_do": 3, "queued": 3, "unreadable": 2, "uploaded": 1,
    }  # fmt: skip
    videos = {Path(line["video"]).name: (line["task"], line["problem"][:28]) for line in lines[:-1]}
    assert videos == {
        "a.mp4": ("uploaded", ""),
        "b.mp4": ("", "not a readable media file (I"),
        "c.mp4": ("", "the file is empty. Copy or u"),
    }
    assert (label_studio.tasks, executor.calls) == ({}, {})


def test_a_dry_run_says_how_many_the_limit_leaves(executor: InlineExecutor, archive: Path) -> None:
    shown = run(archive, "--project=1", "--dry-run", "--limit=2").stdout
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in shown.splitlines()]
    assert ["taken on by this run (--limit)", "2"] in rows


def test_a_few_at_a_time_all_failed_files_are_tried_again(executor: InlineExecutor, archive: Path) -> None:
    executor.results |= {name: NotAVideo("no") for name in ("a.mp4", "b.mp4", "c.mp4")}
    run(archive, "--project=1")
    for _ in range(3):
        shown = run(archive, "--project=1", "--retry-failed", "--limit=1").stdout
    assert executor.calls == {"a.mp4": 4, "b.mp4": 4, "c.mp4": 4}
    assert "--retry-failed tries again what was given up." in shown


def test_a_dry_run_names_what_was_given_up(executor: InlineExecutor, archive: Path) -> None:
    executor.results["b.mp4"] = NotAVideo("no")
    run(archive, "--project=1")
    plan = json.loads(run(archive, "--project=1", "--dry-run", "--json-progress").stdout.splitlines()[-1])
    assert (plan["to_do"], plan["done"], plan["given up"]) == (0, 2, 1)
    again = run(archive, "--project=1", "--dry-run", "--json-progress", "--retry-failed").stdout.splitlines()
    assert json.loads(again[-1])["to_do"] == 1


def test_a_dry_run_lists_the_videos_within_80_columns(
    executor: InlineExecutor, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (archive / "c.mp4").write_bytes(b"")
    shown = run(archive, "--project=1", "--dry-run").stdout
    assert "would fail: the file is empty" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.fixture
def unplayable(executor: InlineExecutor, archive: Path) -> Path:
    """An archive in which browsers play neither the file that is uploaded nor the one of which a copy is."""
    for path in archive.iterdir():
        path.unlink()
    for number, name in enumerate(("a.mp4", "b.mkv")):
        write_video(archive / name, count=5 + number)
        found = analysis()
        video = replace(found.video, unplayable="something that not all browsers play")
        executor.results[name] = replace(found, video=video, media_digest=f"{number}" * 64)
    return archive


def test_copies_that_were_made_are_counted(unplayable: Path) -> None:
    lines = run(unplayable, "--project=1", "--playable", "--json-progress").stdout.splitlines()
    assert json.loads(lines[-1])["copies"] == 2
    again = run(unplayable, "--project=1", "--playable", "--no-resume", "--json-progress").stdout.splitlines()
    assert json.loads(again[-1])["copies"] == 0


def test_a_copy_whose_delivery_is_repeated_is_counted_once(unplayable: Path, label_studio: FakeLabelStudio) -> None:
    label_studio.failures = [503] * 2
    (row,) = (line for line in run(unplayable, "--project=1", "--playable").stdout.splitlines() if "H.264 copy" in line)
    assert "given an H.264 copy in this run" in row
    assert row.split()[-2] == "2"


def test_who_wants_no_copies_reads_nothing_of_them(executor: InlineExecutor, archive: Path, tmp_path: Path) -> None:
    assert "copy" not in run(archive, "--project=1").stdout
    assert "copy" not in run(archive, "--out", tmp_path / "out").stdout


def test_tasks_in_files_play_copies_beside_the_originals(unplayable: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(unplayable, "--out", out)  # a run without copies before
    lines = run(unplayable, "--out", out, "--playable", "--json-progress").stdout.splitlines()
    assert json.loads(lines[-1])["copies"] == 2
    told = {task["data"]["video"]: task["data"][ORIGINAL] for task in json.loads((out / "tasks.json").read_text())}
    assert {Path(copy).name: Path(original).name for copy, original in told.items()} == {
        "a.mp4-h264.mp4": "a.mp4",
        "b.mkv-h264.mp4": "b.mkv",
    }
    assert {path.name for path in unplayable.iterdir()} == {"a.mp4", "a.mp4-h264.mp4", "b.mkv", "b.mkv-h264.mp4"}
    again = run(unplayable, "--out", out, "--playable", "--no-resume", "--json-progress").stdout.splitlines()
    assert (json.loads(again[-1])["copies"], json.loads(again[-1])["done"]) == (0, 2)


def test_videos_of_one_stem_play_a_copy_each(executor: InlineExecutor, unplayable: Path, tmp_path: Path) -> None:
    executor.results["a.mkv"] = executor.results["b.mkv"]
    (unplayable / "b.mkv").rename(unplayable / "a.mkv")
    run(unplayable, "--out", tmp_path / "out", "--playable")
    told = [task["data"] for task in json.loads((tmp_path / "out" / "tasks.json").read_text())]
    names = {Path(data["video"]).name: Path(data[ORIGINAL]).name for data in told}
    assert names == {"a.mkv-h264.mp4": "a.mkv", "a.mp4-h264.mp4": "a.mp4"}


def test_a_copy_of_a_file_of_before_is_made_anew_and_counted(unplayable: Path, tmp_path: Path) -> None:
    args = (unplayable, "--out", tmp_path / "out", "--playable", "--no-resume", "--json-progress")
    run(*args)
    os.utime(unplayable / "a.mp4-h264.mp4", (1, 1))
    assert json.loads(run(*args).stdout.splitlines()[-1])["copies"] == 1


def test_files_that_were_passed_over_are_counted(executor: InlineExecutor, archive: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "b.TXT", "c.jpg", "d"):
        (archive / name).write_bytes(b"1")
    said = "passed over: 4 files (.txt 2, no suffix 1, .jpg 1)"
    assert said in run(archive, "--project=1", "--dry-run").stdout
    assert said in run(archive, "--out", tmp_path / "out").stdout
    lines = run(archive, "--out", tmp_path / "out", "--json-progress").stdout.splitlines()
    assert json.loads(lines[-1])["passed_over"] == {".txt": 2, ".jpg": 1, "": 1}


def test_a_folder_without_videos_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"1")
    result = run(tmp_path / "pictures", "--out", tmp_path / "out")
    assert "passed over: 1 file (.jpg 1)" in str(result.exception)


def test_tasks_of_the_project(executor: InlineExecutor, label_studio: FakeLabelStudio) -> None:
    labelled, other = label_studio.add_task("/data/upload/1/x.mp4"), label_studio.add_task("/data/upload/1/y.mp4")
    label_studio.tasks[labelled]["total_annotations"] = 1
    assert run("--project=1", "--tasks=unlabelled").exit_code == 0
    assert executor.calls == {"y.mp4": 1}
    assert len(label_studio.of_task(other)) == 1


def test_without_a_token_a_project_is_refused(monkeypatch: pytest.MonkeyPatch, archive: Path) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "")
    assert "LABEL_STUDIO_API_KEY" in str(run(archive, "--project=1").exception)


def test_a_lost_scheduler_ends_the_run_and_blames_no_video(
    executor: InlineExecutor, archive: Path, tmp_path: Path
) -> None:
    executor.results["b.mp4"] = SchedulerLost("The Dask scheduler is gone.")
    assert isinstance(run(archive, "--out", tmp_path / "out").exception, SchedulerLost)
    executor.results.clear()
    assert run(archive, "--out", tmp_path / "out").exit_code == 0


def test_figures_of_equal_files_add_up(
    executor: InlineExecutor, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    write_video(archive / "a.mp4", count=3)
    (archive / "b.mp4").write_bytes((archive / "a.mp4").read_bytes())
    for name in "ab":
        executor.results[f"{name}.mp4"] = replace(analysis(), media_digest=f"{0:064x}")
    executor.results["c.mp4"] = NotAVideo("c.mp4: not a readable media file.")
    planned = [
        json.loads(line) for line in run(archive, "--project=1", "--dry-run", "--json-progress").stdout.split("\n")[:-1]
    ]
    assert [planned[-1].get(name) for name in ("queued", "unreadable", "uploaded", "same")] == [3, 1, 1, 1]
    shown = " ".join(run(archive, "--project=1", "--dry-run").stdout.split())
    assert f"to do, same bytes as {archive / 'a.mp4'}" in shown
    done = run(archive, "--project=1").stdout
    (row,) = (line for line in done.splitlines() if "of them with the task of an equal file" in line)
    assert row.split()[-2] == "1"
