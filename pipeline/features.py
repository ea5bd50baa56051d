"""SkeleMotion images pooled to a few numbers per body part and piece of a phase: what repetitions are compared by."""

from __future__ import annotations

import numpy as np

from pipeline.landmarks import LANDMARKS
from pipeline.records import Floats, Phase
from pipeline.skelemotion import CHANNELS, WALK, phase_of_column

_PARTS = {
    "nose": "head",
    "shoulder": "shoulders",
    "elbow": "arms",
    "wrist": "arms",
    "pinky": "arms",
    "index": "arms",
    "thumb": "arms",
    "hip": "hips",
    "knee": "knees",
    "ankle": "feet",
    "heel": "feet",
    "foot_index": "feet",
}
_POOLED = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 31, 32)
"""Landmarks that are compared: fingers and heels repeat what wrists and toes say."""
_COLUMNS_PER_BIN = 4
_USED = tuple(index for index, name in enumerate(CHANNELS) if name != "motion")


def body_part(landmark: int) -> str:
    """The part of the body that a landmark belongs to, in a labeler's words."""
    name = LANDMARKS[landmark].removeprefix("left_").removeprefix("right_")
    return _PARTS[name]


def pooled(images: Floats) -> Floats:
    """Images [N, C, J, L] -> features [N, P, B, F]: P landmarks, B pieces of time, F channels."""
    count, _, _, length = images.shape
    rows = [WALK.index(landmark) for landmark in _POOLED]
    chosen = images[:, list(_USED)][:, :, rows]
    bins = length // _COLUMNS_PER_BIN
    means = chosen.reshape(count, len(_USED), len(rows), bins, _COLUMNS_PER_BIN).mean(axis=-1)
    return np.ascontiguousarray(means.transpose(0, 2, 3, 1), dtype=np.float32)


def part_of_row() -> tuple[str, ...]:
    """The body part of each of the P landmarks."""
    return tuple(body_part(landmark) for landmark in _POOLED)


def phase_of_bin(length: int) -> tuple[Phase, ...]:
    """The phase of each of the B pieces of time, for images of `length` columns."""
    return phase_of_column(length)[_COLUMNS_PER_BIN // 2 :: _COLUMNS_PER_BIN]
