"""How long an export of many labelled repetitions takes, and how much memory: it must not grow with their number.

    python benchmarks/export_scale.py [--reps 10000 100000]

Makes a database with so many repetitions, ten to a video, as labelled from predictions; the export runs in a process
of its own with everything but what needs landmarks and videos, of which there are none. Prints seconds (by
the clock and of the processor), repetitions per second, and the most memory that the process ever had, beside that of
one that only loads the modules.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import insert

from backend.datasets.export import ExportRequest, export
from backend.labelstudio.format import to_prediction
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.labelstudio.records import Access
from backend.storage.analysis_json import dump_analysis
from backend.storage.annotation_json import AnnotationSource
from backend.storage.jobs import Job, Store
from backend.storage.labels import Annotation, LabelledRegion
from pipeline.config import PipelineConfig
from pipeline.datasets.frames import to_seconds
from pipeline.datasets.verify import problems_of
from pipeline.records import Analysis, Reason, Rep, RepScore, VideoInfo

_REPS = 10
_RATE = 30.0
_BATCH = 500
_CONFIG = (Path(__file__).parents[1] / "labeling_config.xml").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, nargs="+", default=[10_000, 100_000], help="how many repetitions")
    wanted = parser.parse_args().reps
    print("repetitions  seconds  processor s  per second  peak MiB  above loading  problems")
    for count in wanted:
        with tempfile.TemporaryDirectory(prefix="deadlift-") as folder:
            _fill(Path(folder), count)
            loading, _, _ = _apart(_nothing, folder)
            peak, seconds, processor = _apart(_export, folder)
            problems = len(list(problems_of(Path(folder) / "out" / "v0001")))
            times = f"{count:11}  {seconds:7.1f}  {processor:11.1f}  {count / seconds:10.0f}"
            print(f"{times}  {peak:8.0f}  {peak - loading:13.0f}  {problems:8}", flush=True)


def _fill(folder: Path, count: int) -> None:
    """A database of labelled predictions, as a backend would have written it."""
    store = Store(f"sqlite:///{folder / 'backend.sqlite3'}")
    store.remember_project(1, _CONFIG)
    controls = parse_controls(_CONFIG)
    analysis = _analysis()
    for first in range(0, count // _REPS, _BATCH):
        _fill_some(store, controls, analysis, range(first, min(first + _BATCH, count // _REPS)))
    store.close()


def _fill_some(store: Store, controls: Controls, analysis: Analysis, numbers: range) -> None:
    jobs, annotations, sources, regions = [], [], [], []
    for number in (n + 1 for n in numbers):
        media = f"/data/upload/1/{number:08x}-session-{number}.mp4"
        data = {"video": media, "fps": _RATE, "lifter": f"lifter {number % 97}"}
        mine = replace(analysis, media_digest=f"{number:064x}")
        result = [{**item, "origin": "prediction"} for item in to_prediction(mine, controls, _RATE)["result"]]
        jobs.append(
            {
                "id": number, "project": 1, "task": number, "media": media, "model_version": mine.model_version,
                "config": "c", "data": data, "state": "done", "result": dump_analysis(mine), "prediction_id": number,
            }
        )  # fmt: skip
        annotations.append(
            {
                "id": number, "project": 1, "task": number, "media": media, "annotator": number % 7,
                "parent_prediction": number, "updated_at": f"2026-01-{number % 28 + 1:02d}T00:00:00Z",
            }
        )  # fmt: skip
        sources.append({"annotation_id": number, "data": data, "result": result, "lead_time": 10.0})
        for item in result:
            if item["type"] == "timelinelabels":
                span = item["value"]["ranges"][0]
                start_s, end_s = to_seconds(span["start"], span["end"], _RATE)
                label = controls.rep_label(item["value"]["timelinelabels"][0])
                regions.append(
                    {
                        "annotation_id": number, "region": item["id"], "start_s": start_s, "end_s": end_s,
                        "label": label, "origin": "prediction",
                    }
                )  # fmt: skip
    with store.engine.begin() as connection:
        for table, rows in (
            (Job, jobs),
            (Annotation, annotations),
            (AnnotationSource, sources),
            (LabelledRegion, regions),
        ):
            connection.execute(insert(table), rows)


def _analysis() -> Analysis:
    reps = tuple(Rep(1.0 + 3.0 * n, 2.0 + 3.0 * n, 3.3 + 3.0 * n) for n in range(_REPS))
    scores = tuple(RepScore(0.09 * n, 0.5, 1.0, (Reason("back", "pull", 0.6),)) for n in range(_REPS))
    return Analysis(VideoInfo("a.mp4", 3.0 * _REPS + 2, _RATE, 640, 480), reps, scores, 0.9, "base-00000000", "c")


def _apart(function: Callable[[str, Connection], None], folder: str) -> tuple[float, float, float]:
    """Peak MiB and seconds, by the clock and of the processor, of a function in a new process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(folder, sender))
    process.start()
    sender.close()
    seconds = json.loads(receiver.recv())
    process.join()
    return seconds[0], seconds[1], seconds[2]


def _nothing(folder: str, answer: Connection) -> None:
    _tell(answer, 0.0, 0.0)


def _export(folder: str, answer: Connection) -> None:
    store = Store(f"sqlite:///{folder}/backend.sqlite3")
    access = Access("", SecretStr(""))
    begun, used = time.perf_counter(), time.process_time()
    request = ExportRequest(1, Path(folder) / "out")
    export(request, store, PipelineConfig(), Path(folder) / "poses", access, lambda done, total: None)
    _tell(answer, time.perf_counter() - begun, time.process_time() - used)


def _tell(answer: Connection, seconds: float, processor: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    answer.send(json.dumps([peak, seconds, processor]))


if __name__ == "__main__":
    main()
