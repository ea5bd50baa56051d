"""The whole way in a real Label Studio and a real browser: upload, prediction, correction, restart.

One run is made and what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import labeling_page
import pytest
from places import SHARED
from real_label_studio import PASSWORD, USER, label_studio_script

from backend.labels.labelled import DrawnRep, labelled_videos
from backend.local_labelstudio.demo import Demo, running, wait_for_predictions
from backend.local_labelstudio.server import LabelStudioServer
from backend.settings import Settings
from backend.storage.labels import LabelledRegion
from pipeline.datasets.frames import to_seconds
from pipeline.synthetic import demo_plan, reps_of
from pipeline.synthetic.drawing import render

pytestmark = pytest.mark.e2e

WEBHOOK_PATIENCE_S = 30.0


@dataclass
class Observed:
    """What happened. `predictions` are, by task, what Label Studio's API shows: result, score, model version."""

    truth: list[tuple[float, float]] = field(default_factory=list)
    rate: float = 0.0
    predictions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    on_page: list[labeling_page.Region] = field(default_factory=list)
    corrected: str = ""
    submitted: dict[str, Any] = field(default_factory=dict)
    stored: list[LabelledRegion] = field(default_factory=list)
    second_task_predictions: list[dict[str, Any]] = field(default_factory=list)
    after_restart: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    stored_after_restart: list[LabelledRegion] = field(default_factory=list)
    drafted: dict[str, Any] = field(default_factory=dict)
    after_draft: list[DrawnRep] = field(default_factory=list)
    screenshot: Path | None = None


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "synthetic.mp4"
    render(demo_plan(), path)
    return path


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, synthetic: Path) -> Observed:
    folder = tmp_path_factory.mktemp("demo")
    clip, truth = _real_clip() or (synthetic, [(rep.start_s, rep.end_s) for rep in reps_of(demo_plan())])
    seen = Observed(truth=truth)
    settings = Settings(_env_file=None, data_dir=folder / "backend", backend_port=0)
    script = label_studio_script()

    def label_studio() -> LabelStudioServer:
        return LabelStudioServer(script, folder / "label-studio", 0, username=USER, password=PASSWORD)

    with running(label_studio(), settings, [clip]) as demo:
        ((task, predictions),) = wait_for_predictions(demo, lambda done, total: None)
        seen.rate = float(task.data["fps"])
        seen.predictions[task.id] = predictions
        _correct_in_page(demo, task.id, seen, folder)
        seen.stored = _stored_regions(demo, task.id)
        demo.client.upload(demo.project, synthetic if clip != synthetic else _another(synthetic))
        for second, stored in wait_for_predictions(demo, lambda done, total: None):
            seen.predictions[second.id] = stored
            if second.id != task.id:
                seen.second_task_predictions = stored
                _submit_a_draft(demo, second.id, seen)
    with running(label_studio(), settings, [clip]) as demo:
        # Long enough for whatever a restart might do twice: the start looks for unfinished work at once.
        time.sleep(5)
        seen.after_restart = {t: demo.client.predictions(t) for t in seen.predictions}
        seen.stored_after_restart = _stored_regions(demo, task.id)
    return seen


def test_every_repetition_is_predicted(observed: Observed) -> None:
    assert len(_regions(observed)) == len(observed.truth)


def test_each_boundary_is_within_three_tenths_of_a_second(observed: Observed) -> None:
    found = [to_seconds(start, end, observed.rate) for start, end, _ in _regions(observed)]
    assert found == [pytest.approx(rep, abs=0.3) for rep in observed.truth]


def test_the_page_shows_the_regions_at_their_frames(observed: Observed) -> None:
    assert [(r.start, r.end, r.label) for r in observed.on_page] == _regions(observed)


def test_the_page_was_photographed(observed: Observed) -> None:
    assert observed.screenshot is not None
    assert observed.screenshot.stat().st_size > 50_000


def test_a_correction_reaches_the_store_with_its_provenance(observed: Observed) -> None:
    changed = {region.region: region for region in observed.stored}[observed.corrected]
    before = {r.id: r.label for r in observed.on_page}[observed.corrected]
    assert (changed.label == "anomalous") == (before == "Normal rep")
    assert changed.origin == "prediction-changed"


def test_untouched_repetitions_reach_the_store_as_predicted(observed: Observed) -> None:
    untouched = [r for r in observed.stored if r.region != observed.corrected]
    expected = [to_seconds(r.start, r.end, observed.rate) for r in observed.on_page if r.id != observed.corrected]
    assert [(r.start_s, r.end_s) for r in untouched] == [pytest.approx(times) for times in expected]
    assert {r.origin for r in untouched} == {"prediction"}


