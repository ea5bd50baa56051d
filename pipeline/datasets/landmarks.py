"""Repetitions as files of landmarks: the poses about each, and poses brought to an even rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.errors import DatasetError, PoseFileDamaged
from pipeline.pose.attention import FOLLOW_S
from pipeline.pose.interpolation import neighbours
from pipeline.pose.npz import ARRAYS, read_pose, write_pose
from pipeline.records import Pose, Rep
from pipeline.skelemotion import SCALE_S

MARGIN_S = SCALE_S
"""Seconds of poses before and after a repetition that go with it: those that its encoding depends on."""
_SAME_S = 1e-9


class LandmarkFiles(DatasetFormat):
    """An .npz per repetition, as `write_landmarks` makes it."""

    holds: ClassVar[Mapping[str, str]] = {
        "landmarks/": "MediaPipe's 33 landmarks of a repetition, whose times are in it, and of half a minute before "
        "and after, which scaling needs (NumPy .npz)",
    }
    makes_files_of_reps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "landmarks").mkdir()

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        assert pose is not None
        assert rep is not None
        name = f"landmarks/{row.rep}.npz"
        write_landmarks(self._folder / name, pose, rep)
        return Added({"landmarks": name})

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        for row in rows_of(folder):
            if "landmarks" not in row.files:
                continue
            try:
                pose, rep = read_landmarks(folder / row.files["landmarks"])
            except DatasetError as error:
                yield str(error)
                continue
            if abs(rep.start_s - row.start_s) > _SAME_S or abs(rep.end_s - row.end_s) > _SAME_S:
                yield f"{row.rep}: its landmarks are of another time"
            elif len(pose.time) == 0:
                yield f"{row.rep}: its landmarks are empty"


def around(pose: Pose, start_s: float, end_s: float, margin_s: float = MARGIN_S) -> Pose:
    """The poses within [start_s - margin_s, end_s + margin_s]; times stay those of the video."""
    near = (pose.time >= start_s - margin_s) & (pose.time <= end_s + margin_s)
    return Pose(**{name: getattr(pose, name)[near] for name in ARRAYS}, width=pose.width, height=pose.height)


def write_landmarks(path: Path, pose: Pose, rep: Rep) -> None:
    """An .npz with the arrays of `records.Pose` about a repetition, the picture's size, and start_s, top_s, end_s."""
    part = around(pose, rep.start_s, rep.end_s)
    write_pose(path, part, start_s=rep.start_s, top_s=rep.top_s, end_s=rep.end_s)


def read_landmarks(path: Path) -> tuple[Pose, Rep]:
    """What `write_landmarks` wrote. Raises DatasetError for a file that is missing or damaged."""
    try:
        pose, (start_s, top_s, end_s) = read_pose(path, ("start_s", "top_s", "end_s"))
        return pose, Rep(start_s, top_s, end_s)
    except (PoseFileDamaged, ValueError) as error:
        raise DatasetError(f"{path}: not the landmarks of a repetition ({error}). Export the dataset again.") from error


def at_rate(pose: Pose, per_second: float) -> Pose:
    """The poses on an even grid of times: linear between neighbours, missing where a person was not seen for long.

    Nothing is put between two shots.
    """
    found = np.flatnonzero(pose.detected)
    if len(found) < 2:
        return pose
    first, last = pose.time[found[0]], pose.time[found[-1]]
    # Counted from the video's own zero, so that the grid does not depend on what was cut off before.
    grid = np.arange(np.ceil(first * per_second - 1e-6), np.floor(last * per_second + 1e-6) + 1) / per_second
    beside = neighbours(pose.time[found], grid)
    before, after, share = found[beside.before], found[beside.after], beside.share.astype(np.float32)
    apart = (pose.time[after] - pose.time[before] > FOLLOW_S) | (pose.shot[before] != pose.shot[after])
    near = np.where(share < 0.5, before, after)
    values = {}
    for name in ("image", "world", "depth", "visibility"):
        array = getattr(pose, name)
        weight = share.reshape(-1, *[1] * (array.ndim - 1))
        mixed = array[before] * (1 - weight) + array[after] * weight
        mixed[apart] = 0.0 if name == "visibility" else np.nan
        values[name] = mixed
    # What one picture shows is not what another one shows by half.
    back_bow = np.where(apart, np.float32(np.nan), pose.back_bow[near])
    return Pose(**values, time=grid, shot=pose.shot[near], width=pose.width, height=pose.height, back_bow=back_bow)
