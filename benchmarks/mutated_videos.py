"""Damaged and lying videos by the hundred: what comes of each, in worker processes as the server has them.

    python benchmarks/mutated_videos.py --count 300

Small drawn lifters (160 x 96, two seconds) in many containers and codecs are mutated: bytes are changed, parts cut out,
zeroed, repeated, swapped or cut off, and fields of headers overwritten with extreme values. Each is analyzed in a
worker. The tables say how many gave a result, a named failure, an unexpected error, or cost their worker; and the peak
memory. Wrong (exit code 1): an unexpected error, more memory than a worker may take, or a whole video that the workers
do not analyze any more in the end.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import Future
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from backend.compute.dask_executor import DaskExecutor
from backend.errors import BackendError, WorkerLost
from backend.predictions.worker import FileJob, analyze_file
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.records import Analysis
from pipeline.synthetic import LiftPlan, RepPlan
from pipeline.synthetic.drawing import draw as drawn

RATE, SIZE, SECONDS = 10, (160, 96), 2
CODECS = {
    "h264": ("libx264", {"preset": "ultrafast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "av1": ("libsvtav1", {"preset": "12"}),
    "mpeg4": ("mpeg4", {}),
}
CONTAINERS = {
    "mp4": ("h264", "hevc", "vp9", "av1", "mpeg4"),
    "mov": ("h264", "hevc", "mpeg4"),
    "mkv": ("h264", "hevc", "vp9", "av1", "mpeg4"),
    "webm": ("vp9", "av1"),
    "avi": ("h264", "mpeg4"),
    "ts": ("h264", "hevc"),
}
COLUMNS = ("result", "named failure", "unexpected", "lost worker")
MOST_MEMORY = 2 * 1024**3
"""What a worker may take at least, in bytes, before it is ended."""
EXTREMES = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01")


def originals(folder: Path) -> list[Path]:
    """A drawn lift in every container and codec."""
    plan = LiftPlan((RepPlan(),), width=SIZE[0], height=SIZE[1], fps=RATE)
    pictures = list(islice(drawn(plan), RATE, RATE * (1 + SECONDS)))
    made = []
    for suffix, codecs in CONTAINERS.items():
        for codec in codecs:
            path = folder / f"{codec}.{suffix}"
            write(path, codec, pictures)
            made.append(path)
    return made


def write(path: Path, codec: str, pictures: list[NDArray[np.uint8]]) -> None:
    name, options = CODECS[codec]
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(name, rate=RATE, options=options))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


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


def printed(first: str, table: dict[str, Counter[str]]) -> None:
    """A line for each row, and their sums."""
    rows = table | {"all": sum(table.values(), Counter())}
    print(f"{first:14}" + "".join(f"{column:>15}" for column in COLUMNS))
    for name, row in rows.items():
        print(f"{name:14}" + "".join(f"{row[column]:>15}" for column in COLUMNS))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=1)
    chosen = arguments.parse_args()
    os.environ["SVT_LOG"] = "1"  # the encoder of AV1 tells of errors alone
    chances, memory = random.Random(chosen.seed), Memory()
    by_video: dict[str, Counter[str]] = defaultdict(Counter)
    by_mutation: dict[str, Counter[str]] = defaultdict(Counter)
    failures: Counter[str] = Counter()
    slowest = ("", 0.0)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="mutated-"))
    executor = DaskExecutor(chosen.workers)
    try:
        sources = originals(folder)
        for number in range(chosen.count):
            source = sources[number % len(sources)]
            kind, content = mutated(source.read_bytes(), chances)
            path = folder / f"{number}{source.suffix}"
            path.write_bytes(content)
            begun = time.monotonic()
            column, name = outcome(analyzed(executor, path, number))
            slowest = max(slowest, (f"{source.name}, {kind}", time.monotonic() - begun), key=lambda one: one[1])
            by_video[source.name][column] += 1
            by_mutation[kind][column] += 1
            if name:
                failures[name] += 1
            if column in ("lost worker", "unexpected"):
                print(f"{number}: {source.name}, {kind}: {column} {name}", flush=True)
            path.unlink()
        ends = [outcome(analyzed(executor, source, -1))[0] for source in sources[: 2 * chosen.workers]]
    finally:
        executor.close()
        memory.close()
        shutil.rmtree(folder)
    printed("video", by_video)
    printed("mutation", by_mutation)
    print("failures: " + ", ".join(f"{name} {count}" for name, count in failures.most_common()))
    print(f"whole videos in the end: {ends.count('result')} of {len(ends)} analyzed")
    print(
        f"peak memory of a process: {memory.peak / 1024**2:.0f} MB; the slowest: {slowest[0]}, {slowest[1]:.1f} s; all"
        f" in {time.monotonic() - began:.0f} s"
    )
    wrong = sum(row["unexpected"] for row in by_video.values()) + len(ends) - ends.count("result")
    return 1 if wrong or memory.peak > MOST_MEMORY else 0


def analyzed(executor: DaskExecutor, path: Path, number: int) -> Future[Analysis]:
    return executor.submit(
        analyze_file, FileJob(str(path), None, path.parent / "poses", PipelineConfig()), key=f"{path.name}-{number}"
    )


if __name__ == "__main__":
    sys.exit(main())
