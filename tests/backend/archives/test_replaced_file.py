"""A file that Label Studio reads where it lies, and that another video has taken the place of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from archive_runs import Killed, Run, predictions
from fakes import VERSION, analysis
from label_studio_api import FakeLabelStudio

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig


@pytest.fixture
def run(store: Store, client: LabelStudioClient, access: Access, tmp_path: Path) -> Run:
    """Runs over one linked file, which was predicted and has been replaced since."""
    context = Context(
        store, client, Registry(tmp_path / "models", Model(VERSION, None)), PipelineConfig(), access, tmp_path / "data"
    )
    (tmp_path / "archive").mkdir()
    video = tmp_path / "archive" / "a.mp4"
    video.write_bytes(b"a lift")
    run = Run(context, True, video.parent, tmp_path)
    run.executor.results["a.mp4"] = analysis(media_digest="before")
    run()
    video.write_bytes(b"another lift")
    run.executor.results["a.mp4"] = analysis((0.2,), fps=50.0, media_digest="now")
    return run


def test_it_is_predicted_anew(run: Run, store: Store, label_studio: FakeLabelStudio) -> None:
    assert run() == {"a.mp4": 1}
    (task,) = label_studio.tasks.values()
    (prediction,) = label_studio.of_task(task["id"])
    assert (task["data"]["fps"], len({one["id"] for one in prediction["result"]})) == (50.0, 1)
    assert [load_analysis(job.result).media_digest for job in store.jobs()] == ["now"]


def test_a_run_killed_after_that_does_it_once(
    run: Run, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("backend.storage.jobs.Store.finish_job", die)
        with pytest.raises(Killed):
            run()
    for task in label_studio.tasks.values():
        task["total_annotations"] = 1  # somebody labels what is there
    assert run() == {"a.mp4": 1}
    assert predictions(label_studio) == [1]


def test_after_it_was_labelled_it_is_a_failure_with_a_remedy(run: Run, label_studio: FakeLabelStudio) -> None:
    for task in label_studio.tasks.values():
        task["total_annotations"] = 1
    assert run() == {"!a.mp4": 2}
    assert predictions(label_studio) == [1]
    (entry,) = run.ledger.of_run(run.number, "failed")
    assert "Give the new one a name of its own" in entry.error_message
