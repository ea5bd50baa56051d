"""How many videos a minute two Dask workers get through, against one: the same files, looked at anew each time.

    python benchmarks/cluster_throughput.py [--videos 24] [--rounds 3] [--workers 1 2]

Short drawn videos, nearly all of whose time goes into the pose network. Each number of workers has `--rounds` rounds,
by turns, with worker processes and an empty folder of landmarks of its own; the clock starts when the workers have
videos behind them. Printed: the median round of each number, how many cores it kept busy, and the ratio of the last to
the first. The machine should have nothing else to do; the load before each round is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil
from rich.console import Console
from rich.table import Table
from short_lifts import drawn

from backend.compute.dask_executor import DaskExecutor
from backend.predictions.worker import FileJob, analyze_file
from backend.settings import APP_NAME
from pipeline.config import PipelineConfig


@dataclass(frozen=True)
class Round:
    """One round: videos per minute, cores that were busy with it, and the machine's load before."""

    per_minute: float
    busy_cores: float
    load: float


def one_round(workers: int, videos: Sequence[Path]) -> Round:
    load = os.getloadavg()[0]
    executor = DaskExecutor(workers)
    try:
        with tempfile.TemporaryDirectory() as folder:
            # The libraries and the model are loaded with a worker's first video.
            _analyze(executor, videos[: 4 * workers], Path(folder, "before"))
            cpu, began = _cpu_seconds(), time.perf_counter()
            _analyze(executor, videos, Path(folder, "poses"))
            seconds = time.perf_counter() - began
            return Round(60 * len(videos) / seconds, (_cpu_seconds() - cpu) / seconds, load)
    finally:
        executor.close()


def _analyze(executor: DaskExecutor, videos: Sequence[Path], poses: Path) -> None:
    jobs = [FileJob(str(path), None, poses, PipelineConfig()) for path in videos]
    futures = [executor.submit(analyze_file, job, key=f"{poses.name}-{number}") for number, job in enumerate(jobs)]
    for future in futures:
        future.result()


def _cpu_seconds() -> float:
    """Of this process and all below it."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--drawn", type=Path, default=Path(platformdirs.user_cache_dir(APP_NAME)) / "short-lifts")
    arguments = parser.parse_args()
    videos = drawn(arguments.drawn, arguments.videos)
    rounds: dict[int, list[Round]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for workers in arguments.workers:
            rounds[workers].append(one_round(workers, videos))
    table = Table("workers", "videos/min", "rounds", "busy cores", "load before")
    medians = []
    for workers, done in rounds.items():
        medians.append(statistics.median(one.per_minute for one in done))
        table.add_row(
            str(workers),
            f"{medians[-1]:.1f}",
            " ".join(f"{one.per_minute:.1f}" for one in done),
            " ".join(f"{one.busy_cores:.2f}" for one in done),
            " ".join(f"{one.load:.1f}" for one in done),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"ratio {medians[-1] / medians[0]:.2f}")


if __name__ == "__main__":
    main()
