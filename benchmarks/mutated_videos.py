"""Damaged and lying videos by the hundred: what comes of each, in worker processes as the server has them.

    python benchmarks/mutated_videos.py --count 300

Drawn lifters in the containers and codecs that this FFmpeg writes are mutated: bytes are changed, parts cut out,
repeated, swapped or cut off, and fields of headers overwritten with extreme values. Each is analyzed in a worker. The
table says how many gave a result, a named failure, an unexpected error, or cost their worker; and the peak memory.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import Future
from pathlib import Path

import psutil

from backend.compute.dask_executor import DaskExecutor
from backend.errors import BackendError, WorkerLost
from backend.predictions.worker import FileJob, analyze_file
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.records import Analysis
from pipeline.synthetic import LiftPlan
from pipeline.synthetic.drawing import render

CODECS = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast"],
    "hevc": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"],
    "vp9": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "av1": ["-c:v", "libsvtav1", "-preset", "12"],
    "mpeg4": ["-c:v", "mpeg4"],
}
CONTAINERS = {
    "mp4": ("h264", "hevc", "av1", "mpeg4"),
    "mov": ("h264", "hevc", "mpeg4"),
    "mkv": ("h264", "hevc", "vp9", "av1", "mpeg4"),
    "webm": ("vp9", "av1"),
    "avi": ("h264", "mpeg4"),
    "ts": ("h264", "hevc"),
}
EXTREMES = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01")


def originals(folder: Path) -> list[Path]:
    """A drawn lift in every container and codec that can be written here."""
    source = folder / "drawn.mp4"
    render(LiftPlan(), source)
    made = []
    for suffix, codecs in CONTAINERS.items():
        for codec in codecs:
            path = folder / f"{codec}.{suffix}"
            command = ["ffmpeg", "-v", "error", "-y", "-i", source, "-t", "4", "-an", *CODECS[codec], path]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                made.append(path)
            else:
                print(f"{path.name} cannot be written here")
    return made


def mutated(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """The name of a mutation, and the content after it."""
    kind = draw.choice(("bytes", "head", "field", "cut off", "cut out", "repeat", "swap", "zeros", "junk"))
    data, size = bytearray(content), len(content)
    if kind == "bytes":
        for _ in range(draw.randint(1, 200)):
            data[draw.randrange(size)] = draw.randrange(256)
    elif kind == "head":
        for _ in range(draw.randint(1, 20)):
            data[draw.randrange(min(size, 2048))] = draw.randrange(256)
    elif kind == "field":  # in the first or last part, where headers are
        for _ in range(draw.randint(1, 8)):
            at = draw.choice((draw.randrange(min(size, 4096)), size - draw.randrange(4, min(size, 4096))))
            data[at : at + 4] = draw.choice(EXTREMES)
    elif kind == "cut off":
        del data[draw.randrange(1, size) :]
    elif kind == "junk":
        data += draw.randbytes(draw.randint(1, size))
    else:
        first = draw.randrange(size)
        length = draw.randint(1, max(1, size // 4))
        part = bytes(data[first : first + length])
        other = draw.randrange(size)
        if kind == "cut out":
            del data[first : first + length]
        elif kind == "repeat":
            data[other:other] = part * draw.randint(1, 5)
        elif kind == "swap":
            data[other : other + len(part)], data[first : first + length] = part, bytes(data[other : other + len(part)])
        else:
            data[first : first + len(part)] = bytes(len(part))
    return kind, bytes(data)


class Memory:
    """The largest process below this one, in bytes, looked at ten times a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        ours = psutil.Process()
        while not self._closed.wait(0.1):
            for process in ours.children(recursive=True):
                try:
                    self.peak = max(self.peak, process.memory_info().rss)
                except psutil.Error:
                    continue


def outcome(future: Future[Analysis]) -> tuple[str, str]:
    """What came of a video: the column of the table, and the name of a failure."""
    try:
        future.result()
    except WorkerLost:
        return "lost worker", "WorkerLost"
    except (PipelineError, BackendError) as error:
        return "named failure", type(error).__name__
    except Exception as error:  # noqa: BLE001  # what is looked for
        return "unexpected", f"{type(error).__name__}: {error}"
    return "result", ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=1)
    chosen = arguments.parse_args()
    draw, memory = random.Random(chosen.seed), Memory()
    table: dict[str, Counter[str]] = defaultdict(Counter)
    failures: Counter[str] = Counter()
    slowest = ("", 0.0)
    folder = Path(tempfile.mkdtemp(prefix="mutated-"))
    executor = DaskExecutor(chosen.workers)
    try:
        sources = originals(folder)
        for number in range(chosen.count):
            source = sources[number % len(sources)]
            kind, content = mutated(source.read_bytes(), draw)
            path = folder / f"{number}{source.suffix}"
            path.write_bytes(content)
            job, began = FileJob(str(path), None, folder / "poses", PipelineConfig()), time.monotonic()
            column, name = outcome(executor.submit(analyze_file, job, key=f"mutated-{number}"))
            took_s = time.monotonic() - began
            slowest = max(slowest, (f"{source.name}, {kind}", took_s), key=lambda one: one[1])
            table[source.name][column] += 1
            if name:
                failures[name] += 1
            if column in ("lost worker", "unexpected"):
                print(f"{number}: {source.name}, {kind}: {column} {name}", flush=True)
            path.unlink()
    finally:
        executor.close()
        memory.close()
        shutil.rmtree(folder)
    columns = ("result", "named failure", "unexpected", "lost worker")
    print(f"{'video':14}" + "".join(f"{column:>15}" for column in columns))
    for name in table:
        print(f"{name:14}" + "".join(f"{table[name][column]:>15}" for column in columns))
    print(f"{'all':14}" + "".join(f"{sum(row[column] for row in table.values()):>15}" for column in columns))
    print("failures: " + ", ".join(f"{name} {count}" for name, count in failures.most_common()))
    print(f"peak memory of a worker: {memory.peak / 1024**2:.0f} MB; the slowest: {slowest[0]}, {slowest[1]:.1f} s")


if __name__ == "__main__":
    main()
