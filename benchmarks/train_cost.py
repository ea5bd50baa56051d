"""What training and scoring cost: the default method on 250 repetitions against the original's recipe, in one run.

    python benchmarks/train_cost.py [--epochs 1]

The original trains 500 epochs on pictures of 256 x 256 in batches of four: a few are run, and extrapolated.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from pipeline import synthetic, training
from pipeline.config import TrainConfig
from pipeline.dataset import Sample
from pipeline.detector import load_base
from pipeline.seed import train_seed

_NORMALS = 250
_SEED_PICTURES = 199
_SEED_EPOCHS = 500


def normals(count: int) -> list[Sample]:
    """Sets of ten repetitions of one lifter before one camera."""
    samples: list[Sample] = []
    for number in range(count // 10):
        plan = synthetic.LiftPlan((synthetic.RepPlan(),) * 10, seed=number)
        times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
        pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=number)
        samples += [Sample(pose, rep, "normal", f"set-{number}") for rep in synthetic.reps_of(plan)]
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=1, help="epochs of the original's recipe that are run")
    epochs = parser.parse_args().epochs
    torch.set_num_threads(2)
    samples, base = normals(_NORMALS), load_base()

    begin = time.perf_counter()
    detector, _ = training.fit(samples, TrainConfig(), base=base)
    ours = time.perf_counter() - begin
    print(f"default method, {len(samples)} repetitions, from scratch: {ours:.2f} s")

    pose, reps = samples[0].pose, [sample.rep for sample in samples[:10]]
    detector.score(pose, reps)
    begin = time.perf_counter()
    for _ in range(20):
        detector.score(pose, reps)
    print(f"scoring: {(time.perf_counter() - begin) / (20 * len(reps)) * 1000:.2f} ms per repetition, with its reasons")

    pictures = np.random.default_rng(0).random((_SEED_PICTURES, 3, 256, 256), np.float32)
    spent: list[float] = []
    begin = time.perf_counter()
    train_seed(pictures, epochs, told=lambda *_: spent.append(time.perf_counter() - begin))
    epoch = spent[-1] / epochs
    whole = epoch * _SEED_EPOCHS
    print(f"original's recipe: {epoch:.1f} s per epoch ({epochs} run), so {whole:.0f} s for {_SEED_EPOCHS} epochs")
    print(f"ratio of the whole runs: {whole / ours:.0f}")


if __name__ == "__main__":
    main()
