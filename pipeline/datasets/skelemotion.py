"""Repetitions as SkeleMotion images: arrays as our detector sees them, pictures as the published one was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.config import EncodeConfig
from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.landmarks import around, at_rate
from pipeline.datasets.rows import ExportedRep
from pipeline.original.model import orientation_image
from pipeline.records import Pose, Rep, RepLabel
from pipeline.skelemotion import encode

PICTURE_HZ = 30.0
"""The published detector counts frames, of videos with 30 per second."""
_PICTURES: dict[RepLabel, str] = {"normal": "skelemotion/normal", "anomalous": "skelemotion/anomaly"}
_ARRAYS = "skelemotion/arrays"


class SkeleMotionFiles(DatasetFormat):
    """An array and a picture per repetition, each only where a body was found to show."""

    holds: ClassVar[Mapping[str, str]] = {
        "skelemotion/normal/, skelemotion/anomaly/": "the published detector's pictures (.png)",
        "skelemotion/arrays/": "SkeleMotion images [12, 45, 48] as the detector here sees them (NumPy .npy)",
    }
    makes_files_of_reps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in (*_PICTURES.values(), _ARRAYS):
            (folder / name).mkdir(parents=True)

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        assert pose is not None
        assert rep is not None
        files: dict[str, str] = {}
        array = f"{_ARRAYS}/{row.rep}.npy"
        if write_array(self._folder / array, pose, rep):
            files["skelemotion"] = array
        picture = f"{_PICTURES[row.label]}/{row.rep}_1_CaetanoOrientation.png"
        if write_picture(self._folder / picture, pose, rep):
            files["picture"] = picture
        return Added(files, "" if len(files) == 2 else "hardly any body was found in it: no SkeleMotion")


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
