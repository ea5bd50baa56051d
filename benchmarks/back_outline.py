"""How well the bow of the back's outline tells rounded backs from sound ones, beside trivial quantities:

    python benchmarks/back_outline.py [--engine mediapipe] [--lifters 40] [--videos DIR]

Drawn lifters with sound backs (bows of -0.01 to 0.02 trunk lengths) and bent ones (0.04 to 0.10) are seen from within
25 degrees of the side. The bow was chosen beforehand: it is one of 13 quantities that were looked at, of which others
reach as much on drawn lifters. With --videos, a folder with groundtruth.json: what is said of each repetition that is
found in every clip, beside the clip's own words about its form. Nothing is learnt here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig
from pipeline.learning.auroc import auroc
from pipeline.media.reading import SampledFrame, shrunk
from pipeline.pose.back_outline import bows_of
from pipeline.pose.estimation import estimate_samples
from pipeline.pose.estimator import PoseEstimator, open_estimator
from pipeline.pose.joints import angle_between, lean_of, middle_of
from pipeline.records import ROUNDED_BOW, Pose, Rep, VideoInfo
from pipeline.reps import find_reps
from pipeline.synthetic import Camera, LiftPlan, RepPlan, random_lifter, reps_of, timeline_of
from pipeline.synthetic.drawing import draw

_SOUND, _BENT = (-0.01, 0.02), (0.04, 0.10)
_FARTHEST_DEG = 25.0
_BENT_DEG = 45.0
_QUANTITIES = ("bow, trunk lengths", "bend at the shoulder to the ear, degrees", "lean of the trunk, degrees")


def side_view(rng: np.random.Generator, back_bow: float) -> LiftPlan:
    """A lift from the floor and back of somebody drawn, seen from within 25 degrees of one of the sides."""
    azimuth = float(rng.choice([-1.0, 1.0])) * (90.0 + float(rng.uniform(-_FARTHEST_DEG, _FARTHEST_DEG)))
    return LiftPlan(
        (RepPlan(),),
        lifter=random_lifter(rng),
        camera=Camera(azimuth, size=float(rng.uniform(0.5, 0.82)), distance_m=float(rng.uniform(3.5, 8.0))),
        setup_s=0.0,
        stand_before_s=0.0,
        leave_s=0.0,
        stand_after_s=0.0,
        back_bow=back_bow,
    )


def seen(plan: LiftPlan, estimator: PoseEstimator, config: PoseConfig) -> Pose:
    """What the estimator sees of a drawn lift, ten times a second."""
    times = np.arange(0.0, timeline_of(plan).duration_s, 1 / config.poses_per_second)
    samples = (SampledFrame(t, partial(shrunk, picture)) for t, picture in zip(times, draw(plan, times), strict=True))
    info = VideoInfo("drawn", timeline_of(plan).duration_s, plan.fps, plan.width, plan.height)
    estimator.reset()
    return estimate_samples(samples, info, config, estimator)


def measured(pose: Pose, rep: Rep) -> tuple[float, ...]:
    """The quantities of a repetition, NaN where there is no statement."""
    bow = bows_of(pose, [rep])[0]
    during = (pose.time >= rep.start_s) & (pose.time <= rep.end_s) & pose.detected
    world = pose.world[during].astype(np.float64)
    hips, shoulders, ears = (middle_of(world, joint) for joint in ("hip", "shoulder", "ear"))
    lean = lean_of(shoulders - hips)
    is_bent = lean > _BENT_DEG
    if bow is None or not is_bent.any():
        return (float("nan"),) * len(_QUANTITIES)
    bend = angle_between(shoulders - hips, ears - shoulders)
    return bow, float(np.median(bend[is_bent])), float(np.median(lean[is_bent]))


def of_drawn(estimator: PoseEstimator, config: PoseConfig, lifters: int) -> None:
    """Print how well each quantity tells drawn lifters with bent spines from sound ones."""
    rng = np.random.default_rng(3)
    found: dict[str, list[tuple[float, ...]]] = {"sound": [], "bent": []}
    for _ in range(lifters):
        for kind, bows in (("sound", _SOUND), ("bent", _BENT)):
            plan = side_view(rng, float(rng.uniform(*bows)))
            found[kind].append(measured(seen(plan, estimator, config), reps_of(plan)[0]))
    judged = {kind: np.array([row for row in rows if np.isfinite(row).all()]) for kind, rows in found.items()}
    counts = " and ".join(f"{len(rows)} of {lifters} {kind}" for kind, rows in judged.items())
    print(f"drawn lifters within {_FARTHEST_DEG:.0f} degrees of the side: {counts} allow a statement")
    for place, name in enumerate(_QUANTITIES):
        print(f"  {name:42} AUROC {auroc(judged['sound'][:, place], judged['bent'][:, place]):.3f}")
        for kind, rows in judged.items():
            print(f"    {kind}: 5, 50, 95 % of them at {np.percentile(rows[:, place], (5, 50, 95)).round(3).tolist()}")
    for kind, rows in judged.items():
        print(f"  said to be rounded: {int((rows[:, 0] >= ROUNDED_BOW).sum())} of {len(rows)} {kind}", flush=True)


def of_clips(folder: Path, estimator: PoseEstimator, config: PoseConfig) -> Iterator[str]:
    """A line for each deadlift of a folder with groundtruth.json."""
    for clip in json.loads((folder / "groundtruth.json").read_bytes()):
        if not clip.get("is_deadlift", True):
            continue
        estimator.reset()
        pose = landmarks_of(folder / clip["file"], config=config, estimator=estimator)[2]
        bows = bows_of(pose, find_reps(pose))
        told = [bow for bow in bows if bow is not None]
        rounded = sum(bow >= ROUNDED_BOW for bow in told)
        values = ", ".join(f"{bow:+.3f}" for bow in told)
        said = f"{len(bows)} reps, {len(told)} with a statement, {rounded} rounded ({values})"
        yield f"{clip['file']}: {said}; form: {clip.get('form_label')}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("openvino", "mediapipe"), default="openvino")
    parser.add_argument("--lifters", type=int, default=40, help="drawn lifters of each kind, 0 for none")
    parser.add_argument("--videos", type=Path, action="append", default=[], help="a folder with groundtruth.json")
    arguments = parser.parse_args()
    used = PoseConfig(engine=arguments.engine)
    with open_estimator(used) as opened:
        if arguments.lifters:
            of_drawn(opened, used, arguments.lifters)
        for videos in arguments.videos:
            for line in of_clips(videos, opened, used):
                print(line, flush=True)
