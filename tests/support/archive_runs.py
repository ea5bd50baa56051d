"""Runs over an archive with an executor that knows the results, as if each run were a process of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fakes import CONFIG, VERSION, analysis
from label_studio_api import FakeLabelStudio

from backend.archives.folder_target import FolderTarget
from backend.archives.project_target import ProjectTarget
from backend.archives.run import ArchiveRun, Finished
from backend.archives.sources import files
from backend.archives.target import Target
from backend.context import Context
from backend.labelstudio.labeling_config import parse_controls
from backend.models.registry import Model
from backend.predictions.worker import FileJob
from backend.storage.ledger import Ledger, Source, target_name
from pipeline.records import Analysis

CONTROLS = parse_controls(CONFIG)


class Killed(BaseException):
    """Stands for the end of the process: no handler of ours takes it."""


class InlineExecutor:
    """Runs nothing: says what comes of a video, by its name. `calls` counts the videos that it was given."""

    capacity = 2

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.order: list[str] = []
        self.results: dict[str, BaseException | Analysis] = {}
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        job = args[0]
        name = Path(job.path if isinstance(job, FileJob) else job.media).name
        with self._lock:
            self.calls[name] += 1
            self.order.append(name)
        found = self.results.get(name, analysis())
        future: Future[Any] = Future()
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found)
        return future

    def close(self) -> None:
        pass


class Run:
    """Runs over an archive, one after the other, each as if by a process of its own."""

    def __init__(self, context: Context, project: bool, archive: Path, root: Path | None = None) -> None:
        self.context, self.archive, self.root = context, archive, root
        self.capacity = 2
        self.ledger = Ledger(context.store.engine)
        self.executor = InlineExecutor()
        self.target = target_name(1) if project else target_name(folder=archive.parent / "out")
        self._project = project
        self.number = 0

    def __call__(
        self, sources: Iterator[Source] | None = None, attempts: int = 2, limit: int | None = None
    ) -> Counter[str]:
        """One run; returns how often each video was told of, by its name, failed ones as "!name"."""
        config = self.context.config.digest()
        self.number = self.ledger.begin(self.target, VERSION, config, sources or files([str(self.archive)]))
        told: Counter[str] = Counter()

        def hear(finished: Finished) -> None:
            name = Path(finished.source).name
            told[name if finished.analysis is not None else f"!{name}"] += 1

        goal: Target = FolderTarget(self.ledger)
        if self._project:
            goal = ProjectTarget(self.context, self.ledger, 1, CONTROLS, self.root, pause_s=0.0)
        model = Model(VERSION, None)
        worker = ArchiveRun(self.context, self.ledger, self.executor, goal, model, CONTROLS, lambda: self.capacity)
        worker.run(self.number, attempts, limit, hear)
        return told


def predictions(label_studio: FakeLabelStudio) -> list[int]:
    return [len(label_studio.of_task(task)) for task in label_studio.tasks]
