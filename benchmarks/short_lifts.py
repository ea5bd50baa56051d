"""Short drawn lifts for the benchmarks of whole archives: one repetition each, small pictures, no two alike."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pipeline.synthetic import LiftPlan, RepPlan, random_camera, random_lifter
from pipeline.synthetic.drawing import render


def short_plan(seed: int) -> LiftPlan:
    """A lifter who bends down, lifts once and stands: about five seconds at 20 frames per second."""
    rng = np.random.default_rng(seed)
    lifts = (RepPlan(pull_s=float(rng.uniform(0.8, 1.1)), hold_s=0.4, lowering_s=float(rng.uniform(0.8, 1.1))),)
    return LiftPlan(
        lifts,
        lifter=random_lifter(rng),
        camera=random_camera(rng),
        width=320,
        height=240,
        fps=20.0,
        stand_before_s=0.2,
        setup_s=0.7,
        ready_s=0.4,
        leave_s=0.7,
        stand_after_s=0.2,
        seed=seed,
    )


def drawn(folder: Path, count: int) -> list[Path]:
    """The first `count` lifts as files in the folder; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"lift-{number:04d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            part = path.with_suffix(".part.mp4")
            render(short_plan(number), part)
            part.replace(path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    print(f"{len(drawn(arguments.folder, arguments.count))} videos in {arguments.folder}")
