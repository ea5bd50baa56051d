"""`deadlift serve` as a process of its own with a small Label Studio beside it: for tests and benchmarks that kill."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from drawn_lifts import video as drawn_video
from label_studio_api import FakeLabelStudio
from places import LABELING_CONFIG, PAYLOADS, ROOT
from video_files import write_video

from backend.compute import process_executor
from backend.labelstudio.format import Json
from pipeline import synthetic
from pipeline.config import PoseConfig
from pipeline.datasets.frames import to_frames
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.records import Rep
from pipeline.synthetic.drawing import render

CONFIG_TEXT = LABELING_CONFIG.read_text(encoding="utf-8")
RATE = 10.0


def _event(name: str) -> Json:
    body: Json = json.loads((PAYLOADS / f"{name}.json").read_text())["body"]
    return body | {"project": body["project"] | {"id": 1, "label_config": CONFIG_TEXT}}


CREATED = _event("20_webhook_ANNOTATION_CREATED_from_UI_after_correction")
DELETED = _event("13_webhook_ANNOTATIONS_DELETED")
TASKS = _event("18_webhook_TASKS_CREATED")


class BackendProcess:
    """The server on a free port. Its log is `server.log` in the data folder; every start adds to it."""

    def __init__(self, data_dir: Path, label_studio: FakeLabelStudio, **settings: str) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        label_studio.backend_url = self.url
        self._environment = os.environ | {
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": label_studio.refresh_token,
            "DATA_DIR": str(data_dir),
            "RETRAIN_AFTER": "0",
            "WORKERS": "1",
            **settings,
        }
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the small Label Studio's requests
        self._process: subprocess.Popen[bytes] | None = None
        self.tree = ROOT
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def start(self, seconds: float = 600.0) -> float:
        """Start and wait until it answers; returns how long that took."""
        begun = time.monotonic()
        self.launch()
        while time.monotonic() - begun < seconds and self.is_running():
            try:
                self.http.get("/health", timeout=2.0)
                return time.monotonic() - begun
            except httpx.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"The server did not start. Its log ends:\n{self.log()[-3000:]}")

    def launch(self) -> None:
        """Start without waiting for it."""
        with (self.data_dir / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from backend.cli import main; main()", "serve", "--port", str(self.port)],
                env=self._environment | {"PYTHONPATH": str(self.tree)},
                cwd=self.data_dir,  # where no .env file is
                stdout=log,
                stderr=log,
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def children(self) -> list[psutil.Process]:
        """Worker and training processes: whatever was spawned to work, directly or not."""
        return [child for child in self.process.children(recursive=True) if "spawn_main" in " ".join(_command(child))]

    def training(self) -> list[psutil.Process]:
        """Training processes alone: they listen for nobody."""
        return [child for child in self.children() if child.nice() == process_executor.NICENESS and not _listens(child)]

    def workers(self) -> list[psutil.Process]:
        """Workers that take calls. Started with `nice`, they are as nice as trainings: nobody gets below 19."""
        return [child for child in self.children() if _listens(child)]

    def kill(self) -> float:
        """kill -9 of the server alone; returns how long its processes outlived it."""
        assert self._process is not None
        orphans = self.process.children(recursive=True)
        self._process.kill()
        self._process.wait()
        begun = time.monotonic()
        _, alive = psutil.wait_procs(orphans, 120)
        assert not alive, f"{len(alive)} processes outlived the server by two minutes."
        return time.monotonic() - begun

    def stop(self) -> None:
        if self._process is not None and self.is_running():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.http.close()

    def log(self) -> str:
        return (self.data_dir / "server.log").read_text(errors="replace")

    def post(self, event: Json) -> Json:
        """Send an event as Label Studio does. Raises httpx.HTTPError."""
        answer = self.http.post("/webhook", json=event)
        answer.raise_for_status()
        return dict(answer.json())

    def jobs(self) -> Json:
        return dict(self.http.get("/jobs").raise_for_status().json())

    def connect(self) -> None:
        """Connect project 1, and wait until the server has asked the small Label Studio whether that is so."""
        self.http.post("/setup", json={"project": "1.1", "schema": CONFIG_TEXT}).raise_for_status()
        with closing(sqlite3.connect(self.data_dir / "backend.sqlite3")) as database:
            wait_for(lambda: database.execute("SELECT 1 FROM projects").fetchone())

    def start_training(self) -> int:
        answer = self.post({"action": "START_TRAINING", "project": CREATED["project"]})
        if "job" in answer:
            return int(answer["job"])
        # Just started, the server first asks whether the project is connected.
        runs = wait_for(lambda: [run for run in self.jobs()["runs"] if run["state"] in ("queued", "running")])
        return int(runs[0]["id"])

    def run(self, number: int) -> Json:
        return next(dict(run) for run in self.jobs()["runs"] if run["id"] == number)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _listens(process: psutil.Process) -> bool:
    try:
        return any(one.status == psutil.CONN_LISTEN for one in process.net_connections("tcp"))
    except psutil.Error:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 1800.0, pause_s: float = 0.05) -> Any:
    """What the condition gives once it is true. Raises AssertionError after the time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause_s)
    return found


