"""Joints of both sides as one, and the angles between the parts of a body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX

_Doubles = NDArray[np.float64]


def middle_of(points: _Doubles, *joints: str) -> _Doubles:
    """[..., D] mean of the left and right landmarks of these joints in points [..., 33, D]."""
    rows = [INDEX[f"{side}_{joint}"] for joint in joints for side in ("left", "right")]
    middle: _Doubles = points[..., rows, :].mean(axis=-2)
    return middle


def lean_of(vector: _Doubles) -> _Doubles:
    """[...] degrees between vectors [..., 3] and straight up; y points down."""
    lean: _Doubles = np.degrees(np.arctan2(np.hypot(vector[..., 0], vector[..., 2]), -vector[..., 1]))
    return lean


def angle_between(one: _Doubles, other: _Doubles) -> _Doubles:
    """[...] degrees between vectors [..., 3]; 90 where one has no length."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = (one * other).sum(axis=-1) / np.maximum(lengths, 1e-9)
    angle: _Doubles = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return angle
