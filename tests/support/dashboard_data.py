"""What the pages show, in a store: videos in every state, labels that correct them, models with and without proof."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from drawn_lifts import video
from fakes import CONFIG, VERSION, analysis
from flask.testing import FlaskClient

from backend.labels.events import save_annotations
from backend.labelstudio.format import AnnotationsSaved, Json, Task
from backend.models.registry import Registry
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.storage.ledger import Ledger, Source
from pipeline.config import PipelineConfig
from pipeline.pose.cache import PoseCache
from pipeline.records import BodyPart, Reason, Rep, RepScore, VideoInfo

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MARKUP = "<i>marked"
MARKED = 99
"""A task, and what its file and model are called."""
RATE = 25.0
_LABELS = {"normal": "Normal rep", "anomalous": "Anomalous rep"}
DRAWN, FEW, NONE, BROKEN, LOST, WAITING = 11, 12, 13, 14, 15, 16
"""Tasks of project 1: a drawn lift with landmarks; a few repetitions; none; not a video; a passing failure; queued."""


def media(name: str) -> str:
    return f"/data/upload/1/0123abcd-{name}.mp4"


def fill_videos(
    store: Store, folder: Path, part: BodyPart = "back", bow: float | None = None, unjudged: int = 0
) -> tuple[Rep, ...]:
    """Project 1 with a video in every state; returns the repetitions of the drawn one. part: of the body that is their
    first reason, during the pull; bow: of the back of the fourth, the only anomalous one. That of the second looks
    rounded. unjudged: the number of one that could not be judged, 0 for none."""
    store.remember_project(1, CONFIG)
    pose, reps = video(1, 5)
    digest = "ab" * 32
    PoseCache(folder / "poses").put(digest, PipelineConfig().pose, pose)
    why = (Reason(part, "pull", 0.6),)
    judged = zip((0.1, 0.2, 0.3, 0.92, 0.4), (None, 0.06, None, bow, 0.0), strict=True)
    scores = tuple(
        RepScore(score, 0.5, 1.0, why, number != unjudged, back_bow=its_bow)
        for number, (score, its_bow) in enumerate(judged, 1)
    )
    info = VideoInfo("drawn.mp4", float(pose.time[-1]) + 1, RATE, pose.width, pose.height, codec="h264")
    drawn = replace(analysis(), video=info, reps=reps, scores=scores, media_digest=digest, confidence=0.9)
    _done(store, DRAWN, "drawn", drawn)
    odd = replace(analysis((0.1, 0.2), confidence=0.3).video, codec="mpeg4", variable_rate=True)
    few = replace(analysis((0.1, 0.2), confidence=0.3), video=odd, warning="two people lift: <b>one</b> is counted")
    _done(store, FEW, "few", few)
    none = replace(analysis((), confidence=1.0), video=replace(info, whole_s=99.0), nothing="nobody is seen")
    _done(store, NONE, "nobody", replace(none, warning=none.video.cut_short))
    for task, name, kind, message in (
        (BROKEN, "notes", "NotAVideo", "notes.mp4: not a readable media file <script>."),
        (LOST, "lost", "WorkerLost", "The process that worked on this video died."),
    ):
        job = store.job_for(Task(task, 1, {"video": media(name)}), media(name), VERSION, "c")
        store.start_jobs([job.id])
        store.fail_job(job.id, kind, message)
    store.job_for(Task(WAITING, 1, {"video": media("waiting")}), media("waiting"), VERSION, "c")
    return reps


def fail_files(store: Store, paths: Sequence[str], message: str) -> None:
    """Files of an archive that failed before project 1 had a task for them, the last one last. message: behind the
    path of each."""
    ledger = Ledger(store.engine)
    run = ledger.begin("project 1", VERSION, "c", [Source(path, path, "1-1") for path in paths])
    for entry in ledger.of_run(run, "queued"):
        ledger.failed(entry.id, "NotAVideo", f"{entry.source}{message}")


def label(
    store: Store,
    annotation: int,
    task: int,
    regions: list[tuple[str, float, float, str]],
    annotator: int = 3,
    faults: dict[str, list[str]] | None = None,
    **more: Any,
) -> None:
    """An annotation that began with the task's prediction. regions: id, start_s, end_s, and "normal",
    "anomalous" or another label. faults: those ticked, by the region's id."""
    result: list[Json] = [
        {
            "id": name,
            "type": "timelinelabels",
            "from_name": "reps",
            "to_name": "video",
            "origin": "prediction" if name.startswith("rep") else "manual",
            "value": {
                "ranges": [{"start": round(start_s * RATE) + 1, "end": round(end_s * RATE)}],
                "timelinelabels": [_LABELS.get(label, label)],
            },
        }
        for name, start_s, end_s, label in regions
    ]
    result += [
        {"id": name, "type": "choices", "from_name": "fault", "to_name": "video", "value": {"choices": ticked}}
        for name, ticked in (faults or {}).items()
    ]
    values = {
        "id": annotation,
        "result": result,
        "completed_by": annotator,
        "parent_prediction": 1000 + task,
        "updated_at": "2026-01-02T00:00:00Z",
        "lead_time": 30.0,
    }
    known = Task(task, 1, {"video": media("drawn"), "fps": RATE})
    save_annotations(store, AnnotationsSaved(((values | more, known),), CONFIG))


