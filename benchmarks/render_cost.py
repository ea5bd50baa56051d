"""CPU seconds of `deadlift render` of a clip whose landmarks are known, by this tree and by another revision.

    python benchmarks/render_cost.py CLIP.mp4 [--against REV] [--runs 3]

The command runs as a user starts it, in a process of its own, with the same libraries and one thread for numerical
libraries; landmarks are estimated before, and are not counted. Of each side the least of the runs is told, in user and
system time, and how long people wait; the runs of both sides take turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from original_loop import AS_USERS, HERE, worktree

from pipeline.media import reading


def command(tree: Path, data: Path, *arguments: str | Path) -> tuple[float, float]:
    """CPU seconds and seconds that a `deadlift` command of a tree takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from backend.cli import main; main()", *arguments],
        cwd=data,
        env=os.environ | AS_USERS | {"PYTHONPATH": str(tree), "DATA_DIR": str(data), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after, waited = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, waited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--against", metavar="REV", help="a git revision of this project to run beside")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    clip = arguments.clip.resolve()
    info = reading.probe(clip)
    print(f"{clip.name}: {info.width}x{info.height}, {info.fps:.2f} fps, {info.duration_s:.1f} s")
    other = worktree(arguments.against) if arguments.against else nullcontext()
    with other as tree, TemporaryDirectory() as parent:
        trees = {"this tree": HERE} | ({arguments.against: tree} if tree is not None else {})
        folders = {name: Path(parent) / str(number) for number, name in enumerate(trees)}
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
        for name, data in folders.items():
            data.mkdir()
            command(trees[name], data, "predict", clip, "--json", os.devnull)
        for _ in range(arguments.runs):
            for name, data in folders.items():
                costs[name].append(command(trees[name], data, "render", clip, "--out", data))
        sizes = {name: next(data.glob("*-annotated.mp4")).stat().st_size for name, data in folders.items()}
    least = {name: min(cpu_s for cpu_s, _ in runs) for name, runs in costs.items()}
    for name, runs in costs.items():
        waited_s = min(seconds for _, seconds in runs)
        print(f"{name}: {least[name]:.2f} CPU s, {waited_s:.2f} s, {sizes[name] / 1e6:.1f} MB")
    if arguments.against:
        print(f"ratio {least[arguments.against] / least['this tree']:.2f} (CPU)")


if __name__ == "__main__":
    main()
