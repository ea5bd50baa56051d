"""Repetitions as `.skeleton` text, the format of NTU RGB+D, which the published SkeleMotion code reads.

Per frame the number of bodies; per body a line of ten values, the number of joints, and for each joint twelve values:
x, y, z in metres, its place in the depth and in the colour picture, an orientation, a tracking state. After Shahroudy
et al., "NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis", CVPR 2016, and the reader that comes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.rows import ExportedRep
from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep

_SHOULDERS, _HIPS = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
_LEFT_HAND = ("left_pinky", "left_index", "left_wrist")
_RIGHT_HAND = ("right_pinky", "right_index", "right_wrist")
# Of the way from the hips to the shoulders.
_MIDDLE_OF_SPINE = 0.5
# Of the way from the shoulders to the ears.
_NECK = 0.5

KINECT_JOINTS: tuple[tuple[tuple[str, ...], tuple[str, ...], float], ...] = (
    (_HIPS, _SHOULDERS, 0.0),  # base of the spine
    (_HIPS, _SHOULDERS, _MIDDLE_OF_SPINE),
    (_SHOULDERS, ("left_ear", "right_ear"), _NECK),
    (("left_ear", "right_ear"), _SHOULDERS, 0.0),  # head
    *((names, names, 0.0) for names in (("left_shoulder",), ("left_elbow",), ("left_wrist",), _LEFT_HAND)),
    *((names, names, 0.0) for names in (("right_shoulder",), ("right_elbow",), ("right_wrist",), _RIGHT_HAND)),
    *((names, names, 0.0) for names in (("left_hip",), ("left_knee",), ("left_ankle",), ("left_foot_index",))),
    *((names, names, 0.0) for names in (("right_hip",), ("right_knee",), ("right_ankle",), ("right_foot_index",))),
    (_SHOULDERS, _HIPS, 0.0),  # spine at the shoulders
    *((names, names, 0.0) for names in (("left_index",), ("left_thumb",), ("right_index",), ("right_thumb",))),
)
"""The Kinect's 25 joints in its order, each as (landmarks, other landmarks, share of the way between their middles)."""

DISTANCE_M = 3.0
"""How far from the camera the hips are put: one camera does not tell, and readers expect a Kinect's range."""
_TRACKED, _INFERRED = 2, 1
_SEEN = 0.5
_BODY_ID = 72057594037927936  # of the size that a Kinect gives; the same person throughout
_BODY_LINE = f"{_BODY_ID} 0 0 0 0 0 0 0 0 {_TRACKED}"


class SkeletonFiles(DatasetFormat):
    """A .skeleton file per repetition."""

    holds: ClassVar[Mapping[str, str]] = {
        "skeleton/": "25 joints per pose in the text format of NTU RGB+D, as the SkeleMotion code reads it",
    }
    makes_files_of_reps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "skeleton").mkdir()

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        assert pose is not None
        assert rep is not None
        name = f"skeleton/{row.rep}.skeleton"
        write_skeleton(self._folder / name, pose, rep.start_s, rep.end_s)
        return Added({"skeleton": name})


def write_skeleton(path: Path, pose: Pose, start_s: float, end_s: float) -> int:
    """Write the frames of [start_s, end_s) and return how many; frames without a person have no body."""
    inside = np.flatnonzero((pose.time >= start_s) & (pose.time < end_s))
    metres, pixels, seen = kinect_joints(pose)
    lines = [str(len(inside))]
    for frame in inside:
        if not np.isfinite(metres[frame]).all():
            lines.append("0")
            continue
        lines += ["1", _BODY_LINE, str(len(KINECT_JOINTS))]
        for (x, y, z), (column, row), visibility in zip(metres[frame], pixels[frame], seen[frame], strict=True):
            state = _TRACKED if visibility >= _SEEN else _INFERRED
            place = f"{column:.3f} {row:.3f}"
            lines.append(f"{x:.6f} {y:.6f} {z:.6f} {place} {place} 0 0 0 0 {state}")
    path.write_text("\n".join(lines) + "\n")
    return len(inside)


def kinect_joints(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Metres [T, 25, 3] in a Kinect's axes, pixels [T, 25, 2] and visibility [T, 25] of its joints.

    x to the camera's left (who faces it has the right hand at positive x), y up, z away from the camera, origin in the
    middle of the picture. x and y are the picture's own, in metres of the person's size, so that the hips travel; z is
    that of the landmarks in metres.
    """
    scale = _metres_per_pixel(pose)
    centre = np.array([pose.width, pose.height]) / 2.0
    flat = (pose.image.astype(np.float64) - centre) * scale * np.array([-1.0, -1.0])
    deep = pose.world[..., 2:].astype(np.float64) + DISTANCE_M
    return (
        _joints(np.concatenate([flat, deep], axis=-1)),
        _joints(pose.image.astype(np.float64)),
        _joints(pose.visibility.astype(np.float64)[..., None])[..., 0],
    )


def _joints(values: NDArray[np.float64]) -> NDArray[np.float64]:
    def middle(names: tuple[str, ...]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = values[:, [INDEX[name] for name in names]].mean(axis=1)
        return mean

    return np.stack([middle(a) * (1 - share) + middle(b) * share for a, b, share in KINECT_JOINTS], axis=1)


def _metres_per_pixel(pose: Pose) -> float:
    """The size of the person in metres over that in the picture, by least squares in each frame; the median of all."""
    found = pose.detected
    if not found.any():
        return 1.0
    picture, world = pose.image[found].astype(np.float64), pose.world[found, :, :2].astype(np.float64)
    picture -= picture.mean(axis=1, keepdims=True)
    world -= world.mean(axis=1, keepdims=True)
    return float(np.median((picture * world).sum(axis=(1, 2)) / (picture**2).sum(axis=(1, 2))))
