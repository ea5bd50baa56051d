"""What an exported repetition shows of its landmarks: the poses about it, its SkeleMotion array and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.config import EncodeConfig
from pipeline.errors import DatasetError, PoseFileDamaged
from pipeline.original.model import orientation_image
from pipeline.pose.interpolation import neighbours
from pipeline.pose.npz import ARRAYS, read_pose, write_pose
from pipeline.records import Pose, Rep
from pipeline.skelemotion import SCALE_S, encode

MARGIN_S = SCALE_S
"""Seconds of poses before and after a repetition that go with it: those that its encoding depends on."""
PICTURE_HZ = 30.0
"""The published detector counts frames, of videos with 30 per second."""
_LONGEST_GAP_S = 0.35


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


def write_array(path: Path, pose: Pose, rep: Rep) -> bool:
    """An .npy with the SkeleMotion image [C, J, L] that the detector sees; False where no body was found to show."""
    encoded = encode(pose, rep, EncodeConfig())
    if encoded.coverage > 0.0:
        np.save(path, encoded.image)
    return encoded.coverage > 0.0


def write_picture(path: Path, pose: Pose, rep: Rep) -> bool:
    """A PNG as the published detector was trained on, of poses brought to 30 per second; False without a body."""
    import cv2

    part = at_rate(around(pose, rep.start_s, rep.end_s, 0.5), PICTURE_HZ)
    if not (part.detected & (part.time >= rep.start_s) & (part.time < rep.end_s)).any():
        return False
    cv2.imwrite(str(path), orientation_image(part, rep))
    return True


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
    apart = (pose.time[after] - pose.time[before] > _LONGEST_GAP_S) | (pose.shot[before] != pose.shot[after])
    near = np.where(share < 0.5, before, after)
    values = {}
    for name in ("image", "world", "depth", "visibility"):
        array = getattr(pose, name)
        weight = share.reshape(-1, *[1] * (array.ndim - 1))
        mixed = array[before] * (1 - weight) + array[after] * weight
        mixed[apart] = 0.0 if name == "visibility" else np.nan
        values[name] = mixed
    return Pose(**values, time=grid, shot=pose.shot[near], width=pose.width, height=pose.height)
