"""Labelled repetitions with the poses they are cut from. Data is split by video, never by repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.learning.groundtruth import read_clips
from pipeline.records import LabelledRep, Pose, Rep, RepLabel, Role


def labelled_samples(
    groundtruth: Path, videos: Path, pose_of: Callable[[Path], Pose], role: Role = "reference"
) -> list[LabelledRep]:
    """Samples of a list of videos with their repetitions, as JSON.

    Each entry has `file`, `reps` (with start_s, top_s, end_s; an end_s of null is a partial repetition and left out)
    and a label for the whole video in `form_label` ("ok", "good...", "normal" or "bad...", "anomalous"), or for each
    repetition in `label`; what has neither is left out. `pose_of` finds the landmarks of a file.
    Raises DatasetError where the file is not such a list.
    """
    samples: list[LabelledRep] = []
    for entry in read_clips(groundtruth):
        reps = [rep for rep in entry["reps"] if rep.get("end_s") is not None]
        labels = [_label(str(rep.get("label", entry.get("form_label", "")))) for rep in reps]
        if not any(labels):
            continue
        pose = pose_of(videos / entry["file"])
        samples += [
            LabelledRep(pose, Rep(rep["start_s"], rep["top_s"], rep["end_s"]), label, entry["file"], role=role)
            for rep, label in zip(reps, labels, strict=True)
            if label is not None
        ]
    return samples


def of_label(samples: Sequence[LabelledRep], label: RepLabel) -> list[LabelledRep]:
    """The samples with that label."""
    return [sample for sample in samples if sample.label == label]


def _label(text: str) -> RepLabel | None:
    word = text.strip().lower().split(" ")[0]
    if word in ("ok", "good", "normal", "correct"):
        return "normal"
    return "anomalous" if word in ("bad", "anomalous", "anomaly") else None
