"""Labelled repetitions with the poses they are cut from. Data is split by video, never by repetition."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline import synthetic
from pipeline.errors import DatasetError
from pipeline.records import Pose, Rep, RepLabel

Role = Literal["reference", "calibration"]


@dataclass(frozen=True)
class Sample:
    """One labelled repetition of one video.

    group names the video; setting names the lifter and camera, "" where that is for the tool to find out. A sample
    whose role is "calibration" only says how far normal repetitions may be from the reference: nothing of it but that
    distance goes into the model.
    """

    pose: Pose
    rep: Rep
    label: RepLabel
    group: str
    setting: str = ""
    role: Role = "reference"


def synthetic_samples(videos: int, seed: int, poses_per_second: float = 10.0) -> list[Sample]:
    """Normal repetitions of drawn lifters: other bodies, cameras and tempos in every video, with estimator's noise."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(videos):
        plan = synthetic.random_plan(rng)
        times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 1.0 / poses_per_second)
        pose = synthetic.add_jitter(synthetic.pose_of(plan, times), seed=int(rng.integers(2**31)))
        samples += [
            Sample(pose, rep, "normal" if planned.fault is None else "anomalous", f"synthetic-{number}")
            for planned, rep in zip(plan.reps, synthetic.reps_of(plan), strict=True)
        ]
    return samples


def labelled_samples(
    groundtruth: Path, videos: Path, pose_of: Callable[[Path], Pose], role: Role = "reference"
) -> list[Sample]:
    """Samples of a list of videos with their repetitions, as JSON.

    Each entry has `file`, `reps` (with start_s, top_s, end_s; an end_s of null is a partial repetition and left out)
    and a label for the whole video in `form_label` ("ok", "good...", "normal" or "bad...", "anomalous"), or for each
    repetition in `label`; what has neither is left out. `pose_of` finds the landmarks of a file.
    Raises DatasetError where the file is not such a list.
    """
    samples: list[Sample] = []
    for entry in _entries(groundtruth):
        reps = [rep for rep in entry["reps"] if rep.get("end_s") is not None]
        labels = [_label(str(rep.get("label", entry.get("form_label", "")))) for rep in reps]
        if not any(labels):
            continue
        pose = pose_of(videos / entry["file"])
        samples += [
            Sample(pose, Rep(rep["start_s"], rep["top_s"], rep["end_s"]), label, entry["file"], role=role)
            for rep, label in zip(reps, labels, strict=True)
            if label is not None
        ]
    return samples


def of_label(samples: Sequence[Sample], label: RepLabel) -> list[Sample]:
    """The samples with that label."""
    return [sample for sample in samples if sample.label == label]


def _label(text: str) -> RepLabel | None:
    word = text.strip().lower().split(" ")[0]
    if word in ("ok", "good", "normal", "correct"):
        return "normal"
    return "anomalous" if word in ("bad", "anomalous", "anomaly") else None


def _entries(groundtruth: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(groundtruth.read_text())
    except FileNotFoundError as error:
        raise DatasetError(f"{groundtruth}: no such file. Expected a JSON list of videos with their reps.") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{groundtruth}: not JSON ({error}).") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "file" in e and "reps" in e for e in entries):
        raise DatasetError(f'{groundtruth}: expected a list of {{"file": ..., "reps": [...]}}.')
    return entries
