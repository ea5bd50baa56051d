"""What people do around a learning project: films to label, labels given through Label Studio's API, waiting to see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from server_process import ServerProcess

from backend.labels.labelled import LabelledVideo, labelled_videos
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import parse_controls
from backend.storage.jobs import Store
from pipeline.datasets.frames import to_frames, to_seconds
from pipeline.records import RepLabel
from pipeline.synthetic import Camera, FaultKind, LiftPlan, RepPlan, reps_of
from pipeline.synthetic.drawing import render

Json = dict[str, Any]
REPS = 5
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Film:
    """A video, and what somebody who knows it says about it: [start, end] seconds and a label for each repetition."""

    path: Path
    reps: tuple[tuple[float, float, RepLabel], ...]


def drawn_film(folder: Path, number: int, faults: Sequence[FaultKind] = ()) -> Film:
    """A short drawn video of one lifter at one place, always another set; its last repetitions have the faults."""
    rng = np.random.default_rng(number)
    sound: list[FaultKind | None] = [None] * (REPS - len(faults))
    reps = tuple(
        RepPlan(
            pull_s=1.1 * float(rng.uniform(0.9, 1.1)),
            hold_s=0.4,
            lowering_s=1.1 * float(rng.uniform(0.9, 1.1)),
            floor_s=0.5,
            fault=fault,
        )
        for fault in [*sound, *faults]
    )
    plan = LiftPlan(
        reps,
        camera=Camera(azimuth_deg=50.0, size=0.8),
        width=480,
        height=360,
        fps=20.0,
        stand_before_s=0.4,
        setup_s=1.2,
        ready_s=0.5,
        leave_s=1.0,
        stand_after_s=0.4,
        seed=number,
    )
    path = folder / f"lifter-{number}.mp4"
    render(plan, path)
    labels: list[RepLabel] = ["anomalous" if rep.fault else "normal" for rep in reps]
    return Film(path, tuple((r.start_s, r.end_s, label) for r, label in zip(reps_of(plan), labels, strict=True)))


def real_films(videos: Path) -> list[Film]:
    """Short clips of sound form with more than one certain repetition; none where there are no clips."""
    truth = videos / "groundtruth.json"
    return [
        Film(videos / clip["file"], tuple((rep["start_s"], rep["end_s"], "normal") for rep in clip["reps"]))
        for clip in (json.loads(truth.read_text()) if truth.is_file() else [])
        if clip["form_label"] == "ok" and not clip["uncertain"] and clip["duration_s"] < 30 and len(clip["reps"]) > 1
    ]


class Project:
    """A project in Label Studio as an annotator works on it, by API, and what our server knows of it."""

    def __init__(self, number: int, url: str, client: LabelStudioClient, server: ServerProcess, config: str) -> None:
        self.number = number
        self.url = url
        self.client = client
        self.server = server
        self.config = config
        self._controls = parse_controls(config)
        self._store = Store(f"sqlite:///{server.data_dir / 'backend.sqlite3'}")

    def api(self, method: str, path: str, **body: Any) -> Any:
        """A call to Label Studio's API."""
        answer = httpx.request(
            method, f"{self.url}/api/{path}", headers=self.client.authorization(), json=body or None, timeout=60.0
        )
        answer.raise_for_status()
        return answer.json()

    def label(self, task: int, film: Film, everything_normal: bool = False) -> Json:
        """Submit a task as somebody does who corrects every label of its prediction, or who calls everything normal.

        A repetition that was not predicted is drawn; a task that has an annotation gets it changed.
        """
        state = self.api("GET", f"tasks/{task}")
        rate = float(state["data"]["fps"])
        shown = max(state["predictions"], key=lambda prediction: int(prediction["id"]))
        proposed = [one for one in shown["result"] if one["type"] == "timelinelabels"]
        result = []
        for number, (start_s, end_s, label) in enumerate(film.reps):
            name = self._controls.anomalous if label == "anomalous" and not everything_normal else self._controls.normal
            found = next((one for one in proposed if start_s < _middle_s(one, rate) < end_s), None)
            if found is not None:
                origin = "prediction" if found["value"]["timelinelabels"] == [name] else "prediction-changed"
                region = {**found, "origin": origin, "value": {**found["value"], "timelinelabels": [name]}}
            else:
                start, end = to_frames(start_s, end_s, rate, end_s + 1)
                value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [name]}
                tags = {"from_name": self._controls.labels, "to_name": self._controls.video, "type": "timelinelabels"}
                region = {**tags, "id": f"drawn{number}", "origin": "manual", "value": value}
            result.append(region)
        if state["annotations"]:
            number = state["annotations"][0]["id"]
            changed: Json = self.api("PATCH", f"annotations/{number}/", result=result)
            return changed
        made: Json = self.api("POST", f"tasks/{task}/annotations/", result=result, parent_prediction=shown["id"])
        return made

    def known_labels(self) -> list[LabelledVideo]:
        """What our server has stored of people's labels."""
        return labelled_videos(self._store, self.number)

    def versions(self) -> dict[int, list[str]]:
        """The model versions that each task has predictions of, in Label Studio."""
        return {task.id: sorted(versions) for task, _, versions in self.client.tasks(self.number)}

    def rate(self, task: int) -> float:
        """Frames per second that Label Studio counts in a task."""
        return float(self.api("GET", f"tasks/{task}")["data"]["fps"])

    def shown_version(self) -> str:
        """The version whose scores the project shows."""
        return str(self.api("GET", f"projects/{self.number}/")["model_version"])

    def setup_version(self) -> str:
        """The version that our server tells Label Studio now."""
        return self.server.setup_version(self.number, self.config)

    def flagged(self, task: int) -> list[bool]:
        """Of each predicted repetition whether it is called anomalous."""
        (prediction,) = self.client.predictions(task)
        drawn = [one for one in prediction["result"] if one["type"] == "timelinelabels"]
        drawn.sort(key=lambda one: int(one["value"]["ranges"][0]["start"]))
        return [one["value"]["timelinelabels"] == [self._controls.anomalous] for one in drawn]

    def follow_run(self) -> tuple[Json, list[Json]]:
        """Watch the newest run in GET /jobs until it is over: how it ended, and every different thing that was told."""
        told: list[Json] = []

        def is_over() -> bool:
            run = self.server.jobs()["runs"][0]
            if not told or run != told[-1]:
                told.append(run)
            return run["state"] in ("done", "skipped", "failed", "cancelled")

        until(is_over)
        return told[-1], told

    def close(self) -> None:
        self._store.close()


def until(condition: Callable[[], object]) -> float:
    """Wait for something that other processes do; how many seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < PATIENCE_S, "waited in vain"
        time.sleep(0.1)
    return time.monotonic() - begun


def _middle_s(region: Json, rate: float) -> float:
    span = region["value"]["ranges"][0]
    return sum(to_seconds(span["start"], span["end"], rate)) / 2
