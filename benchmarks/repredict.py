"""What it costs us to predict a project's tasks again after a promotion, from landmarks that are kept.

    python benchmarks/repredict.py [--tasks 100]

Starts `deadlift serve` beside a small Label Studio with drawn lifters' videos whose landmarks are kept, lets it predict
them all, then puts another model into use, as `deadlift models promote` does, and waits until every task has its
prediction. Ours are the processor seconds of the server and its workers; Label Studio's are spent in this process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from backend_process import BackendProcess, DrawnProject, wait_for
from label_studio_api import FakeLabelStudio

from backend.models.registry import Model, Registry
from pipeline.anomaly.detector import load_detector


def processor_s(server: BackendProcess) -> dict[str, float]:
    """Processor seconds so far, of the server and of its workers."""

    def spent(processes: list[psutil.Process]) -> float:
        return sum(times.user + times.system for times in (process.cpu_times() for process in processes))

    return {"server": spent([server.process]), "workers": spent(server.workers())}


def predicted(label_studio: FakeLabelStudio, version: str) -> bool:
    found = list(label_studio.predictions.values())
    return sorted(one["task"] for one in found if one["model_version"] == version) == sorted(
        label_studio.tasks
    ) and len(found) == len(label_studio.tasks)


def measure(folder: Path, tasks: int, reps: int) -> None:
    label_studio = FakeLabelStudio()
    project = DrawnProject(label_studio, folder)
    for _ in range(tasks):
        project.add_known(reps)
    server = BackendProcess(folder / "data", label_studio)
    base = load_detector()
    registry = Registry(folder / "data" / "models", Model(base.version, None))
    try:
        server.start()
        server.connect()
        wait_for(lambda: predicted(label_studio, base.version))
        published = registry.publish(1, base, "", {"gate": {"passed": True}}, [])
        time.sleep(3.0)
        before = processor_s(server)
        calls = sum(label_studio.calls.values())
        begun = time.monotonic()
        version = registry.promote(1, published.name).version
        wait_for(lambda: predicted(label_studio, version), pause_s=0.2)
        wall = time.monotonic() - begun
        after = processor_s(server)
        requests = sum(label_studio.calls.values()) - calls
    finally:
        server.stop()
        label_studio.close()
    ours = {name: 1000 * (after[name] - before[name]) / tasks for name in before}
    print(f"{tasks} tasks of {reps} repetitions: {sum(ours.values()):.1f} ms of processor time per task")
    print(f"  {', '.join(f'{name} {spent:.1f} ms' for name, spent in ours.items())}")
    print(f"  wall {wall:.1f} s, {1000 * wall / tasks:.0f} ms per task, {requests} requests to the small Label Studio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--reps", type=int, default=8, help="repetitions in each video")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repredict-") as folder:
        measure(Path(folder), arguments.tasks, arguments.reps)


if __name__ == "__main__":
    main()
