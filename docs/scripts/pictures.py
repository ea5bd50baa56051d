"""Draws pictures of a synthetic lifter for the documentation: python docs/scripts/pictures.py docs/pictures"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline import synthetic
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.config import EncodeConfig, SegmentConfig, TrainConfig
from pipeline.learning.training import train
from pipeline.records import LabelledRep, Pose, Rep
from pipeline.reps import find_reps
from pipeline.reps.signal import lift_signals
from pipeline.skelemotion import encode
from pipeline.synthetic.drawing import draw
from pipeline.visuals.pictures import save_heat
from pipeline.visuals.representations import representation

_FAULTY = 2
"""Index of the repetition whose hips rise early."""
_REPS = 5
_LABELLED_VIDEOS = 4


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plan = _plan(seed=0, faulty=_FAULTY)
    pose = _pose(plan)
    reps = find_reps(pose, SegmentConfig())
    _draw_signal(plan, pose, reps, folder / "lift-signal.png")
    _draw_images(pose, reps, folder / "skelemotion.png")
    detector = _detector()
    score = detector.score(pose, reps)[_FAULTY]
    image = encode(pose, reps[_FAULTY], detector.config.encode).image
    save_heat(image, detector.heat_maps(pose, reps)[_FAULTY], score, f"Repetition {_FAULTY + 1}", folder / "heat.png")


def _plan(seed: int, faulty: int | None = None) -> synthetic.LiftPlan:
    """A set of five repetitions with a little variation of pace; one may have hips that rise early."""
    paces = np.random.default_rng(seed).normal(1.0, 0.05, size=(_REPS, 2))
    reps = tuple(
        synthetic.RepPlan(
            pull_s=1.3 * float(pull),
            lowering_s=1.3 * float(lowering),
            fault="early_hip_rise" if number == faulty else None,
        )
        for number, (pull, lowering) in enumerate(paces)
    )
    return replace(synthetic.LiftPlan(seed=seed), reps=reps)


def _pose(plan: synthetic.LiftPlan) -> Pose:
    """The planned landmarks, ten a second, with the noise of a pose estimator."""
    times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
    return synthetic.add_jitter(synthetic.pose_of(plan, times), seed=plan.seed)


def _detector() -> Detector:
    """A detector that knows the lifter by normal repetitions of other videos."""
    plans = [_plan(seed) for seed in range(1, _LABELLED_VIDEOS + 1)]
    samples = [
        LabelledRep(_pose(plan), rep, "normal", f"video {plan.seed}")
        for plan in plans
        for rep in synthetic.reps_of(plan)
    ]
    return train(samples, TrainConfig(), base=load_detector())[0]


def _draw_signal(plan: synthetic.LiftPlan, pose: Pose, reps: tuple[Rep, ...], file: Path) -> None:
    """Pictures of one repetition, and below them the heights of shoulders, hips and wrists with all repetitions."""
    settings = SegmentConfig()
    (signal,) = lift_signals(pose, settings.smoothing_s, settings.max_gap_s)
    figure = Figure(figsize=(9, 6), layout="constrained")
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.25))
    first = reps[0]
    moments = {
        "start: load off the floor": first.start_s,
        "halfway": (first.start_s + first.top_s) / 2,
        "top: lockout": first.top_s,
        "end: load on the floor": first.end_s,
    }
    pictures = draw(plan, np.array(list(moments.values())))
    for axes, name, picture in zip(upper.subplots(1, len(moments)), moments, pictures, strict=True):
        axes.imshow(picture)
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    axes = lower.subplots()
    for name, height in (("shoulders", signal.shoulder), ("hips", signal.hip), ("wrists", signal.wrist)):
        axes.plot(signal.time, height - signal.wrist.min(), label=name)
    for number, rep in enumerate(reps, start=1):
        axes.axvspan(rep.start_s, rep.end_s, color="tab:green", alpha=0.12)
        axes.axvline(rep.top_s, color="tab:green", linewidth=0.8, linestyle="--")
        axes.text((rep.start_s + rep.end_s) / 2, 0.02, str(number), ha="center")
    axes.set(xlabel="seconds", ylabel="metres above the lowest wrists", ylim=(0.0, None), xlim=(0.0, signal.time[-1]))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8, frameon=False)
    figure.savefig(file, dpi=100)


def _draw_images(pose: Pose, reps: tuple[Rep, ...], file: Path) -> None:
    """The SkeleMotion images of a normal repetition and of the one whose hips rise early, beside each other."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    names = {0: "a normal repetition", _FAULTY: "hips that rise early"}
    for axes, (number, name) in zip(figure.subplots(1, 2), names.items(), strict=True):
        _, picture = representation(pose, reps[number], "orientation", (0.33,), EncodeConfig())
        axes.imshow(picture, aspect="auto", interpolation="nearest")
        axes.set_title(f"Repetition {number + 1}: {name}", fontsize=10)
        axes.set_xlabel("time: pull, lockout, lowering", fontsize=9)
        axes.set_ylabel("joints, along a walk over the body", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
