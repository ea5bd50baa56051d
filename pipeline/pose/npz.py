"""Poses as NumPy .npz files: the one place that writes and reads them, for the cache of landmarks and for datasets."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from pipeline.errors import PoseFileDamaged
from pipeline.records import Pose, Side

ARRAYS = tuple(field.name for field in fields(Pose) if field.name not in ("width", "height", "second_lifter"))
"""The fields of a Pose that have a row for each frame."""
_ADDED = frozenset({"back_bow"})
"""Those of them that earlier releases did not write."""
SIDES: dict[str, Side] = {"": "", "left": "left", "right": "right"}


def write_pose(path: Path, pose: Pose, **numbers: float) -> None:
    """Write every field of the pose by its name, and further numbers by theirs. Raises OSError."""
    values = {field.name: getattr(pose, field.name) for field in fields(pose)} | numbers
    with path.open("wb") as file:
        np.savez_compressed(file, **values)


def read_pose(path: Path, numbers: Sequence[str] = ()) -> tuple[Pose, tuple[float, ...]]:
    """The pose that `write_pose` wrote, and the named ones of the numbers beside it.

    Raises PoseFileDamaged where the file is missing, damaged, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ARRAYS if name in stored or name not in _ADDED}
            size = int(stored["width"]), int(stored["height"])
            side = str(stored["second_lifter"]) if "second_lifter" in stored else ""  # earlier releases did not look
            pose = Pose(**arrays, width=size[0], height=size[1], second_lifter=SIDES[side])
            return pose, tuple(float(stored[name]) for name in numbers)
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise PoseFileDamaged(f"{path}: not the landmarks of a video ({error}). Delete the file.") from error