def add_model(
    registry: Registry, number: int, normals: float, anomalies: float, project: int = 1, **figures: Any
) -> str:
    """The shipped model as one of the project's; figures: more of the gate's, or `passed`, `reason`, `rates` and
    `doubtful_tasks`."""
    name = f"v{number:04d}"
    folder = registry.root / "1" / name
    folder.mkdir(parents=True)
    gate = {"passed": figures.pop("passed", True), "reason": figures.pop("reason", "Not worse on unseen videos.")}
    if tasks := figures.pop("doubtful_tasks", ()):
        gate |= {"doubtful_tasks": tasks}
    if at_rates := figures.pop("rates", ()):
        gate |= {"rate": 0.05, "rates": [asdict(one) for one in at_rates]}
    rates = {"candidate_false_alarms": 0.1, "current_false_alarms": 0.1, "candidate_misses": 1.0, "current_misses": 1.0}
    run = {
        "created": "2026-01-02T03:04:05Z",
        "parent_name": "base",
        "label_digest": f"{number:016x}",
        "labels": {"normal": 25, "anomalous": 2, "videos": 4, "skipped": []},
        "losses": [{"epoch": 1, "loss": 0.5, "held_out": 0.75}, {"epoch": 2, "loss": 0.25, "held_out": 0.5}],
        "confirmed": {"anomalous": 2, "flagged": 1, "flagged_before": 2},
        "gate": gate | {"figures": {"normals": normals, "anomalies": anomalies, **rates, **figures}},
    }
    (folder / "run.json").write_text(json.dumps(run))
    shipped = files("pipeline.anomaly") / "base_model"
    (folder / "weights.safetensors").write_bytes((shipped / "weights.safetensors").read_bytes())
    description = json.loads((shipped / "model.json").read_text()) | {"version": f"p1-{name}-0badc0de"}
    (folder / "model.json").write_text(json.dumps(description))
    labels = [{"task": DRAWN, "annotator": 3, "label": "normal"}] * 2
    (folder / "labels.json").write_text(json.dumps(labels))
    return name


def _done(store: Store, task: int, name: str, found: Any) -> None:
    job = store.job_for(Task(task, 1, {"video": media(name), "fps": RATE}), media(name), VERSION, "c")
    store.start_jobs([job.id])
    store.finish_job(job.id, dump_analysis(found))
    store.mark_pushed(job.id, 1000 + task)


def page(http: FlaskClient, address: str = "/") -> str:
    answer = http.get(address, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


def words_of(text: str) -> str:
    """The text of a page without tags, each stretch of space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def order(shown: str) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)', shown)
