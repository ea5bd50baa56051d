"""Repetitions in recordings of 5 to 20 minutes, composed of clips, negatives, walks, empty rooms, cuts and slow motion.

    python benchmarks/long_recordings.py --groundtruth FILE --videos DIR --cache DIR [--recordings 10] [--seed 0]

Landmarks of the clips are estimated once and composed in time, so that two hours of recordings cost seconds: every
stretch is a new shot, may be mirrored, moved and resized in the picture, slowed down or sped up; one cut in eight goes
unnoticed. Between clips stand an empty room, or a synthetic person who walks, waits, raises a hand and bends without
lifting. Printed: F1, boundary errors, and the repetitions found in stretches without a deadlift.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rep_figures import COLUMNS, cells
from rich.console import Console
from rich.table import Table

from pipeline import synthetic
from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.evaluation.reps import ClipResult, ClipTruth, evaluate_reps, load_groundtruth
from pipeline.landmarks import LANDMARK_COUNT, MIRRORED
from pipeline.pose.cache import PoseCache
from pipeline.records import Pose, Rep
from pipeline.reps import segment

_RATE = 10.0
_WIDTH, _HEIGHT = 1280, 720
_UNNOTICED = 1 / 8


@dataclass(frozen=True)
class Stretch:
    """A part of a recording with its own time from 0; its truth in that time."""

    pose: Pose
    truth: ClipTruth


def clip(path: Path, truth: ClipTruth, folder: Path) -> Stretch:
    return Stretch(landmarks_of(path, PoseCache(folder), PoseConfig(poses_per_second=_RATE))[2], truth)


def empty_room(rng: np.random.Generator) -> Stretch:
    time = np.arange(0.0, rng.uniform(3.0, 40.0), 1 / _RATE)
    nothing = np.full((len(time), LANDMARK_COUNT, 3), np.nan, np.float32)
    pose = Pose(
        image=nothing[:, :, :2],
        world=nothing,
        depth=nothing[:, :, 0],
        visibility=np.zeros((len(time), LANDMARK_COUNT), np.float32),
        time=time,
        shot=np.zeros(len(time), np.int32),
        width=_WIDTH,
        height=_HEIGHT,
    )
    return Stretch(pose, ClipTruth("empty room", (), is_deadlift=False))


def idle_person(rng: np.random.Generator) -> Stretch:
    """Someone walks in, waits, maybe raises a hand or bends down and up again, and never lifts."""
    plan = replace(
        synthetic.random_plan(rng, most_reps=1),
        cuts=(),
        walk_in_s=float(rng.uniform(2.0, 5.0)),
        stand_before_s=float(rng.uniform(1.0, 8.0)),
        hand_raise_s=float(rng.choice([0.0, 2.5])),
        unloaded_bends=int(rng.integers(0, 3)),
        setup_s=1.5,
    )
    bend = synthetic.timeline_of(plan).setups[0][0]
    pose = synthetic.pose_of(plan, np.arange(0.0, bend, 1 / _RATE))
    return Stretch(synthetic.add_jitter(pose, seed=plan.seed), ClipTruth("idle person", (), is_deadlift=False))


def varied(stretch: Stretch, rng: np.random.Generator) -> Stretch:
    """The stretch mirrored or not, elsewhere and larger or smaller in the picture, slower or faster."""
    pose, truth = stretch.pose, stretch.truth
    pace = float(rng.choice([1.0, 1.0, 1.0, 0.85, 1.3, 2.0]))
    image = pose.image * np.float32(rng.uniform(0.35, 1.0) * _HEIGHT / pose.height)
    world = pose.world.copy()
    if rng.random() < 0.5:
        rows = list(MIRRORED)
        image = np.stack([_WIDTH - image[:, rows, 0], image[:, rows, 1]], axis=2)
        world = world[:, rows] * np.array([-1, 1, 1], np.float32)
        pose = replace(pose, visibility=pose.visibility[:, rows], depth=pose.depth[:, rows])
    image = image + rng.uniform(-100.0, 100.0, 2).astype(np.float32)
    pose = replace(pose, image=image, world=world, time=pose.time * pace, width=_WIDTH, height=_HEIGHT)
    reps = tuple(Rep(rep.start_s * pace, rep.top_s * pace, rep.end_s * pace) for rep in truth.reps)
    partial = tuple((start * pace, end * pace) for start, end in truth.partial)
    return Stretch(pose, replace(truth, reps=reps, partial=partial))


def compose(stretches: list[Stretch], name: str, rng: np.random.Generator) -> tuple[Pose, ClipTruth, list[ClipTruth]]:
    """One recording, its truth, and the truths of its stretches with times of the recording (partial: their span)."""
    now, shot = 0.0, 0
    parts: list[Pose] = []
    reps: list[Rep] = []
    partial: list[tuple[float, float]] = []
    spans: list[ClipTruth] = []
    for stretch in stretches:
        pose, truth = stretch.pose, stretch.truth
        begin = now - float(pose.time[0])
        parts.append(replace(pose, time=pose.time + begin, shot=(pose.shot + shot).astype(np.int32)))
        reps += [Rep(r.start_s + begin, r.top_s + begin, r.end_s + begin) for r in truth.reps]
        partial += [(a + begin, min(b + begin, float(parts[-1].time[-1]))) for a, b in truth.partial]
        spans.append(replace(truth, reps=(), partial=((now, float(parts[-1].time[-1])),)))
        now = float(parts[-1].time[-1]) + 1 / _RATE
        shot = int(parts[-1].shot[-1]) + int(rng.random() >= _UNNOTICED)
    names = ("image", "world", "depth", "visibility", "time", "shot")
    joined = {key: np.concatenate([getattr(part, key) for part in parts]) for key in names}
    pose = Pose(**joined, width=_WIDTH, height=_HEIGHT)
    return pose, ClipTruth(name, tuple(reps), tuple(partial)), spans


def recording(clips: list[Stretch], name: str, rng: np.random.Generator) -> tuple[Pose, ClipTruth, list[ClipTruth]]:
    length_s = rng.uniform(300.0, 1200.0)
    stretches: list[Stretch] = []
    while sum(float(np.ptp(stretch.pose.time)) for stretch in stretches) < length_s:
        kind = rng.random()
        if kind < 0.6:
            stretches.append(varied(clips[int(rng.integers(len(clips)))], rng))
        elif kind < 0.8:
            stretches.append(empty_room(rng))
        else:
            stretches.append(varied(idle_person(rng), rng))
    return compose(stretches, name, rng)


def false_in_idle(found: tuple[Rep, ...], spans: list[ClipTruth]) -> int:
    """Repetitions whose lockout lies in a stretch without a deadlift."""
    idle = [span.partial[0] for span in spans if not span.is_deadlift]
    return sum(any(begin <= rep.top_s <= end for begin, end in idle) for rep in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder in which landmarks are kept")
    parser.add_argument("--recordings", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    truths = load_groundtruth(arguments.groundtruth)
    clips = [clip(arguments.videos / truth.name, truth, arguments.cache) for truth in truths]
    rng = np.random.default_rng(arguments.seed)
    config = SegmentConfig()
    table = Table("recording", "minutes", *COLUMNS, "false in idle")
    results: list[ClipResult] = []
    false = 0
    for number in range(arguments.recordings):
        pose, truth, spans = recording(clips, f"recording {number}", rng)
        found = segment(pose, config)
        results.append(ClipResult(truth, found.reps, found.confidence))
        idle = false_in_idle(found.reps, spans)
        false += idle
        table.add_row(truth.name, f"{pose.time[-1] / 60:.1f}", *cells(evaluate_reps([results[-1]])), str(idle))
    table.add_row("all", "", *cells(evaluate_reps(results)), str(false))
    Console().print(table)


if __name__ == "__main__":
    main()
