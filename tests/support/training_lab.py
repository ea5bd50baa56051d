"""A project with drawn lifters whose labels train models, and an executor that runs at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from drawn_lifts import video
from fakes import CONFIG, analysis

from backend.context import Context
from backend.labels.events import save_annotations
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import AnnotationsSaved, Json, Task
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.storage.runs import Run
from backend.training.trainer import Trainer
from pipeline.anomaly.detector import load_detector
from pipeline.config import PipelineConfig
from pipeline.datasets.frames import to_frames
from pipeline.pose.cache import PoseCache
from pipeline.records import Rep, RepScore

RATE = 25.0
PER_VIDEO = 4


class InlineExecutor:
    """Runs a call at once, or says how it ended."""

    def __init__(self) -> None:
        self.fails: list[BaseException] = []
        self.before: Callable[[], None] = lambda: None

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        future: Future[Any] = Future()
        self.before()
        try:
            if self.fails:
                raise self.fails.pop()
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass


class Lab:
    """A project with drawn lifters' videos that were analyzed, people who label them, and what trains on it."""

    def __init__(self, store: Store, folder: Path, access: Access, after: int = 0) -> None:
        self.store = store
        self.folder = folder
        self.access = access
        self.executor = InlineExecutor()
        self.registry = Registry(folder / "models", Model(load_detector().version, None))
        self.changes = 0
        context = Context(store, LabelStudioClient(access), self.registry, PipelineConfig(), access, folder)
        self.trainer = Trainer(context, self.executor, after, self._changed)
        store.remember_project(1, CONFIG)
        self._moment = 0

    def _changed(self, project: int) -> None:
        self.changes += 1

    def add_video(self, task: int, faulty: int = 1) -> tuple[Rep, ...]:
        pose, reps = video(task, PER_VIDEO, faulty)
        PoseCache(self.folder / "poses").put(f"digest-{task}", PipelineConfig().pose, pose)
        found = replace(
            analysis(), reps=reps, scores=(RepScore(0.1, 0.5, 1.0),) * len(reps), media_digest=f"digest-{task}"
        )
        job = self.store.job_for(self.task(task), self.media(task), "base", "c")
        self.store.finish_job(job.id, dump_analysis(found))
        self.store.mark_pushed(job.id, 1000 + task)
        return reps

    def media(self, task: int) -> str:
        return f"/data/upload/1/{task}.mp4"

    def task(self, task: int) -> Task:
        return Task(task, 1, {"video": self.media(task), "fps": RATE})

    def annotation(self, task: int, reps: tuple[Rep, ...], faulty: int = 1, **other: Any) -> Json:
        self._moment += 1
        result = [
            {
                "id": f"rep{n}",
                "type": "timelinelabels",
                "from_name": "reps",
                "to_name": "video",
                "origin": "prediction",
                "value": {
                    "ranges": [dict(zip(("start", "end"), to_frames(rep.start_s, rep.end_s, RATE, 100), strict=True))],
                    "timelinelabels": ["Anomalous rep" if n >= len(reps) - faulty else "Normal rep"],
                },
            }
            for n, rep in enumerate(reps)
        ]
        values = {
            "id": task, "result": result, "was_cancelled": False, "ground_truth": False, "completed_by": 7,
            "parent_prediction": 1000 + task, "updated_at": f"2026-01-01T00:{self._moment:02d}:00Z",
        }  # fmt: skip
        return values | other

    def label(self, task: int, faulty: int = 1, called: int | None = None, **other: Any) -> None:
        """Somebody labels a video's repetitions; the last `called` of them as anomalous."""
        reps = self.add_video(task, faulty)
        annotation = self.annotation(task, reps, faulty if called is None else called, **other)
        save_annotations(self.store, AnnotationsSaved(((annotation, self.task(task)),), CONFIG))

    def train(self) -> Run:
        run = self.trainer.request(1, "test")
        self.trainer.run_next()
        return self.trainer.runs.run(run.id)
