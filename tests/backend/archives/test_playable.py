"""Files of an archive that browsers do not play: their tasks play copies, and the originals stay what they are."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from archive_runs import CONTROLS, Run, predictions
from fakes import VERSION, analysis
from label_studio_api import FakeLabelStudio
from video_files import write_video

from backend.archives.folder_target import FolderTarget
from backend.archives.foreseen_files import ForeseenFiles
from backend.archives.project_target import ProjectTarget
from backend.archives.sources import files
from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.jobs import Store
from backend.storage.ledger import Ledger, RunOptions, Source
from pipeline.config import PipelineConfig
from pipeline.media.playability import unplayable


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    return write_video(tmp_path / "archive" / "a.mkv", count=5).parent


@pytest.fixture
def context(store: Store, client: LabelStudioClient, access: Access, tmp_path: Path) -> Context:
    models = Registry(tmp_path / "models", Model(VERSION, None))
    return Context(store, client, models, PipelineConfig(), access, tmp_path / "data", make_playable=True)


def _run(context: Context, archive: Path, root: Path | None) -> Run:
    run = Run(context, True, archive, root)
    found = analysis()
    video = replace(found.video, unplayable="something that not all browsers play")
    found = replace(found, video=video, media_digest="0f1e2d3c" * 8)
    run.executor.results = dict.fromkeys(("a.mkv", "a.mp4", "0123abcd-a.mkv"), found)
    return run


def _data(label_studio: FakeLabelStudio) -> dict[str, Any]:
    (task,) = label_studio.tasks.values()
    return dict(task["data"])


def test_a_linked_file_gets_a_copy_beside_it(
    context: Context, archive: Path, tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    run = _run(context, archive, tmp_path)
    assert run() == {"a.mkv": 1}
    data = _data(label_studio)
    assert data["video"] == "/data/local-files/?d=archive/a.mkv-h264.mp4"
    assert data["deadlift_original"] == "/data/local-files/?d=archive/a.mkv"
    assert data["deadlift_file"] == "a.mkv"
    assert data["deadlift_state"] == "predicted"
    assert [load_analysis(job.result).video.has_playable_copy for job in context.store.jobs()] == [True]
    assert unplayable(archive / "a.mkv-h264.mp4") == ""


def test_the_next_run_takes_the_copy_for_no_video_of_its_own(
    context: Context, archive: Path, tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    _run(context, archive, tmp_path)()
    assert [Path(source.name).name for source in files([str(archive)])] == ["a.mkv"]
    assert _run(context, archive, tmp_path)() == {}
    assert predictions(label_studio) == [1]


def test_an_uploaded_file_gets_an_uploaded_copy(context: Context, archive: Path, label_studio: FakeLabelStudio) -> None:
    (archive / "a.mkv").rename(archive / "a.mp4")
    _run(context, archive, None)()
    data = _data(label_studio)
    assert data["video"].endswith("-a-h264.mp4")
    assert data["deadlift_original"].endswith("-a.mp4")
    assert data["deadlift_file"] == "a.mp4"
    assert [path.name for path in archive.iterdir()] == ["a.mp4"]


def test_of_a_file_that_label_studio_takes_no_uploads_of_a_copy_is_uploaded(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    run = _run(context, archive, None)
    assert run() == {"a.mkv": 1}
    data = _data(label_studio)
    assert data["video"].endswith("-a.mkv-0f1e2d3c-h264.mp4")
    assert data["deadlift_file"] == "a.mkv"
    assert "deadlift_original" not in data
    assert data["deadlift_state"] == "predicted"
    assert [load_analysis(job.result).video.has_playable_copy for job in context.store.jobs()] == [True]
    assert run() == {}
    assert predictions(label_studio) == [1]


def test_without_being_asked_to_no_copy_is_uploaded_and_the_remedy_is_named(context: Context, archive: Path) -> None:
    run = _run(replace(context, make_playable=False), archive, None)
    assert run(attempts=1) == {"!a.mkv": 1}
    (failed,) = run.ledger.of_run(run.number, "failed")
    assert "(.mkv extension is not supported)" in failed.error_message
    assert "`deadlift prelabel --playable` uploads an H.264 copy" in failed.error_message


def test_a_plan_says_what_is_uploaded_as_a_copy(context: Context, archive: Path) -> None:
    (source,) = files([str(archive)])
    for make_playable, how in ((True, "copied"), (False, "refused")):
        asked = replace(context, make_playable=make_playable)
        ledger = Ledger(context.store.engine)
        assert ProjectTarget(asked, ledger, 1, CONTROLS, None).new_task(source).kind == how
        assert ProjectTarget(asked, ledger, 1, CONTROLS, archive.parent).new_task(source).kind == "linked"


def test_a_root_that_does_not_hold_a_file_is_told_once(
    context: Context, archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(archive / "b: two.mp4", count=2)
    target = ProjectTarget(context, Ledger(context.store.engine), 1, CONTROLS, archive)
    for source in files([str(archive)]):
        target.checked(source)
    assert caplog.text.count("is uploaded, unless it has a task") == 1
    assert "fails at its end" not in caplog.text


def test_files_of_which_nothing_is_to_be_said_are_not_read_before_a_run(
    context: Context, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        write_video(archive / f"{number}.mkv", count=2)
    asked: list[Path] = []
    monkeypatch.setattr(ForeseenFiles, "equal_of", lambda self, file: asked.append(file))
    for make_playable in (True, False):
        target = ProjectTarget(
            replace(context, make_playable=make_playable), Ledger(context.store.engine), 1, CONTROLS, None
        )
        for source in files([str(archive)]):
            target.checked(source)
        assert len(asked) == (0 if make_playable else 1), "once something was said, it holds for others like it"


def test_it_is_said_at_once_what_label_studio_will_not_take(
    context: Context, archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = ProjectTarget(replace(context, make_playable=False), Ledger(context.store.engine), 1, CONTROLS, None)
    for source in files([str(archive)]):
        target.checked(source)
    assert "a.mkv: fails at its end, unless it has a task. Label Studio takes uploads that end in .mp4" in caplog.text


def _copies(label_studio: FakeLabelStudio) -> list[str]:
    return [name for name in label_studio.files if name.endswith("-h264.mp4")]


def test_a_prediction_that_label_studio_did_not_take_makes_no_second_copy(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    run = _run(context, archive, None)
    label_studio.failures = [503] * 3
    assert run() == {"!a.mkv": 1, "a.mkv": 1}
    assert len(_copies(label_studio)) == 1
    assert "deadlift_original" not in _data(label_studio)


@pytest.mark.parametrize("is_asked", [True, False])
def test_what_is_known_may_be_forgotten_and_the_task_still_plays_its_copy(
    context: Context, archive: Path, label_studio: FakeLabelStudio, is_asked: bool
) -> None:
    _run(context, archive, None)()
    with context.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")  # as after a kill between the upload and the note of it
    _run(replace(context, make_playable=is_asked), archive, None)()
    assert len(_copies(label_studio)) == 1
    assert _data(label_studio)["deadlift_state"] == "predicted"


def test_a_copy_that_an_earlier_build_called_by_the_stem_is_found(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    _run(context, archive, None)()
    (task,) = label_studio.tasks.values()
    task["data"]["video"] = task["data"]["video"].replace("a.mkv-", "a-")
    label_studio.files = {name.replace("a.mkv-", "a-"): content for name, content in label_studio.files.items()}
    with context.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")  # as of a new data folder
    _run(context, archive, None)()
    assert len(_copies(label_studio)) == 1
    assert predictions(label_studio) == [1]


def test_a_task_that_was_made_anew_gets_a_copy_again(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    (archive / "a.mkv").rename(archive / "a.mp4")
    run = _run(context, archive, None)
    run()
    label_studio.tasks.clear()
    run.ledger.start_over(run.number)
    with context.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger SET state = 'analyzed', result = replace(result, 'false', 'true')")
    run()
    run()
    assert _data(label_studio)["deadlift_original"].endswith("-a.mp4")


def _task(label_studio: FakeLabelStudio, tmp_path: Path) -> tuple[int, str]:
    """A task with an upload that browsers do not play: its number and its address."""
    address = "/data/upload/1/0123abcd-a.mkv"
    label_studio.files["1/0123abcd-a.mkv"] = write_video(tmp_path / "b.mkv", count=6, fps=25).read_bytes()
    return label_studio.add_task(address), address


def test_a_task_that_somebody_labelled_gets_a_copy_too(
    context: Context, archive: Path, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    number, address = _task(label_studio, tmp_path)
    label_studio.tasks[number]["annotations"] = [{"id": 9, "result": []}]
    run = _run(context, archive, None)
    source = Source(f"task {number}", address, address, Task(number, 1, {"video": address}))
    assert run(iter([source])) == {f"task {number}": 1}
    data = label_studio.tasks[number]["data"]
    assert data["deadlift_original"] == address
    assert data["video"].endswith("-a-h264.mp4")
    assert [load_analysis(job.result).video.has_playable_copy for job in context.store.jobs()] == [True]


def _task_run(run: Run, label_studio: FakeLabelStudio) -> None:
    """A run over the task that the archive's file has."""
    ((number, task),) = label_studio.tasks.items()
    address = task["data"]["video"]
    run(iter([Source(f"task {number}", address, address, Task(number, 1, dict(task["data"])))]))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_an_equal_file_elsewhere_has_the_task_that_plays_a_copy(
    context: Context, archive: Path, label_studio: FakeLabelStudio, suffix: str
) -> None:
    first = (archive / "a.mkv").rename(archive / f"a.{suffix}")
    _run(context, archive, None)()
    other = archive.with_name("archive2") / f"b.{suffix}"
    other.parent.mkdir()
    other.write_bytes(first.read_bytes())
    run = _run(context, other.parent, None)
    run.executor.results[other.name] = run.executor.results["a.mkv"]
    before = _data(label_studio)
    assert run() == {other.name: 1}
    assert _data(label_studio) == before
    assert predictions(label_studio) == [1]
    assert len(_copies(label_studio)) == 1


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_copy_that_was_uploaded_in_place_of_a_file_gets_none(
    context: Context, archive: Path, label_studio: FakeLabelStudio, is_asked: bool
) -> None:
    run = _run(context, archive, None)
    run()
    played = _data(label_studio)["video"]
    run = _run(replace(context, make_playable=is_asked), archive, None)
    run.executor.results[Path(played).name] = run.executor.results["a.mkv"]  # as it is known
    _task_run(run, label_studio)
    assert (_data(label_studio)["video"], len(_copies(label_studio))) == (played, 1)
    assert "deadlift_original" not in _data(label_studio)
    assert _data(label_studio)["deadlift_state"] == "predicted"
    assert _run(context, archive, None)() == {}


