"""Repetitions of random synthetic videos with exact truth: count, overlap and boundary errors.

    python benchmarks/synthetic_reps.py [--videos 200] [--seed 0] [--poses-per-second 10]

Random bodies, cameras, frame rates, tempos, pauses, walk-ins, raised hands, unloaded bends, standing up between
repetitions and cuts come from `synthetic.random_plan`. On top of the exact landmarks: the noise of an estimator, hidden
wrists or feet that jump about, and bursts without a person. The truth is `synthetic.reps_of`: when a person sees the
load move, which is 3 cm from its rest, as `marked_heights.py` finds for real marks. The planned moves, which begin and
end at speed zero, are printed for comparison.
"""

from __future__ import annotations

import argparse

import numpy as np
from rep_figures import COLUMNS, cells
from rich.console import Console
from rich.table import Table

from pipeline import synthetic
from pipeline.config import SegmentConfig
from pipeline.evaluation.reps import ClipResult, ClipTruth, evaluate_reps
from pipeline.records import Pose
from pipeline.reps import segment

_NOISE = 0.006
_HIDDEN = (("left_wrist", "right_wrist"), ("left_ankle", "right_ankle", "left_heel", "right_heel"))


def seen_pose(plan: synthetic.LiftPlan, rate: float, rng: np.random.Generator) -> Pose:
    """The landmarks that an estimator might find, sampled as `video.frames` samples."""
    frames = synthetic.frame_times(plan)
    if rate:
        due = np.searchsorted(frames, np.arange(0.0, frames[-1], 1 / rate) - 1e-6)
        frames = frames[np.unique(due)]
    pose = synthetic.add_jitter(synthetic.pose_of(plan, frames), _NOISE, seed=plan.seed)
    if rng.random() < 0.5:
        hidden = _HIDDEN[int(rng.integers(len(_HIDDEN)))]
        pose = synthetic.occlude(pose, hidden, jitter=0.03 * plan.camera.size * plan.height, seed=plan.seed)
    lost = np.zeros(len(frames), bool)
    while lost.mean() < rng.uniform(0.0, 0.1):
        at = rng.choice(frames)
        lost |= (frames >= at) & (frames < at + 0.3)
    return synthetic.drop_poses(pose, lost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--poses-per-second", type=float, default=10.0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    config = SegmentConfig()
    visible: list[ClipResult] = []
    planned: list[ClipResult] = []
    for number in range(arguments.videos):
        plan = synthetic.random_plan(rng)
        pose = seen_pose(plan, arguments.poses_per_second, rng)
        found = segment(pose, config)
        for truths, results in ((synthetic.reps_of(plan), visible), (synthetic.timeline_of(plan).reps, planned)):
            results.append(ClipResult(ClipTruth(f"video {number}", truths), found.reps, found.confidence))
    table = Table("truth", "counted exactly", *COLUMNS)
    for name, results in (("seen to move", visible), ("planned moves", planned)):
        scores = evaluate_reps(results)
        table.add_row(name, f"{scores.exact_counts} of {scores.clips}", *cells(scores))
    Console().print(table)
    for result in visible:
        if result.count_error:
            print(f"{result.truth.name}: {len(result.found)} found, {len(result.truth.reps)} true")


if __name__ == "__main__":
    main()
