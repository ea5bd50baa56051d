"""Drawn repetitions with a fault of posture, each beside the same repetition without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.records import Pose, Rep
from pipeline.synthetic.plan import FaultKind, timeline_of
from pipeline.synthetic.pose import pose_of, reps_of
from pipeline.synthetic.random_plans import random_plan

POSTURE_FAULTS: tuple[FaultKind, ...] = ("early_hip_rise", "incomplete_lockout")
"""The faults that show whoever lifts. Speed, jerks and symmetry show only beside other lifts of the same person."""


@dataclass(frozen=True)
class FaultPair:
    """A drawn repetition with a fault, and the same one without."""

    fault: str
    faulty: Pose
    faulty_rep: Rep
    clean: Pose
    clean_rep: Rep


def fault_pairs(videos: int, seed: int, poses_per_second: float = 10.0) -> list[FaultPair]:
    """Repetitions of drawn lifters with one of the faults, and the same ones without it."""
    rng = np.random.default_rng(seed)
    pairs: list[FaultPair] = []
    for _ in range(videos):
        faulty = random_plan(rng, POSTURE_FAULTS, fault_share=1.0, most_reps=4)
        clean = replace(faulty, reps=tuple(replace(rep, fault=None) for rep in faulty.reps))
        poses = [
            pose_of(plan, np.arange(0.0, timeline_of(plan).duration_s, 1.0 / poses_per_second))
            for plan in (faulty, clean)
        ]
        for plan, bad, good in zip(faulty.reps, reps_of(faulty), reps_of(clean), strict=True):
            pairs.append(FaultPair(str(plan.fault), poses[0], bad, poses[1], good))
    return pairs
