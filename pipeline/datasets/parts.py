"""The files that an exported video's repetitions get from its landmarks, in their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import SegmentConfig
from pipeline.datasets.landmarks import write_array, write_landmarks, write_picture
from pipeline.datasets.ntu_skeleton import write_skeleton
from pipeline.datasets.rows import ExportedRep
from pipeline.records import Pose, Rep, RepLabel
from pipeline.reps.lockout import with_lockout

PARTS = {
    "landmarks/": "MediaPipe's 33 landmarks of a repetition, whose times are in it, and of half a minute before and "
    "after, which scaling needs (NumPy .npz)",
    "skeleton/": "25 joints per pose in the text format of NTU RGB+D, as the SkeleMotion code reads it",
    "skelemotion/normal/, skelemotion/anomaly/": "the published detector's pictures (.png)",
    "skelemotion/arrays/": "SkeleMotion images [12, 45, 48] as the detector here sees them (NumPy .npy)",
}
_PICTURES: dict[RepLabel, str] = {"normal": "skelemotion/normal", "anomalous": "skelemotion/anomaly"}
_FOLDERS = ("landmarks", "skeleton", "skelemotion/normal", "skelemotion/anomaly", "skelemotion/arrays")


def make_folders(folder: Path) -> None:
    """The folders that `write_parts` writes to."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)


def write_parts(
    folder: Path, rows: Sequence[ExportedRep], pose: Pose, config: SegmentConfig
) -> tuple[list[ExportedRep], list[tuple[str, str]]]:
    """Write the parts of a video's repetitions; returns the rows with their files and lockouts, and what is missing.

    The latter as (repetition, why).
    """
    written, missing = [], []
    for row in rows:
        if not ((pose.time >= row.start_s) & (pose.time < row.end_s)).any():
            missing.append((row.rep, "no pose lies within it: nothing from landmarks"))
            written.append(row)
            continue
        rep = with_lockout(pose, row.start_s, row.end_s, config)
        done, files = _write(folder, row, pose, rep), dict(row.files)
        files |= done
        if "skelemotion" not in done or "picture" not in done:
            missing.append((row.rep, "hardly any body was found in it: no SkeleMotion"))
        written.append(replace(row, top_s=rep.top_s, files=files))
    return written, missing


def _write(folder: Path, row: ExportedRep, pose: Pose, rep: Rep) -> dict[str, str]:
    files = {
        "landmarks": f"landmarks/{row.rep}.npz",
        "skeleton": f"skeleton/{row.rep}.skeleton",
        "skelemotion": f"skelemotion/arrays/{row.rep}.npy",
        "picture": f"{_PICTURES[row.label]}/{row.rep}_1_CaetanoOrientation.png",
    }
    write_landmarks(folder / files["landmarks"], pose, rep)
    write_skeleton(folder / files["skeleton"], pose, rep.start_s, rep.end_s)
    if not write_array(folder / files["skelemotion"], pose, rep):
        del files["skelemotion"]
    if not write_picture(folder / files["picture"], pose, rep):
        del files["picture"]
    return files
