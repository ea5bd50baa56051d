"""Eight kinds of faults against normal variation, on drawn lifters that the detector has not seen.

    python benchmarks/anomaly_synthetic.py [--azimuth 45] [--videos 60] [--seed 100]

Bodies, tempos, pauses, camera distances and frame rates vary from video to video; the camera stands at about the same
angle (+- 5 degrees) unless --azimuth is "any". The detector learns from as many normal videos as it is tested on.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from pipeline import synthetic, training
from pipeline.config import TrainConfig
from pipeline.dataset import Sample
from pipeline.detector import Detector, load_base
from pipeline.evaluate_anomaly import auroc


def drawn(
    rng: np.random.Generator, faults: tuple[synthetic.FaultKind, ...], azimuth: float | None
) -> synthetic.LiftPlan:
    plan = synthetic.random_plan(rng, faults, 0.5)
    if azimuth is None:
        return plan
    return replace(plan, cuts=(), camera=replace(plan.camera, azimuth_deg=azimuth + float(rng.uniform(-5.0, 5.0))))


def samples_of(plan: synthetic.LiftPlan, group: str, rng: np.random.Generator) -> list[Sample]:
    """The plan's repetitions, sampled ten times a second, at the nearest frames of the plan's rate, with jitter."""
    times = synthetic.frame_times(plan)[:: max(1, round(plan.fps / 10))]
    pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=int(rng.integers(2**31)))
    return [
        Sample(pose, rep, "normal" if planned.fault is None else "anomalous", group, "gym")
        for planned, rep in zip(plan.reps, synthetic.reps_of(plan), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--azimuth", default="45", help='degrees, or "any"')
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    azimuth = None if options.azimuth == "any" else float(options.azimuth)
    rng = np.random.default_rng(options.seed)
    known = [
        sample
        for number in range(options.videos)
        for sample in samples_of(drawn(rng, (), azimuth), f"normal-{number}", rng)
    ]
    detector, _ = training.fit(known, TrainConfig(most_references=400), base=load_base())
    report(detector, [drawn(rng, synthetic.FAULT_KINDS, azimuth) for _ in range(options.videos)], rng)


def report(detector: Detector, plans: list[synthetic.LiftPlan], rng: np.random.Generator) -> None:
    raw: dict[str, list[float]] = defaultdict(list)
    named: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    flagged: dict[str, list[bool]] = defaultdict(list)
    first: dict[str, Counter[str]] = defaultdict(Counter)
    for plan in plans:
        samples = samples_of(plan, "test", rng)
        scores = detector.score(samples[0].pose, [sample.rep for sample in samples], "gym")
        for planned, score in zip(plan.reps, scores, strict=True):
            kind: str = planned.fault or "none"
            raw[kind].append(score.raw)
            flagged[kind].append(score.is_anomaly)
            if planned.fault is not None:
                parts, phase = synthetic.FAULTS[planned.fault]
                named[kind].append((score.reasons[0].body_part in parts, score.reasons[0].phase == phase))
                first[kind][score.reasons[0].body_part] += 1
    normal = np.array(raw.pop("none"))
    pooled = np.concatenate([np.array(values) for values in raw.values()])
    right = [part for marks in named.values() for part, _ in marks]
    print(f"normal {len(normal)}, flagged {np.mean(flagged['none']):.1%}; faulty {len(pooled)}")
    print(f"pooled AUROC {auroc(normal, pooled):.3f}, part named first is right in {np.mean(right):.1%}")
    for kind in sorted(raw):
        part, phase = np.mean(named[kind], axis=0)
        print(
            f"{kind:20s} n {len(raw[kind]):3d}  AUROC {auroc(normal, np.array(raw[kind])):.3f}  "
            f"flagged {np.mean(flagged[kind]):4.0%}  part {part:4.0%}  phase {phase:4.0%}  {dict(first[kind])}"
        )


if __name__ == "__main__":
    main()
