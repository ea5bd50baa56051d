"""Leaving out a person who does not move: a pose network follows one person, and that may be somebody who watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.media.reading import Picture, SampledFrame
from pipeline.pose.tracks import pixels_per_metre
from pipeline.records import Pose

_SHOULDERS = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
# Whoever bends down even once moves the shoulders by more; less than any lift needs.
_IDLE_M = 0.25
_USUAL = (0.02, 0.98)
_FEWEST_POSES = 6
# A body is wider than its landmarks.
_MARGIN_M = 0.2
_GREY = 128


def travel_m(pose: Pose) -> float:
    """How far the shoulders went up and down within any shot, in metres of the person's scale; NaN with few poses."""
    height, scale = pose.image[:, _SHOULDERS, 1].mean(axis=1), pixels_per_metre(pose)
    travels = [
        float(np.subtract(*np.quantile(height[shot], _USUAL[::-1]))) / float(np.median(scale[shot]))
        for shot in (pose.detected & (pose.shot == number) & (scale > 0) for number in np.unique(pose.shot))
        if shot.sum() >= _FEWEST_POSES
    ]
    return max(travels, default=float("nan"))


def is_idle(pose: Pose) -> bool:
    """Whether somebody was seen, and never bent down."""
    return travel_m(pose) < _IDLE_M


def bends(pose: Pose) -> bool:
    """Whether somebody was seen who bent down at least once."""
    return travel_m(pose) >= _IDLE_M


def without(samples: Iterable[SampledFrame], pose: Pose) -> Iterator[SampledFrame]:
    """The samples with the person of `pose` covered in grey."""
    seen = np.flatnonzero(pose.detected)
    margin = _MARGIN_M * pixels_per_metre(pose)[seen, None]
    corners = pose.image[seen]
    size = np.array([pose.width, pose.height])
    low, high = (corners.min(axis=1) - margin) / size, (corners.max(axis=1) + margin) / size
    for sample in samples:
        nearest = int(np.abs(pose.time[seen] - sample.time_s).argmin())
        yield SampledFrame(sample.time_s, partial(_covered, sample, low[nearest], high[nearest]))


def _covered(sample: SampledFrame, low: NDArray[np.float64], high: NDArray[np.float64], max_side_px: int) -> Picture:
    picture = sample.shrunk(max_side_px).copy()
    size = picture.shape[1::-1]
    (left, top), (right, bottom) = (np.clip(np.round(corner * size), 0, size).astype(int) for corner in (low, high))
    picture[top:bottom, left:right] = _GREY
    return picture
