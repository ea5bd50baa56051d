"""Predictions as files: tasks that Label Studio imports, a table of the repetitions, and what failed."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from backend.archives.project_tasks import local_address, new_data
from backend.errors import BackendError
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.format import Json, to_prediction
from backend.labelstudio.labeling_config import Controls, effective_rate
from backend.predictions.playable import pointed_to_copy
from backend.storage.analysis_json import is_readable, load_analysis
from backend.storage.ledger import Entry, Ledger, is_address
from pipeline.files import written_aside
from pipeline.media.playable_copy import copy_of
from pipeline.records import Analysis

COLUMNS = (
    "video",
    "rep",
    "start_s",
    "top_s",
    "end_s",
    "score",
    "label",
    "reasons",
    "confidence",
    "model_version",
    "back_is_rounded",
    "reliable",
    "hindrance",
)


def make_ready(folder: Path) -> None:
    """Make the folder and try to write there: before hours of work. Raises BackendError where that cannot be done."""
    with _disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def write(folder: Path, done: Iterable[Entry], failed: Iterable[Entry], controls: Controls, root: Path | None) -> None:
    """Write tasks.json, reps.csv and failed.csv, one entry after the other, each file whole or not at all.

    root: the folder that Label Studio serves local files from. Raises BackendError where the folder cannot be written.
    """
    with _disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _whole(folder / "tasks.json") as tasks, _whole(folder / "reps.csv") as reps:
            table = csv.writer(reps)
            table.writerow(COLUMNS)
            separator = "[\n"
            for entry in done:
                analysis = load_analysis(entry.result)
                data = _data(entry, analysis, controls, root)
                prediction = to_prediction(analysis, controls, effective_rate(controls, data))
                tasks.write(separator + json.dumps({"data": data, "predictions": [prediction]}))
                separator = ",\n"
                for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1):
                    times = (f"{seconds:.3f}" for seconds in (rep.start_s, rep.top_s, rep.end_s))
                    why = ", ".join(str(reason) for reason in score.reasons) if score.is_anomaly else ""
                    rounded = str(score.back_is_rounded).lower()
                    judged = (f"{score.score:.4f}", score.label, why, f"{analysis.confidence:.4f}")
                    trust = (str(score.reliable).lower(), score.hindrance)
                    by = analysis.model_version
                    table.writerow((shown_address(entry.source), number, *times, *judged, by, rounded, *trust))
            tasks.write("[]\n" if separator == "[\n" else "\n]\n")
        with _whole(folder / "failed.csv") as file:
            table = csv.writer(file)
            table.writerow(("video", "attempts", "error", "reason"))
            table.writerows(
                (shown_address(entry.source), entry.failures, entry.error_type, entry.error_message) for entry in failed
            )


def _data(entry: Entry, analysis: Analysis, controls: Controls, root: Path | None) -> Json:
    """The data of a task to be imported: of a video that has a copy that browsers play, the task plays that."""
    data = new_data(controls, media_address(entry.source, root), analysis.video.fps)
    if not analysis.video.has_playable_copy or not (copy := copy_of(Path(entry.source))).exists():
        return data
    return pointed_to_copy(data, controls, media_address(str(copy), root)) or data


@contextmanager
def _disk_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"{folder} cannot be written ({error.strerror}). Choose another --out.") from error


def queue_unreadable(ledger: Ledger, run: int) -> None:
    """Have videos of a run analyzed anew that an earlier release analyzed in a form that cannot be read any more."""
    for entry in ledger.of_run(run, "done"):
        if not is_readable(entry.result):
            ledger.queue_again(entry.id)


def media_address(name: str, root: Path | None) -> str:
    """Where Label Studio finds the video: by default it serves local files from the root of the file system."""
    if is_address(name):
        return name
    return local_address(name, root) or local_address(name, Path("/")) or name


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        yield file
