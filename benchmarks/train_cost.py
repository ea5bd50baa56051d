"""What training and scoring cost: the default method on 250 repetitions against the original's recipe, in one run.

    python benchmarks/train_cost.py [--epochs 1]

The original trains 500 epochs on pictures of 256 x 256 in batches of four (199 pictures in its own split): a few
epochs are run, and extrapolated. Both on two cores; seconds on the clock, and of processor time, which other work on
the machine does not change.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from pipeline import synthetic
from pipeline.anomaly.detector import load_detector
from pipeline.config import TrainConfig
from pipeline.learning import training
from pipeline.original.model import train_original
from pipeline.records import LabelledRep

_NORMALS = 250
_SEED_PICTURES = 199
_SEED_EPOCHS = 500
_CORES = 2
_ROUNDS = 20


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processor time."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.processor:.2f} s of processor time)"


def now() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def since(begin: Cost, parts: float = 1.0) -> Cost:
    end = now()
    return Cost((end.wall - begin.wall) / parts, (end.processor - begin.processor) / parts)


def normals(count: int) -> list[LabelledRep]:
    """Sets of ten repetitions of one lifter before one camera."""
    samples: list[LabelledRep] = []
    for number in range(count // 10):
        plan = synthetic.LiftPlan((synthetic.RepPlan(),) * 10, seed=number)
        times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
        pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=number)
        samples += [LabelledRep(pose, rep, "normal", f"set-{number}") for rep in synthetic.reps_of(plan)]
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1, help="epochs of the original's recipe that are run")
    epochs = parser.parse_args().epochs
    torch.set_num_threads(_CORES)
    with threadpool_limits(_CORES):
        measure(epochs)


def measure(epochs: int) -> None:
    samples, base = normals(_NORMALS), load_detector()
    begin = now()
    detector, _ = training.train(samples, TrainConfig(), base=base)
    ours = since(begin)
    print(f"default method, {len(samples)} repetitions, from scratch: {ours}; limit 30 s")
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder) / "model")
        size = sum(file.stat().st_size for file in (Path(folder) / "model").iterdir())
    print(f"the model's folder: {size / 1e6:.2f} MB; limit 2 MB")

    pose, reps = samples[0].pose, [sample.rep for sample in samples[:10]]
    for name, judge in (("known lifter", detector), ("unknown lifter", base)):
        judge.score(pose, reps)
        begin = now()
        for _ in range(_ROUNDS):
            judge.score(pose, reps)
        cost = since(begin, _ROUNDS * len(reps) / 1000)
        print(
            f"scoring a repetition with its reasons, {name}: {cost.wall:.2f} ms "
            f"({cost.processor:.2f} ms of processor time); limit 5 ms"
        )

    pictures = np.random.default_rng(0).random((_SEED_PICTURES, 3, 256, 256), np.float32)
    spent: list[Cost] = []
    begin = now()
    train_original(pictures, epochs, on_epoch=lambda *_: spent.append(since(begin)))
    epoch = Cost(spent[-1].wall / epochs, spent[-1].processor / epochs)
    print(f"original's recipe: {epoch} per epoch ({epochs} run)")
    print(f"extrapolated to its {_SEED_EPOCHS} epochs: {epoch.wall * _SEED_EPOCHS / 3600:.1f} h")
    print(
        f"ratio of the whole runs: {epoch.wall * _SEED_EPOCHS / ours.wall:.0f} on the clock, "
        f"{epoch.processor * _SEED_EPOCHS / ours.processor:.0f} in processor time; at least 50"
    )


if __name__ == "__main__":
    main()