def test_a_copy_under_a_name_of_its_own_gets_none_either(
    context: Context, archive: Path, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/0123abcd-a.mkv"] = write_video(tmp_path / "b.mp4", count=6).read_bytes()
    label_studio.add_task("/data/upload/1/0123abcd-a.mkv")
    _task_run(_run(context, archive, None), label_studio)
    assert _copies(label_studio) == []
    assert _data(label_studio)["deadlift_state"] == "predicted"


def test_an_uploaded_copy_that_is_analyzed_itself_stays_known_as_one(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    _run(context, archive, None)()
    run = _run(context, archive, None)  # in which the executor finds nothing unplayable in the copy
    _task_run(run, label_studio)
    assert [load_analysis(job.result).video.has_playable_copy for job in context.store.jobs()] == [True]
    assert len(_copies(label_studio)) == 1


def test_a_copy_that_cannot_be_made_leaves_the_prediction(
    context: Context, archive: Path, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    number, address = _task(label_studio, tmp_path)
    label_studio.refuses_uploads = True
    run = _run(context, archive, None)
    assert run(iter([Source(f"task {number}", address, address, Task(number, 1, {"video": address}))]))
    assert label_studio.tasks[number]["data"]["video"] == address
    assert predictions(label_studio) == [1]


def test_who_asks_for_copies_later_gets_them_without_another_analysis(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    (archive / "a.mkv").rename(archive / "a.mp4")
    run = _run(replace(context, make_playable=False), archive, None)
    run()
    assert not _data(label_studio)["video"].endswith("-h264.mp4")
    run = _run(context, archive, None)
    sources = list(files([str(archive)]))
    config = context.config.digest()
    assert run.ledger.known(run.target, VERSION, config, sources, RunOptions(copies=True)) == ["analyzed"]
    run.ledger.ask_for_copies(run.ledger.begin(run.target, VERSION, config, iter(sources)))
    assert run() == {"a.mp4": 1}
    assert run.executor.calls == {}
    assert _data(label_studio)["video"].endswith("-a-h264.mp4")
    assert predictions(label_studio) == [1]
    assert run.ledger.known(run.target, VERSION, config, sources, RunOptions(copies=True)) == ["done"]


def test_with_playable_a_refused_upload_is_tried_again_as_a_copy(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    run = _run(replace(context, make_playable=False), archive, None)
    assert run() == {"!a.mkv": 2}
    run = _run(context, archive, None)
    sources, config = list(files([str(archive)])), context.config.digest()
    assert run.ledger.known(run.target, VERSION, config, sources, RunOptions(copies=True)) == ["analyzed"]
    run.ledger.ask_for_copies(run.ledger.begin(run.target, VERSION, config, iter(sources)))
    assert run() == {"a.mkv": 1}
    assert _data(label_studio)["video"].endswith("-h264.mp4")


def test_a_model_that_is_put_in_use_while_a_copy_is_uploaded_keeps_its_prediction(
    context: Context, archive: Path, access: Access, label_studio: FakeLabelStudio
) -> None:
    (archive / "a.mkv").rename(archive / "a.mp4")
    context.registry.choose_rate(1, 0.1)
    other = context.registry.current(1).version
    context.registry.choose_rate(1, None)
    context.store.job_for(Task(99, 1, {}), "b.mp4", other, context.config.digest())  # the project knows it

    class Overtaken(LabelStudioClient):
        """Meanwhile a server puts that model in use, and stores its prediction."""

        def upload_file(self, project: int, path: Path, name: str = "") -> str:
            context.registry.choose_rate(1, 0.1)
            label_studio.add_prediction(next(iter(label_studio.tasks)), other, [])
            return super().upload_file(project, path, name)

    _run(replace(context, client=Overtaken(access)), archive, None)()
    (number,) = label_studio.tasks
    assert other in [one["model_version"] for one in label_studio.of_task(number)]


def test_what_a_server_stored_first_is_what_is_kept(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    run = _run(context, archive, None)
    run()
    (job,) = context.store.jobs()
    mine = load_analysis(job.result)
    context.store.finish_job(job.id, dump_analysis(replace(mine, confidence=0.25)))  # of the copy, by a server
    run.ledger.start_over(run.number)
    run()
    (job,) = context.store.jobs()
    assert load_analysis(job.result).confidence == 0.25 != mine.confidence
    assert _data(label_studio)["deadlift_confidence"] == 0.25


def test_a_file_that_is_given_twice_gets_one_copy_by_one_thread(
    context: Context, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(archive)
    made: list[Path] = []

    def slowly(video: Path, copy: Path) -> None:
        made.append(video)
        time.sleep(0.2)
        copy.touch()

    monkeypatch.setattr("backend.archives.copies.make_playable", slowly)
    ledger = Ledger(context.store.engine)
    run = ledger.begin("folder /out", "m", "c", [Source(f"{at}/a.mkv", "", "1") for at in (archive, tmp_path / "link")])
    found = analysis()
    found = replace(found, video=replace(found.video, unplayable="something that not all browsers play"))
    target = FolderTarget(ledger, makes_copies=True)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda entry: target.deliver(entry, found), list(ledger.of_run(run, "queued"))))
    assert (len(made), target.copies) == (1, 1)
