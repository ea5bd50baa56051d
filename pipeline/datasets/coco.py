"""Poses of exported repetitions as COCO keypoints: one image entry per pose, written as they come.

After the format that cocodataset.org describes for keypoint detection: one file of all, and one per split, laid out as
datumaro and others expect. An image entry says which video it is of and when, next to the usual fields; its picture is
written if it is asked for (see pose_pictures.py).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.rows import SPLITS, ExportedRep, Split
from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep

NAME = "coco_keypoints.json"
SPLIT_NAMES: dict[Split, str] = {split: f"annotations/person_keypoints_{split}.json" for split in SPLITS}
PICTURES = "images"
KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""COCO's 17 keypoints, in its order."""
_EDGES = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11),
    (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
_COLUMNS = [INDEX[name] for name in KEYPOINTS]
_SEEN = 0.5
_VISIBLE, _HIDDEN, _ABSENT = 2, 1, 0


class CocoKeypoints(DatasetFormat):
    """Every pose within a repetition in which a person was found."""

    opened_by: ClassVar[Mapping[str, str]] = {
        "pycocotools": 'COCO("annotations/person_keypoints_train.json")',
        "datumaro": 'datumaro.Dataset.import_from("FOLDER", "coco_person_keypoints")',
    }
    holds: ClassVar[Mapping[str, str]] = {
        NAME: "every pose within a repetition as COCO keypoints",
        "annotations/": "the same for each split",
        f"{PICTURES}/": "the pictures of these poses, where they were exported",
    }

    def __init__(self, folder: Path) -> None:
        (folder / "annotations").mkdir()
        (folder / PICTURES).mkdir()
        # datumaro reads no annotations without that folder, and archives keep no empty one.
        (folder / PICTURES / "README.txt").write_text("Pictures of the poses: in a folder per split, if exported.\n")
        self._all = _CocoFile(folder / NAME)
        self._by_split = {split: _CocoFile(folder / name) for split, name in SPLIT_NAMES.items()}
        self._count = 0

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        if pose is None:
            return Added()
        for frame in np.flatnonzero((pose.time >= row.start_s) & (pose.time < row.end_s) & pose.detected):
            self._count += 1
            image = json.dumps(_image(self._count, row, pose, int(frame)), ensure_ascii=False)
            annotation = json.dumps(_annotation(self._count, pose, int(frame)))
            for file in (self._all, self._by_split[row.split]):
                file.add(image, annotation)
        return Added()

    def close(self) -> None:
        for file in (self._all, *self._by_split.values()):
            file.close()


class _CocoFile:
    """One file; its two lists are put together when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._annotations = tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent)  # noqa: SIM115
        head = json.dumps({"info": {"description": "Deadlift repetitions, 17 of MediaPipe's landmarks"}})[:-1]
        self._file.write(head + ', "categories": ' + json.dumps([_category()]) + ', "images": [')
        self._separator = "\n"

    def add(self, image: str, annotation: str) -> None:
        """One entry of each list, as JSON."""
        self._file.write(self._separator + image)
        self._annotations.write(self._separator + annotation)
        self._separator = ",\n"

    def close(self) -> None:
        with self._file, self._annotations:
            self._file.write('\n], "annotations": [')
            self._annotations.seek(0)
            shutil.copyfileobj(self._annotations, self._file)
            self._file.write("\n]}\n")


def picture_name(row: ExportedRep, time_s: float) -> str:
    """The file name of the picture of a pose: a pose in two repetitions has two."""
    return f"{row.rep}_{round(round(time_s, 4) * 1000):08d}.jpg"


def _image(number: int, row: ExportedRep, pose: Pose, frame: int) -> dict[str, Any]:
    time_s = round(float(pose.time[frame]), 4)
    return {
        "id": number,
        "file_name": picture_name(row, time_s),
        "width": pose.width,
        "height": pose.height,
        "video": row.video,
        "time_s": time_s,
        "rep": row.rep,
        "label": row.label,
        "split": row.split,
    }


def _category() -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(KEYPOINTS),
        "skeleton": [list(edge) for edge in _EDGES],
    }


def _annotation(number: int, pose: Pose, frame: int) -> dict[str, Any]:
    """COCO's x, y, v of each keypoint: v is 2 seen, 1 hidden, 0 not there (outside of the picture as well)."""
    places = pose.image[frame, _COLUMNS].astype(np.float64)
    inside = (
        np.isfinite(places).all(axis=1)
        & (places >= 0).all(axis=1)
        & (places[:, 0] < pose.width)
        & (places[:, 1] < pose.height)
    )
    seen = pose.visibility[frame, _COLUMNS] >= _SEEN
    keypoints: list[float] = []
    for (x, y), is_inside, is_seen in zip(places, inside, seen, strict=True):
        if is_inside:
            keypoints += [round(float(x), 2), round(float(y), 2), _VISIBLE if is_seen else _HIDDEN]
        else:
            keypoints += [0, 0, _ABSENT]
    known = places[inside] if inside.any() else np.zeros((1, 2))
    x, y = known.min(axis=0)
    width, height = known.max(axis=0) - known.min(axis=0)
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "segmentation": [],  # readers of object annotations take it for granted
        "keypoints": keypoints,
        "num_keypoints": int(inside.sum()),
        "bbox": [round(float(value), 2) for value in (x, y, width, height)],
        "area": round(float(width * height), 2),
        "iscrowd": 0,
    }
