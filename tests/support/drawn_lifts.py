"""Labelled repetitions of one drawn lifter before one camera, for tests of training: poses without any video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline import synthetic
from pipeline.records import LabelledRep, Pose, Rep, RepLabel


def video(number: int, reps: int = 5, faulty: int = 0, height_m: float = 1.76) -> tuple[Pose, tuple[Rep, ...]]:
    """Poses of a video and its repetitions; the last `faulty` of them have a fault that is plain to see."""
    rng = np.random.default_rng(number)
    plan = synthetic.LiftPlan(seed=number)
    paces = rng.normal(1.0, 0.05, size=(reps, 2))
    plans = [
        synthetic.RepPlan(
            pull_s=1.3 * float(pull),
            lowering_s=1.3 * float(low),
            fault="early_hip_rise" if n >= reps - faulty else None,
        )
        for n, (pull, low) in enumerate(paces)
    ]
    plan = replace(plan, reps=tuple(plans), lifter=replace(plan.lifter, height_m=height_m))
    times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
    pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=number)
    return pose, synthetic.reps_of(plan)


def samples(videos: int, faulty: int = 0, first: int = 0, honest: bool = True, reps: int = 5) -> list[LabelledRep]:
    """Labels of several videos: right ones, or with every fault called normal."""
    found = []
    for number in range(first, first + videos):
        pose, cut = video(number, reps, faulty)
        for n, rep in enumerate(cut):
            label: RepLabel = "anomalous" if honest and n >= reps - faulty else "normal"
            found.append(LabelledRep(pose, rep, label, f"video-{number}"))
    return found


def set_of(seed: int, faults: tuple[synthetic.FaultKind | None, ...]) -> tuple[Pose, tuple[Rep, ...]]:
    """A set of one lifter before one camera, its tempo a little different in every repetition."""
    rng = np.random.default_rng(seed)
    plan = synthetic.LiftPlan(
        tuple(
            synthetic.RepPlan(1.2 * rng.uniform(0.85, 1.2), 0.5, 1.2 * rng.uniform(0.85, 1.2), 0.9, fault=fault)
            for fault in faults
        ),
        seed=seed,
    )
    times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
    return synthetic.add_jitter(synthetic.pose_of(plan, times), seed=seed), synthetic.reps_of(plan)