def test_a_second_video_is_predicted_without_being_opened(observed: Observed) -> None:
    assert len(observed.second_task_predictions) == 1
    assert observed.second_task_predictions[0]["result"]


def test_a_draft_is_submitted_without_its_prediction(observed: Observed) -> None:
    assert observed.drafted["parent_prediction"] is None  # what Label Studio does, and why the next test is needed
    assert observed.drafted["draft_created_at"]


def test_what_was_kept_as_a_draft_is_known_with_its_origin(observed: Observed) -> None:
    (version,) = {one["model_version"] for one in observed.second_task_predictions}
    count = len(observed.after_draft)
    assert count > 1
    assert [rep.origin for rep in observed.after_draft] == ["changed", *["untouched"] * (count - 1)]
    assert {rep.proposed_by for rep in observed.after_draft} == {version}


def test_a_restart_duplicates_no_prediction(observed: Observed) -> None:
    assert {task: len(stored) for task, stored in observed.after_restart.items()} == dict.fromkeys(
        observed.predictions, 1
    )


def test_a_restart_loses_no_label(observed: Observed) -> None:
    assert [(r.region, r.start_s, r.end_s, r.label) for r in observed.stored_after_restart] == [
        (r.region, r.start_s, r.end_s, r.label) for r in observed.stored
    ]


def _real_clip() -> tuple[Path, list[tuple[float, float]]] | None:
    """The first clip with many certain repetitions and their [start, end] seconds; None where there are no clips."""
    videos = SHARED / "data" / "videos"
    if not videos.is_dir():
        return None
    for clip in json.loads((videos / "groundtruth.json").read_text()):
        if clip["form_label"] == "ok" and not clip["uncertain"] and clip["duration_s"] < 30 and len(clip["reps"]) >= 6:
            return videos / clip["file"], [(rep["start_s"], rep["end_s"]) for rep in clip["reps"]]
    return None


def _another(video: Path) -> Path:
    copy = video.with_name("another.mp4")
    copy.write_bytes(video.read_bytes())
    return copy


def _correct_in_page(demo: Demo, task: int, seen: Observed, folder: Path) -> None:
    """What an annotator does: look, change the second repetition's label, submit."""
    with labeling_page.new_page() as page:
        labeling_page.log_in(page, demo.url, USER, PASSWORD)
        labeling_page.open_task(page, demo.url, demo.project, task)
        seen.on_page = labeling_page.wait_for_regions(page, len(_regions(seen)))
        region = seen.on_page[1]
        seen.corrected = region.id
        seen.screenshot = folder / "labeling-page.png"
        labeling_page.select(page, region.id)
        labeling_page.screenshot(page, seen.screenshot)
        labeling_page.set_label(page, region.id, "Anomalous rep" if region.label == "Normal rep" else "Normal rep")
        seen.submitted = labeling_page.submit(page)


def _submit_a_draft(demo: Demo, task: int, seen: Observed) -> None:
    """Somebody moves the first start, leaves so that a draft is kept, comes back and submits it."""
    with labeling_page.new_page() as page:
        labeling_page.log_in(page, demo.url, USER, PASSWORD)
        labeling_page.open_task(page, demo.url, demo.project, task)
        proposed = [one for one in seen.second_task_predictions[0]["result"] if one["type"] == "timelinelabels"]
        regions = labeling_page.wait_for_regions(page, len(proposed))
        labeling_page.keep_draft(page, lambda: labeling_page.set_start_frame(page, regions[0].id, 2))
        labeling_page.open_task(page, demo.url, demo.project, task)
        labeling_page.wait_for_regions(page, len(regions))
        seen.drafted = labeling_page.submit(page)
    _stored_regions(demo, task)
    seen.after_draft = [
        rep for video in labelled_videos(demo.store, demo.project) if video.task == task for rep in video.reps
    ]


def _stored_regions(demo: Demo, task: int) -> list[LabelledRegion]:
    """What the store holds of the task's annotation, once the webhook has come in."""
    deadline = time.monotonic() + WEBHOOK_PATIENCE_S
    while time.monotonic() < deadline:
        annotations = demo.store.labels.annotations(task)
        if annotations:
            return list(demo.store.labels.labelled_regions(annotations[-1].id))
        time.sleep(0.2)
    return []


def _regions(seen: Observed) -> list[tuple[int, int, str]]:
    """Start frame, end frame and label of the first task's prediction."""
    first = next(iter(seen.predictions.values()))[0]
    return [
        (
            result["value"]["ranges"][0]["start"],
            result["value"]["ranges"][0]["end"],
            result["value"]["timelinelabels"][0],
        )
        for result in first["result"]
        if result["type"] == "timelinelabels"
    ]
