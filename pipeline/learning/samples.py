"""Labelled repetitions with the poses they are cut from. Data is split by video, never by repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.config import SegmentConfig
from pipeline.learning.groundtruth import MarkedRep, read_clips
from pipeline.pose.back_outline import bows_of
from pipeline.records import LabelledRep, Pose, Rep, RepLabel, Role
from pipeline.reps.lockout import with_lockout


def labelled_samples(
    groundtruth: Path, videos: Path, pose_of: Callable[[Path], Pose], role: Role = "reference"
) -> list[LabelledRep]:
    """Samples of a list of videos with their repetitions, as JSON.

    Each entry has `file`, `reps` (with start_s, end_s and perhaps top_s, else the landmarks tell the lockout; an end_s
    of null is a partial repetition and left out) and a label for the whole video in `form_label` ("ok", "good...",
    "normal" or "bad...", "anomalous"), or for each repetition in `label`; what has neither is left out. `pose_of` finds
    the landmarks of a file.
    Raises DatasetError where the file is not such a list.
    """
    samples: list[LabelledRep] = []
    for clip in read_clips(groundtruth):
        reps = [(rep, _label(rep.label if rep.label is not None else clip.form_label or "")) for rep in clip.reps]
        labelled = [(rep, label) for rep, label in reps if label is not None and rep.end_s is not None]
        if not labelled:
            continue
        pose = pose_of(videos / clip.file)
        samples += [LabelledRep(pose, _whole(pose, rep), label, clip.file, role=role) for rep, label in labelled]
    return samples


def _whole(pose: Pose, rep: MarkedRep) -> Rep:
    assert rep.end_s is not None
    if rep.top_s is None:
        return with_lockout(pose, rep.start_s, rep.end_s, SegmentConfig())
    return Rep(rep.start_s, rep.top_s, rep.end_s)


def of_label(samples: Sequence[LabelledRep], label: RepLabel) -> list[LabelledRep]:
    """The samples with that label."""
    return [sample for sample in samples if sample.label == label]


def bows_of_samples(samples: Sequence[LabelledRep]) -> list[float | None]:
    """How far the back bulges in each of N repetitions, as of `bows_of`."""
    of_pose: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        of_pose.setdefault(id(sample.pose), []).append(index)
    found: list[float | None] = [None] * len(samples)
    for mine in of_pose.values():
        bows = bows_of(samples[mine[0]].pose, [samples[index].rep for index in mine])
        for index, bow in zip(mine, bows, strict=True):
            found[index] = bow
    return found


def _label(text: str) -> RepLabel | None:
    word = text.strip().lower().split(" ")[0]
    if word in ("ok", "good", "normal", "correct"):
        return "normal"
    return "anomalous" if word in ("bad", "anomalous", "anomaly") else None
