"""A video's landmarks as a SLEAP labels file (.slp), which SLEAP, sleap-io and movement open.

HDF5 as sleap-io 0.9 writes it, in format 1.2: a labelled frame per pose that lies in an exported repetition, in each
the lifter as a predicted instance. Frames are those of the video, counted from 0 at the frame rate of the repetitions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.dataset_format import VideoFormat
from pipeline.datasets.rows import ExportedRep, file_beside
from pipeline.landmarks import INDEX, LANDMARK_COUNT, LANDMARKS
from pipeline.records import Pose

SKELETON = "MediaPipe Pose"
INDIVIDUAL = "lifter"
_LIMBS = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "thumb"), ("wrist", "index"), ("wrist", "pinky"),
    ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "foot_index"),
)  # fmt: skip
EDGES = (
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _LIMBS),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
)
"""Pairs of landmarks that a line joins."""

_FORMAT = 1.2
_PREDICTED, _NONE = 1, -1
_FRAME = np.dtype(
    [
        ("frame_id", "<u8"),
        ("video", "<u4"),
        ("frame_idx", "<u8"),
        ("instance_id_start", "<u8"),
        ("instance_id_end", "<u8"),
    ]
)
_INSTANCE = np.dtype(
    [
        ("instance_id", "<i8"),
        ("instance_type", "u1"),
        ("frame_id", "<u8"),
        ("skeleton", "<u4"),
        ("track", "<i4"),
        ("from_predicted", "<i8"),
        ("score", "<f4"),
        ("point_id_start", "<u8"),
        ("point_id_end", "<u8"),
        ("tracking_score", "<f4"),
    ]
)
_POINT = np.dtype([("x", "<f8"), ("y", "<f8"), ("visible", "?"), ("complete", "?")])
_PREDICTED_POINT = np.dtype([*_POINT.descr, ("score", "<f8")])


class SleapFiles(VideoFormat):
    """One file per video whose frame rate is known: it has frames, no seconds."""

    opened_by: ClassVar[Mapping[str, str]] = {
        "SLEAP, sleap-io": 'sleap_io.load_slp("sleap/VIDEO.slp", open_videos=False)'
    }
    holds: ClassVar[Mapping[str, str]] = {
        "sleap/": "MediaPipe's 33 landmarks of every pose within a repetition, a SLEAP labels file (.slp) per video"
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder / "sleap"
        self._folder.mkdir()

    def write_video(self, rows: Sequence[ExportedRep], pose: Pose | None) -> None:
        if pose is not None and rows[0].frame_rate is not None:
            write_slp(self._folder / f"{rows[0].name}.slp", file_beside(rows[0]), rows, pose)


def write_slp(path: Path, video: str, rows: Sequence[ExportedRep], pose: Pose) -> int:
    """Write the poses of one video's repetitions, and return how many frames that are.

    video: the name of its file, which readers look for beside the document. A pose in several repetitions is written
    once, and the first of two that fall on one frame. Raises ValueError where the frame rate is not known.
    """
    rate = rows[0].frame_rate
    if rate is None:
        raise ValueError(f"Expected the frame rate of {rows[0].video}, got none.")
    inside = np.zeros(len(pose.time), dtype=bool)
    for row in rows:
        inside |= (pose.time >= row.start_s) & (pose.time < row.end_s)
    chosen = np.flatnonzero(inside & pose.detected)
    numbers, first = np.unique(np.round(pose.time[chosen] * rate).astype(np.int64), return_index=True)
    _write(path, video, numbers, pose.image[chosen[first]], pose.visibility[chosen[first]])
    return len(numbers)


def _write(
    path: Path, video: str, numbers: NDArray[np.int64], image: NDArray[np.float32], visibility: NDArray[np.float32]
) -> None:
    count = len(numbers)
    ids = np.arange(count)
    frames = np.zeros(count, _FRAME)
    frames["frame_id"] = frames["instance_id_start"] = ids
    frames["frame_idx"] = numbers
    frames["instance_id_end"] = ids + 1
    instances = np.zeros(count, _INSTANCE)
    instances["instance_id"] = instances["frame_id"] = ids
    instances["instance_type"] = _PREDICTED
    instances["from_predicted"] = _NONE
    instances["score"] = visibility.mean(axis=1)
    instances["point_id_start"] = ids * LANDMARK_COUNT
    instances["point_id_end"] = (ids + 1) * LANDMARK_COUNT
    instances["tracking_score"] = np.nan
    points = np.zeros(count * LANDMARK_COUNT, _PREDICTED_POINT)
    places = image.reshape(-1, 2)
    points["x"], points["y"] = places.T
    points["visible"] = np.isfinite(places).all(axis=1)
    points["score"] = visibility.reshape(-1)
    with h5py.File(path, "w") as file:
        metadata = file.create_group("metadata")
        metadata.attrs["format_id"] = _FORMAT
        metadata.attrs["json"] = np.bytes_(json.dumps(_metadata()))
        file["videos_json"] = [np.bytes_(json.dumps({"filename": video, "backend": {"filename": video}}))]
        file["tracks_json"] = [np.bytes_(json.dumps([0, INDIVIDUAL]))]
        for name in ("suggestions_json", "sessions_json"):
            file.create_dataset(name, shape=(0,), dtype=h5py.string_dtype())
        file["frames"], file["instances"] = frames, instances
        file["points"], file["pred_points"] = np.zeros(0, _POINT), points


def _metadata() -> dict[str, Any]:
    """The skeleton as SLEAP's JSON has it: a graph that Python's jsonpickle wrote, where repeated objects are ids."""
    kind = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}
    links = [
        {
            "edge_insert_idx": number,
            "key": 0,
            "source": INDEX[a],
            "target": INDEX[b],
            "type": kind if number == 0 else {"py/id": 1},
        }
        for number, (a, b) in enumerate(EDGES)
    ]
    skeleton = {
        "directed": True,
        "graph": {"name": SKELETON, "num_edges_inserted": len(EDGES)},
        "links": links,
        "multigraph": True,
        "nodes": [{"id": number} for number in range(LANDMARK_COUNT)],
    }
    return {
        "version": "2.0.0",
        "skeletons": [skeleton],
        "nodes": [{"name": name, "weight": 1.0} for name in LANDMARKS],
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": {},
    }
