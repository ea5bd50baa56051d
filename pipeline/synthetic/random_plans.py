"""Plans of synthetic videos: the demo's, and random ones with random bodies and cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.synthetic.plan import Camera, Cut, FaultKind, Lifter, LiftPlan, RepPlan, timeline_of


def demo_plan(seed: int = 0) -> LiftPlan:
    """About half a minute at 30 frames per second: six repetitions, the third and the fifth faulty."""
    rng = np.random.default_rng(seed)
    faults: dict[int, FaultKind] = {2: "early_hip_rise", 4: "incomplete_lockout"}
    reps = tuple(
        RepPlan(
            pull_s=1.25 + float(rng.uniform(-0.1, 0.15)),
            hold_s=0.5 + float(rng.uniform(-0.1, 0.15)),
            lowering_s=1.15 + float(rng.uniform(-0.1, 0.15)),
            floor_s=0.6 + float(rng.uniform(0.0, 0.3)),
            fault=faults.get(index),
            magnitude=0.9,
        )
        for index in range(6)
    )
    return LiftPlan(
        reps,
        camera=Camera(azimuth_deg=50.0, size=0.72, distance_m=5.0),
        walk_in_s=2.4,
        stand_before_s=0.5,
        unloaded_bends=1,
        ready_s=0.5,
        stand_after_s=0.8,
        seed=seed,
    )


def random_plan(
    rng: np.random.Generator, faults: tuple[FaultKind, ...] = (), fault_share: float = 0.3, most_reps: int = 8
) -> LiftPlan:
    """A random video: body, camera, frame rate, tempo, pauses, lead-in, lead-out and cuts.

    Each repetition has one of `faults` with probability `fault_share`, of magnitude 0.6..1; none if `faults` is empty.
    """

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    tempo = uniform(0.7, 1.5)
    dead_stop, singles = uniform(0.1, 2.0), chance(0.1)
    reps = []
    for _ in range(int(rng.integers(1, most_reps + 1))):
        fault = faults[int(rng.integers(len(faults)))] if faults and chance(fault_share) else None
        reps.append(
            RepPlan(
                pull_s=1.2 * tempo * uniform(0.85, 1.2),
                hold_s=0.5 * tempo * uniform(0.3, 1.6),
                lowering_s=1.2 * tempo * uniform(0.8, 1.25),
                floor_s=dead_stop * uniform(0.7, 1.4),
                stand_s=uniform(1.0, 6.0) if singles else 0.0,
                fault=fault,
                magnitude=uniform(0.6, 1.0),
            )
        )
    begins, ends = chance(0.8), chance(0.7)
    plan = LiftPlan(
        tuple(reps),
        lifter=random_lifter(rng),
        camera=random_camera(rng),
        width=640,
        height=480,
        fps=float(rng.choice([24.0, 24000 / 1001, 25.0, 30.0, 30000 / 1001, 50.0, 60.0])),
        walk_in_s=uniform(2.0, 4.5) if begins and chance(0.4) else 0.0,
        stand_before_s=uniform(0.3, 3.0) if begins else 0.0,
        hand_raise_s=uniform(1.8, 3.2) if begins and chance(0.25) else 0.0,
        unloaded_bends=int(chance(0.3)) if begins else 0,
        setup_s=uniform(0.9, 2.0) if begins else 0.0,
        ready_s=uniform(0.3, 1.5),
        leave_s=uniform(0.8, 1.6) if ends else 0.0,
        stand_after_s=uniform(0.3, 2.0) if ends else 0.0,
        walk_out_s=uniform(2.0, 4.5) if ends and chance(0.3) else 0.0,
        seed=int(rng.integers(2**31)),
    )
    if chance(0.2):
        reps_now = timeline_of(plan).reps
        after = reps_now[int(rng.integers(len(reps_now)))].end_s + 0.03
        plan = replace(plan, cuts=(Cut(after, random_camera(rng)),))
    return plan


def random_lifter(rng: np.random.Generator) -> Lifter:
    """A random body, with clothes that stand out from the gym."""
    shirts = ((54, 103, 176), (176, 62, 54), (58, 130, 84), (206, 150, 48), (118, 76, 158), (225, 225, 228))
    skins = ((240, 196, 164), (224, 172, 138), (172, 120, 84), (110, 72, 50))
    return Lifter(
        height_m=float(rng.uniform(1.55, 1.98)),
        girth=float(rng.uniform(0.88, 1.18)),
        back_angle_deg=float(rng.uniform(60.0, 68.0)),
        stance_m=float(rng.uniform(0.24, 0.36)),
        grip_m=float(rng.uniform(0.46, 0.58)),
        shirt=shirts[int(rng.integers(len(shirts)))],
        skin=skins[int(rng.integers(len(skins)))],
    )


def random_camera(rng: np.random.Generator) -> Camera:
    """A random view from the front to either side, near or far."""
    return Camera(
        azimuth_deg=float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.0, 95.0)),
        size=float(rng.uniform(0.38, 0.82)),
        distance_m=float(rng.uniform(3.5, 8.0)),
        offset=(float(rng.uniform(-0.1, 0.1)), float(rng.uniform(-0.02, 0.04))),
    )
