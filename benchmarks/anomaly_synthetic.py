"""Eight kinds of faults against normal variation, on drawn lifters that the detector has not seen.

    python benchmarks/anomaly_synthetic.py [--azimuths 0,30,45,60,90] [--seeds 11,12,13] [--videos 60]

Bodies, tempos, pauses, camera distances and frame rates vary from video to video; the camera stands at about the same
angle (+- 5 degrees; 0 is in front, 90 at the side), or anywhere for `--azimuths any`. The detector learns from as many
normal videos as it is tested on. Repetitions of all seeds are judged together.

A named part is right where the fault's motion is wrong: `synthetic.FAULTS` is the table, printed with the results.
Beside it, what naming one and the same part for every repetition would get.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline import synthetic
from pipeline.anomaly.detector import load_detector
from pipeline.config import TrainConfig
from pipeline.evaluation.anomaly import auroc
from pipeline.learning import training
from pipeline.records import LabelledRep, Reason


@dataclass
class Tally:
    """Distances and flags of repetitions by kind of fault ("none": normal), and the first reasons of faulty ones."""

    raw: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    flagged: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    first: dict[synthetic.FaultKind, list[Reason]] = field(default_factory=lambda: defaultdict(list))


def drawn(
    rng: np.random.Generator, faults: tuple[synthetic.FaultKind, ...], azimuth: float | None
) -> synthetic.LiftPlan:
    plan = synthetic.random_plan(rng, faults, 0.5)
    if azimuth is None:
        return plan
    return replace(plan, cuts=(), camera=replace(plan.camera, azimuth_deg=azimuth + float(rng.uniform(-5.0, 5.0))))


def samples_of(plan: synthetic.LiftPlan, group: str, rng: np.random.Generator) -> list[LabelledRep]:
    """The plan's repetitions, sampled ten times a second, at the nearest frames of the plan's rate, with jitter."""
    times = synthetic.frame_times(plan)[:: max(1, round(plan.fps / 10))]
    pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=int(rng.integers(2**31)))
    return [
        LabelledRep(pose, rep, "normal" if planned.fault is None else "anomalous", group, "gym")
        for planned, rep in zip(plan.reps, synthetic.reps_of(plan), strict=True)
    ]


def judge(tally: Tally, seed: int, azimuth: float | None, videos: int) -> None:
    """Learn from `videos` normal videos, and add what the detector says about as many others."""
    rng = np.random.default_rng(seed)
    known = [
        sample for number in range(videos) for sample in samples_of(drawn(rng, (), azimuth), f"normal-{number}", rng)
    ]
    detector, _ = training.train(known, TrainConfig(most_references=400), base=load_detector())
    for plan in [drawn(rng, synthetic.FAULT_KINDS, azimuth) for _ in range(videos)]:
        samples = samples_of(plan, "test", rng)
        scores = detector.score(samples[0].pose, [sample.rep for sample in samples], "gym")
        for planned, score in zip(plan.reps, scores, strict=True):
            kind: str = planned.fault or "none"
            tally.raw[kind].append(score.raw)
            tally.flagged[kind].append(score.is_anomaly)
            if planned.fault is not None:
                tally.first[planned.fault].append(score.reasons[0])


def report(tally: Tally) -> None:
    normal = np.array(tally.raw["none"])
    pooled = np.concatenate([np.array(tally.raw[kind]) for kind in tally.first])
    parts = {part for found in tally.first.values() for part in (reason.body_part for reason in found)}
    always = {
        part: np.mean([part in synthetic.FAULTS[k][0] for k, v in tally.first.items() for _ in v]) for part in parts
    }
    best = max(always, key=lambda part: always[part])
    marks = [mark for kind, found in tally.first.items() for mark in right(kind, found)]
    part, phase = np.mean(marks, axis=0)
    print(f"normal {len(normal)}, flagged {np.mean(tally.flagged['none']):.1%}; faulty {len(pooled)}")
    print(f"pooled AUROC {auroc(normal, pooled):.3f}; named first: part right {part:.1%}, phase right {phase:.1%}")
    print(f"part right if it were always {best}: {always[best]:.1%}")
    for kind in sorted(tally.first):
        part, phase = np.mean(right(kind, tally.first[kind]), axis=0)
        named = Counter(reason.body_part for reason in tally.first[kind])
        print(
            f"{kind:18s} n {len(tally.raw[kind]):3d}  AUROC {auroc(normal, np.array(tally.raw[kind])):.3f}  "
            f"flagged {np.mean(tally.flagged[kind]):4.0%}  part {part:4.0%}  phase {phase:4.0%}  "
            f"{', '.join(f'{name} {count}' for name, count in named.most_common())}"
        )


def right(kind: synthetic.FaultKind, found: list[Reason]) -> list[tuple[bool, bool]]:
    parts, phase = synthetic.FAULTS[kind]
    return [(reason.body_part in parts, reason.phase == phase) for reason in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--azimuths", default="0,30,45,60,90", help='degrees, or "any"')
    parser.add_argument("--seeds", default="11,12,13")
    parser.add_argument("--videos", type=int, default=60)
    options = parser.parse_args()
    for kind, (parts, phase) in synthetic.FAULTS.items():
        print(f"{kind:18s} is in the {phase}: {', '.join(parts)}")
    for azimuth in options.azimuths.split(","):
        tally = Tally()
        for seed in options.seeds.split(","):
            judge(tally, int(seed), None if azimuth == "any" else float(azimuth), options.videos)
        print(f"\nazimuth {azimuth}")
        report(tally)


if __name__ == "__main__":
    main()
