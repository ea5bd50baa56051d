"""Whether the server's memory stays level over thousands of jobs, and what a look at /metrics costs then.

    python benchmarks/queue_memory.py [--jobs 1000] [--rounds 4]

Tasks come in requests of 255, as Label Studio sends them; a fake worker gives each the same analysis at once, so what
is measured is the server's own part: queue, database, figures. Printed after each round: resident memory, and the
milliseconds of /metrics. The first round loads what every later one needs.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from fakes import CONFIG, VERSION, analysis, until

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.costs import Cost
from backend.predictions.preannotator import Preannotator
from backend.predictions.worker import Measured
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from pipeline.config import PipelineConfig

_LISTED = 255


class _Worker:
    """Two threads that have the same answer for everything."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2)

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        return self._threads.submit(lambda: Measured(analysis((0.1,) * 8), Cost({"judge": 0.1}, 1.0, 30.0, 300)))

    def raise_priority(self, key: str, priority: int) -> None: ...

    def waiting(self) -> frozenset[str]:
        return frozenset()

    def cancel(self, keys: Collection[str]) -> None: ...

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="queue-memory-") as folder,
        closing(Store(f"sqlite:///{folder}/backend.sqlite3")) as store,
    ):
        access = Access("", SecretStr(""))
        registry = Registry(Path(folder) / "models", Model(VERSION, None))
        context = Context(store, LabelStudioClient(access), registry, PipelineConfig(), access, Path(folder))
        service = Preannotator(context, _Worker(), 0.0)
        settings = Settings(_env_file=None, data_dir=Path(folder))  # type: ignore[call-arg]
        http = create_app(settings, service, store).test_client()
        for round_ in range(1, arguments.rounds + 1):
            done = round_ * arguments.jobs
            numbers = range(done - arguments.jobs, done)
            begun = time.perf_counter()
            for first in range(0, len(numbers), _LISTED):
                some = numbers[first : first + _LISTED]
                tasks = [{"id": n, "project": 1, "data": {"video": f"/data/upload/1/{n}.mp4"}} for n in some]
                http.post("/predict", json={"tasks": tasks, "project": "1.1", "label_config": CONFIG})
            until(lambda: not store.unfinished_projects(), 600)
            taken = time.perf_counter() - begun
            gc.collect()
            begun = time.perf_counter()
            size = len(http.get("/metrics").data)
            scrape_ms = 1000 * (time.perf_counter() - begun)
            memory_mb = psutil.Process().memory_info().rss / 1e6
            print(f"{done} jobs: {memory_mb:.0f} MB, {taken:.1f} s; /metrics {scrape_ms:.0f} ms, {size / 1000:.0f} kB")
        service.close()


if __name__ == "__main__":
    main()
