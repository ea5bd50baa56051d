"""How long the pages take with many videos and models: fills a database, prints the median of each beside /health's.

Run: python benchmarks/dashboard_pages.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import update

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from drawn_lifts import video as drawn_video
from fakes import CONFIG, FakeExecutor, analysis

from backend.context import context_of
from backend.labels.events import save_annotations
from backend.labelstudio.format import AnnotationsSaved, Json, Task
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage import summaries
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Job, Store
from backend.web.app import create_app
from pipeline.config import PipelineConfig
from pipeline.pose.cache import PoseCache
from pipeline.records import Rep

VIDEOS = 2000
REPS = 5
VERSIONS = 200
JOBS = 3
"""Versions that each video was analyzed by."""
RATE = 30.0
PAGES = (
    "/", "/videos", "/videos?project=1&page=20", "/videos?text=1234", "/videos?labelled=anomalous",
    "/videos?score=0.50-0.55", "/videos?issue=duplicate", "/videos?issue=codec",
    "/videos?state=done&labelled=no&order=to-label", "/videos/1500", "/videos/1500/skeleton.svg",
    "/videos/1500/motion.png", "/models?project=1", "/models/1/v0100", "/models/1/v0100/labels",
    "/models/1/compare?first=v0100&second=v0101", "/labels?project=1", "/labels/repetitions?project=1&kind=moved",
    "/labels/repetitions?project=1&page=40", "/quality", "/quality?project=1", "/api/projects", "/api/videos",
    "/api/videos/1500", "/api/models/1", "/api/labels/1", "/api/labels/1/repetitions", "/api/quality",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), label_studio_url="", _env_file=None)  # type: ignore[call-arg]
        store = Store(settings.database_url)
        begun = time.perf_counter()
        fill(store, Path(folder))
        fill_models(Path(folder) / "models" / "1")
        print(
            f"{VIDEOS} videos, {VIDEOS * REPS} repetitions, {VIDEOS * JOBS} analyses, "
            f"{VERSIONS} versions: filled in {time.perf_counter() - begun:.0f} s"
        )
        begun = time.perf_counter()
        summaries.refresh(store.engine)
        print(f"summaries of all results, once: {time.perf_counter() - begun:.1f} s")
        service = Preannotator(context_of(settings, store), FakeExecutor(), 0.0)
        client = create_app(settings, service, store).test_client()
        gc.collect()
        gc.freeze()  # as the server does at its start
        floor = median(client, "/health", given.rounds)
        print(f"{'ms':>6}  {'x':>5}  page\n{floor:6.1f}  {1:5.1f}  /health")
        for page in PAGES:
            took = median(client, page, given.rounds)
            print(f"{took:6.1f}  {took / floor:5.1f}  {page}")
        service.close()
        store.close()


def median(client: FlaskClient, address: str, rounds: int) -> float:
    """Milliseconds of an answer after a first one."""
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        answer = client.get(address, headers={"Accept": "text/html"})
        taken.append(1000 * (time.perf_counter() - begun))
        assert answer.status_code == 200, (address, answer.text)
    return statistics.median(taken[1:])


def fill(store: Store, folder: Path) -> None:
    """Two projects with videos that three versions analyzed; every second one is labelled, some by two people."""
    pose, found = drawn_video(1, REPS)
    digest = f"{1:064x}"
    PoseCache(folder / "poses").put(digest, PipelineConfig().pose, pose)
    for project in (1, 2):
        store.remember_project(project, CONFIG)
    numbers = range(1, VIDEOS + 1)
    tasks = [Task(number, 1 if number % 4 else 2, {"video": media(number), "fps": RATE}) for number in numbers]
    for version in range(JOBS):
        name = f"p1-v{version:04d}"
        jobs = store.jobs_for([(task, media(task.id), name) for task in tasks], "c")
        results = {}
        for job in jobs:
            assert job is not None
            is_known = job.task == 1500 or job.task % 10 == 0
            made = replace(analysis(scores_of(job.task), RATE, name), reps=found, confidence=job.task * 13 % 100 / 100)
            results[job.id] = dump_analysis(replace(made, media_digest=digest if is_known else f"{job.task:064x}"))
        store.finish_jobs(results)
    with store.engine.begin() as connection:
        connection.execute(update(Job).values(delivery="pushed", prediction_id=Job.id))
    for job in jobs:
        assert job is not None
        for annotator in () if job.task % 2 else (1, 2) if job.task % 20 == 0 else (1,):
            label(store, job, found, annotator)


def scores_of(number: int) -> tuple[float, ...]:
    return tuple((number * 7 + rep * 31) % 100 / 100 for rep in range(REPS))


def media(number: int) -> str:
    return f"/data/upload/1/0123abcd-lifter {number}.mp4"


def label(store: Store, job: Job, reps: Sequence[Rep], annotator: int) -> None:
    result: list[Json] = []
    for number, (rep, score) in enumerate(zip(reps, scores_of(job.task), strict=True), start=1):
        later = 9 if (job.task + number) % 5 == 0 else 0
        span = {"start": round(rep.start_s * RATE) + 1 + later, "end": round(rep.end_s * RATE)}
        name = "Anomalous rep" if score >= 0.5 and number % 4 else "Normal rep"
        value = {"ranges": [span], "timelinelabels": [name]}
        tags = {"type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "prediction"}
        result.append({"id": f"rep{number}", "value": value, **tags})
        if name == "Anomalous rep":
            ticked = ["Rounded back", "Hitching"][: 1 + (job.task + number) % 2]
            chosen = {"type": "choices", "from_name": "fault", "to_name": "video", "origin": "prediction"}
            result.append({"id": f"rep{number}", "value": {"ranges": [span], "choices": ticked}, **chosen})
    annotation = {
        "id": job.task * 10 + annotator,
        "result": result,
        "completed_by": annotator,
        "parent_prediction": job.id,
        "updated_at": "2026-01-02T00:00:00Z",
        "lead_time": 30.0,
    }
    save_annotations(store, AnnotationsSaved(((annotation, Task(job.task, job.project, job.data)),), CONFIG))


def fill_models(folder: Path) -> None:
    """Copies of the shipped model with verdicts and losses; their weights are one file."""
    shipped = files("pipeline.anomaly") / "base_model"
    described = json.loads((shipped / "model.json").read_text())
    weights = folder.parent / "weights.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes((shipped / "weights.safetensors").read_bytes())
    for number in range(1, VERSIONS + 1):
        made = folder / f"v{number:04d}"
        made.mkdir(parents=True)
        figures = {"normals": 400.0, "anomalies": 60.0, "candidate_false_alarms": 0.05, "current_false_alarms": 0.06}
        figures |= {"candidate_misses": 0.2, "current_misses": 0.25, "candidate_auroc": 0.9, "current_auroc": 0.89}
        run = {
            "created": "2026-01-02T03:04:05Z",
            "parent_name": f"v{number - 1:04d}" if number > 1 else "base",
            "label_digest": f"{number:016x}",
            "labels": {"normal": 400, "anomalous": 60, "videos": 90, "skipped": []},
            "losses": [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 101)],
            "gate": {"passed": True, "reason": "Not worse on unseen videos.", "figures": figures},
        }
        (made / "run.json").write_text(json.dumps(run))
        (made / "model.json").write_text(json.dumps(described | {"version": f"p1-v{number:04d}-{number:08x}"}))
        os.link(weights, made / weights.name)
    Registry(folder.parent, Model("base", None)).promote(1, f"v{VERSIONS:04d}")


if __name__ == "__main__":
    main()
