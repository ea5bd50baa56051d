"""Files of an archive that browsers do not play: their tasks play copies, and the originals stay what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from archive_runs import Run, predictions
from fakes import VERSION, analysis
from label_studio_api import FakeLabelStudio
from video_files import write_video

from backend.archives.sources import files
from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
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
    run.executor.results["a.mkv"] = replace(
        found, video=replace(found.video, unplayable="Matroska, a kind of file that not all browsers play")
    )
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
    assert data["video"] == "/data/local-files/?d=archive/a-h264.mp4"
    assert data["deadlift_original"] == "/data/local-files/?d=archive/a.mkv"
    assert data["deadlift_state"] == "predicted"
    assert [load_analysis(job.result).video.has_playable_copy for job in context.store.jobs()] == [True]
    assert unplayable(archive / "a-h264.mp4") == ""


def test_the_next_run_takes_the_copy_for_no_video_of_its_own(
    context: Context, archive: Path, tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    _run(context, archive, tmp_path)()
    assert [Path(source.name).name for source in files([str(archive)])] == ["a.mkv"]
    assert _run(context, archive, tmp_path)() == {}
    assert predictions(label_studio) == [1]


def test_an_uploaded_file_gets_an_uploaded_copy(context: Context, archive: Path, label_studio: FakeLabelStudio) -> None:
    _run(context, archive, None)()
    data = _data(label_studio)
    assert data["video"].endswith("-a-h264.mp4")
    assert data["deadlift_original"].endswith("-a.mkv")
    assert [path.name for path in archive.iterdir()] == ["a.mkv"]
