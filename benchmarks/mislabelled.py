"""How many faults that people call normal are found among the normal repetitions, and how many sound ones look odd.

    python benchmarks/mislabelled.py [--videos 3,6,15,30] [--repetitions 5] [--lifters 1] [--draws 6] [--share 0.2]

Videos of drawn lifters with pose noise, so many repetitions each; every lifter before a camera that is put up anew for
each video, at about the same place. A share of the repetitions has one of eight kinds of faults, at random places or in
whole videos, and all are called normal. Beside it stands the same without faults: what is found there is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline import synthetic
from pipeline.anomaly.detector import load_detector
from pipeline.config import TrainConfig
from pipeline.learning import mislabelled, training
from pipeline.records import LabelledRep

_STATISTICS = replace(TrainConfig().detector, method="statistics")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", default="3,6,15,30")
    parser.add_argument("--repetitions", type=int, default=5, help="of a video")
    parser.add_argument("--lifters", type=int, default=1)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--share", type=float, default=0.2, help="of the repetitions that have a fault")
    options = parser.parse_args()
    names = "videos", "faults", "faults found", "sound called odd", "people are told"
    table = Table(
        *names,
        title=f"lifters: {options.lifters}, repetitions of a video: {options.repetitions}, draws: {options.draws}",
    )
    for videos in map(int, options.videos.split(",")):
        for where in ("none", "anywhere", "whole videos"):
            drawn = [searched(videos, options, where, seed) for seed in range(options.draws)]
            found, faults, odd, sound, told = np.sum(drawn, axis=0)
            table.add_row(
                str(videos),
                where,
                f"{found:.0f} of {faults:.0f}" if faults else "",
                f"{odd / sound:.1%}",
                f"{told:.0f} of {options.draws}",
            )
    Console(width=120).print(table)


def searched(videos: int, options: argparse.Namespace, where: str, seed: int) -> tuple[int, int, int, int, bool]:
    """Of one draw: the faults that look odd, all faults, the sound repetitions that do, all of them, and whether there
    are more than chance explains."""
    rng = np.random.default_rng([seed, videos])
    plans = [synthetic.random_plan(rng) for _ in range(options.lifters)]
    labels = [
        sample
        for number in range(videos)
        for sample in _video(plans[number % options.lifters], number, _faults(number, where, options, rng), rng)
    ]
    faulty = {(sample.group, sample.rep.start_s) for sample in labels if sample.label == "anomalous"}
    normal = [replace(sample, label="normal") for sample in labels]
    fit = training.fit(normal, load_detector(), replace(TrainConfig(), detector=_STATISTICS))
    result = mislabelled.search(fit)
    odd = [(normal[row].group, normal[row].rep.start_s) for row in result.rows]
    right = sum(one in faulty for one in odd)
    return right, len(faulty), len(odd) - right, len(labels) - len(faulty), result.is_more_than_chance


def _faults(
    number: int, where: str, options: argparse.Namespace, rng: np.random.Generator
) -> list[synthetic.FaultKind | None]:
    kind = synthetic.FAULT_KINDS[int(rng.integers(len(synthetic.FAULT_KINDS)))]
    if where == "whole videos":
        return [kind if number % round(1 / options.share) == 0 else None] * options.repetitions
    return [kind if where == "anywhere" and rng.random() < options.share else None for _ in range(options.repetitions)]


def _video(
    like: synthetic.LiftPlan, number: int, faults: Sequence[synthetic.FaultKind | None], rng: np.random.Generator
) -> list[LabelledRep]:
    tempo = synthetic.random_plan(rng, most_reps=1).reps[0]
    reps = tuple(
        replace(
            tempo, pull_s=tempo.pull_s * rng.uniform(0.9, 1.1), stand_s=0.0, fault=fault, magnitude=rng.uniform(0.6, 1)
        )
        for fault in faults
    )
    camera = replace(like.camera, azimuth_deg=like.camera.azimuth_deg + float(rng.uniform(-3.0, 3.0)))
    plan = replace(like, cuts=(), reps=reps, camera=camera)
    times = synthetic.frame_times(plan)[:: max(1, round(plan.fps / 10))]
    pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=int(rng.integers(2**31)))
    return [
        LabelledRep(pose, rep, "normal" if fault is None else "anomalous", f"video-{number}")
        for fault, rep in zip(faults, synthetic.reps_of(plan), strict=True)
    ]


if __name__ == "__main__":
    main()