class DrawnProject:
    """A project of a small Label Studio: videos whose landmarks are kept already, and ones that must be looked at."""

    def __init__(self, label_studio: FakeLabelStudio, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.label_studio = label_studio
        self.poses = PoseCache(folder / "data" / "poses")
        self._folder = folder
        self._blank = write_video(folder / "blank.mp4", count=400, fps=RATE, draw=_blank).read_bytes()
        self._moving: dict[int, bytes] = {}
        self._annotations = 0
        self.reps: dict[int, tuple[Rep, ...]] = {}

    def add_known(self, reps: int = 4, faulty: int = 1) -> int:
        """A task whose landmarks are kept; returns its id."""
        number = len(self.label_studio.tasks) + 1
        content = _variant(self._blank, number)
        path = self._folder / "known.mp4"
        path.write_bytes(content)
        pose, self.reps[number] = drawn_video(number, reps, faulty)
        self.poses.put(reading.digest(path), PoseConfig(), pose)
        return self._add(number, content)

    def add_new(self, reps: int = 1) -> int:
        """A task whose video nobody has looked at: a drawn lifter, rendered; about nine seconds for one repetition."""
        number = len(self.label_studio.tasks) + 1
        if reps not in self._moving:
            plan = synthetic.LiftPlan((synthetic.RepPlan(),) * reps, width=320, height=240, fps=RATE)
            path = self._folder / f"moving-{reps}.mp4"
            render(plan, path)
            self._moving[reps] = path.read_bytes()
        return self._add(number, _variant(self._moving[reps], number))

    def _add(self, number: int, content: bytes) -> int:
        self.label_studio.files[f"1/{number}.mp4"] = content
        return self.label_studio.add_task(f"/data/upload/1/{number}.mp4", number, fps=RATE)

    def created(self, *tasks: int) -> Json:
        """The event of new tasks."""
        return TASKS | {"tasks": [self._task(task) for task in tasks]}

    def _task(self, task: int) -> Json:
        return {"id": task, "project": 1, "data": self.label_studio.tasks[task]["data"]}

    def label(self, task: int, reps: Sequence[Rep], faulty: int = 0, annotation: int | None = None) -> Json:
        """Somebody labels a task, or changes that annotation; returns it as Label Studio keeps it."""
        self._annotations += 1
        number = annotation if annotation is not None else self._annotations
        labels = ["Anomalous rep" if n >= len(reps) - faulty else "Normal rep" for n in range(len(reps))]
        result = [drawn(n, rep, label) for n, (rep, label) in enumerate(zip(reps, labels, strict=True))]
        made = CREATED["annotation"] | {
            "id": number, "task": task, "result": result, "parent_prediction": None,
            "updated_at": f"2026-01-01T00:00:00.{self._annotations:06d}Z",
        }  # fmt: skip
        kept = [one for one in self.label_studio.tasks[task].get("annotations", []) if one["id"] != number]
        self.label_studio.tasks[task] |= {"annotations": [*kept, made], "total_annotations": len(kept) + 1}
        return dict(made)

    def unlabel(self, annotation: Json) -> Json:
        """Somebody deletes an annotation; returns the event."""
        task = self.label_studio.tasks[annotation["task"]]
        kept = [one for one in task["annotations"] if one["id"] != annotation["id"]]
        task |= {"annotations": kept, "total_annotations": len(kept)}
        return DELETED | {"annotations": [{"id": annotation["id"]}]}

    def saved(self, annotation: Json, action: str = "ANNOTATION_CREATED") -> Json:
        """The event of one annotation."""
        return CREATED | {"action": action, "annotation": annotation, "task": self._task(annotation["task"])}


def drawn(number: int, rep: Rep, label: str) -> Json:
    """A region as the labeling page draws it."""
    start, end = to_frames(rep.start_s, rep.end_s, RATE, 1e6)
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {
        "id": f"rep{number}", "type": "timelinelabels", "from_name": "reps", "to_name": "video",
        "origin": "manual", "value": value,
    }  # fmt: skip


def moved(reps: Sequence[Rep], seconds: float) -> tuple[Rep, ...]:
    """The repetitions with other ends, as somebody corrects them."""
    return tuple(replace(rep, end_s=rep.end_s + seconds) for rep in reps)


def _blank(index: int, width: int, height: int) -> Any:
    return np.full((height, width, 3), 40 + index % 2, np.uint8)


def _variant(content: bytes, number: int) -> bytes:
    """The same video as another file: what follows its last box is skipped by every player."""
    note = number.to_bytes(8, "big")
    return content + (8 + len(note)).to_bytes(4, "big") + b"free" + note
