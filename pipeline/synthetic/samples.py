"""Labelled repetitions of drawn lifters, to fit and test detectors with."""

from __future__ import annotations

import numpy as np

from pipeline.records import LabelledRep
from pipeline.synthetic.plan import timeline_of
from pipeline.synthetic.pose import add_jitter, pose_of, reps_of
from pipeline.synthetic.random_plans import random_plan


def synthetic_samples(videos: int, seed: int, poses_per_second: float = 10.0) -> list[LabelledRep]:
    """Normal repetitions of drawn lifters: other bodies, cameras and tempos in every video, with estimator's noise."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(videos):
        plan = random_plan(rng)
        times = np.arange(0.0, timeline_of(plan).duration_s, 1.0 / poses_per_second)
        pose = add_jitter(pose_of(plan, times), seed=int(rng.integers(2**31)))
        samples += [
            LabelledRep(pose, rep, "normal" if planned.fault is None else "anomalous", f"synthetic-{number}")
            for planned, rep in zip(plan.reps, reps_of(plan), strict=True)
        ]
    return samples
