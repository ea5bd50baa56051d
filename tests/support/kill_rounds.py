"""Kills the server, a worker or the training process with -9 amid real work, and says what was wrong afterwards."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import psutil
from backend_process import BackendProcess, DrawnProject, moved, wait_for
from label_studio_api import FakeLabelStudio

from backend.labels.events import store_received_events
from backend.labelstudio.format import Json
from backend.models.registry import BASE, Model, Registry
from backend.storage.jobs import Store
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.errors import PipelineError

_LEARNT = 6
"""Labelled videos, whose landmarks are kept, that a training learns from."""
_LONGEST_S = 1800.0
"""For what takes seconds on a machine that has nothing else to do."""


class KillRounds:
    """One data folder, one small Label Studio, and whoever works with them while processes are killed.

    reached_by: makes the address that the server reaches the small Label Studio by of its own one.
    `events` counts what was done: kills, answered and unanswered events, starts.
    """

    def __init__(self, folder: Path, seed: int = 0, reached_by: Callable[[str], str] = str) -> None:
        self.random = random.Random(seed)
        self.events: Counter[str] = Counter()
        self.start_s: list[float] = []
        self.label_studio = FakeLabelStudio()
        self.project = DrawnProject(self.label_studio, folder)
        url = reached_by(self.label_studio.url)
        self.server = BackendProcess(folder / "data", self.label_studio, LABEL_STUDIO_URL=url)
        self._url = f"sqlite:///{folder / 'data' / 'backend.sqlite3'}"
        self._models = folder / "data" / "models"
        self._answered: dict[int, Json] = {}
        self.known = [self.project.add_known(faulty=1) for _ in range(_LEARNT)]
        self._fallback = Model(load_detector().version, None)
        self._work_s = 5.0
        self._training_s = 5.0

    def close(self) -> None:
        self.server.stop()
        self.label_studio.close()

    def begin(self) -> None:
        """Label all known videos and start the server; measure how long a video and a training take undisturbed."""
        for task in self.known:
            self.project.label(task, self.project.reps[task], 1)
        self.start_s.append(self.server.start())
        self.server.connect()
        begun = time.monotonic()
        self.predict_new()
        wait_for(self._all_predicted, _LONGEST_S)
        self._work_s = time.monotonic() - begun
        begun = time.monotonic()
        self._finish_run(self.server.start_training())
        self._training_s = time.monotonic() - begun

    # Rounds

    def kill_server(self) -> list[str]:
        """Kill it at any moment from its start on, while people label, tasks come in and a training goes on."""
        if self.server.is_running():
            self.server.kill()
        self.server.launch()
        stop = threading.Event()
        person = threading.Thread(target=self._work_until, args=(stop,))
        person.start()
        time.sleep(self.random.uniform(0.0, max(self.start_s) + self._work_s))
        self.server.kill()
        stop.set()
        person.join()
        self.events["kills"] += 1
        task = self.random.choice(self.known)  # somebody goes on labelling
        self.project.label(task, moved(self.project.reps[task], self.random.uniform(-0.2, 0.2)), 1)
        self.events["labels while away"] += 1
        return [*self._lost_labels(self._answered), *self.damage()]

    def kill_worker(self) -> list[str]:
        """Kill one at any moment while a new video and a known one are worked on."""
        self.predict_new()
        time.sleep(self.random.uniform(0.0, self._work_s))
        workers = wait_for(self.server.workers, _LONGEST_S)
        self.random.choice(workers).kill()
        self.events["kills"] += 1
        wait_for(self._all_predicted, _LONGEST_S)
        return self.damage()

    def kill_trainer(self) -> list[str]:
        """Kill it at any moment of a training on changed labels."""
        task = self.random.choice(self.known)
        self.tell(self.project.label(task, moved(self.project.reps[task], self.random.uniform(-0.2, 0.2)), 1))
        run = self.server.start_training()
        (process,) = wait_for(self.server.training, _LONGEST_S)
        time.sleep(self.random.uniform(0.0, self._training_s))
        try:
            process.kill()
            self.events["kills"] += 1
        except psutil.NoSuchProcess:
            self.events["trainings that ended before their kill"] += 1
        state = self._finish_run(run)
        return [*self.damage(), *([] if state["state"] == "done" else [f"run {run}: {state['message']}"])]

    def finish(self) -> list[str]:
        """Let everything that is pending end; then what is wrong, in words."""
        if not self.server.is_running():
            self.start_s.append(self.server.start())
        try:
            wait_for(self._is_idle, _LONGEST_S, 0.5)
        except AssertionError:
            return [f"pending work was not finished: {self._pending()}", *self.damage()]
        everything = {
            one["id"]: one for task in self.label_studio.tasks.values() for one in task.get("annotations", [])
        }
        with closing(Store(self._url)) as store:
            kept = {annotation.id for annotation in store.labels.valid_annotations(1)}
        surplus = [f"annotation {number} was deleted" for number in kept - set(everything)]
        return [*self._lost_labels(everything), *surplus, *self.damage()]

    # What may be wrong

    def damage(self) -> list[str]:
        """Models that do not load, a CURRENT that names none, predictions that are there twice."""
        found = []
        registry = Registry(self._models, self._fallback)
        folders = sorted(path.name for path in (self._models / "1").glob("v*")) if self._models.is_dir() else []
        for name in folders:
            folder = self._models / "1" / name
            try:
                Detector.load(folder)
                json.loads((folder / "run.json").read_text())
                json.loads((folder / "labels.json").read_text())
            except (PipelineError, OSError, ValueError) as error:
                found.append(f"model {name} is torn: {error}")
        current = registry.current_name(1)
        if current != BASE and current not in folders:
            found.append(f"CURRENT names {current}, which is not there")
        made = Counter((p["task"], p["model_version"]) for p in list(self.label_studio.predictions.values()))
        found += [f"{count} predictions of {which}" for which, count in made.items() if count > 1]
        self.events["models"] = len(folders)
        return found

    def _lost_labels(self, told: dict[int, Json]) -> list[str]:
        with closing(Store(self._url)) as store:
            if self.server.is_running():
                wait_for(lambda: not list(store.events.received()), _LONGEST_S)
            else:
                store_received_events(store)
            stored = {annotation.id: annotation for annotation in store.labels.annotations()}
            return [
                f"annotation {number} is lost"
                for number, one in told.items()
                if number not in stored
                or stored[number].deleted
                or stored[number].updated_at < one["updated_at"]
                or len(store.labels.labelled_regions(number)) != len(one["result"])
            ]

    def _pending(self) -> list[str]:
        state = self.server.jobs()
        work = [*state["runs"], *state["jobs"]]
        found = [f"{one['id']} {one['state']}" for one in work if one["state"] in ("queued", "running")]
        version = Registry(self._models, self._fallback).current(1).version
        for number, task in list(self.label_studio.tasks.items()):
            versions = [p["model_version"] for p in self.label_studio.of_task(number)]
            if not task["total_annotations"] and versions != [version]:
                found.append(f"task {number} has {versions}")
        return found

    def _is_idle(self) -> bool:
        return not self._pending()

    # What people do

    def _work_until(self, stop: threading.Event) -> None:
        """Label, import and ask for trainings, as fast as the server answers."""
        asked = False
        while not stop.is_set():
            try:
                if not asked:
                    self.server.http.get("/health", timeout=1.0)
                    self.predict_new()
                    self.server.start_training()
                    asked = True
                self.change_labels()
                time.sleep(0.1)
            except httpx.HTTPError:
                self.events["unanswered"] += 1
                time.sleep(0.02)

    def change_labels(self) -> None:
        """A new annotation, an update of one, or a deletion."""
        task = self.random.choice(self.known)
        reps = moved(self.project.reps[task], self.random.uniform(-0.2, 0.2))
        there = self.label_studio.tasks[task]["annotations"]
        if len(there) > 2:
            gone = self.random.choice(there)
            self._answered.pop(gone["id"], None)
            self.server.post(self.project.unlabel(gone))
            self.events["deletions stored"] += 1
        elif self.random.random() < 0.5:
            self.tell(self.project.label(task, reps, 1))
        else:
            self.tell(self.project.label(task, reps, 1, self.random.choice(there)["id"]))

    def tell(self, annotation: Json) -> None:
        self.server.post(self.project.saved(annotation))
        self._answered[annotation["id"]] = annotation
        self.events["labels stored"] += 1

    def predict_new(self) -> None:
        """Two new tasks; every third time nobody has looked at one of the videos yet."""
        is_new = self.events["tasks"] % 6 == 0
        tasks = self.project.add_new() if is_new else self.project.add_known(), self.project.add_known()
        self.events["tasks"] += len(tasks)
        self.server.post(self.project.created(*tasks))

    def _all_predicted(self) -> bool:
        labelled = set(self.known)
        return all(self.label_studio.of_task(task) for task in list(self.label_studio.tasks) if task not in labelled)

    def _finish_run(self, number: int) -> Json:
        run: Json = wait_for(lambda: self._ended(number), _LONGEST_S)
        return run

    def _ended(self, number: int) -> Json | None:
        run = self.server.run(number)
        return run if run["state"] not in ("queued", "running") else None


def rounds(
    kind: str, count: int, folder: Path, told: Callable[[str], None] = lambda line: None
) -> tuple[Counter[str], list[str]]:
    """So many kills of "server", "worker" or "trainer"; what was counted, and what was wrong."""
    here = KillRounds(folder)
    wrong: list[str] = []
    try:
        here.begin()
        number = 0
        while here.events["kills"] < count:
            number += 1
            begun = time.monotonic()
            found = getattr(here, f"kill_{kind}")()
            told(f"{kind} round {number}: {time.monotonic() - begun:.1f} s {'; '.join(found)}")
            wrong += found
        wrong += here.finish()
    finally:
        here.close()
    return here.events, wrong
