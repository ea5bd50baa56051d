"""The heights that tell a lift, per camera shot: shoulders, hips and wrists of the person in metres over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from pipeline.landmarks import INDEX
from pipeline.records import Pose

Series = NDArray[np.float64]

# Heights are resampled to this rate, so that smoothing means seconds whatever the sampling of the poses.
GRID_HZ = 50.0
_MIN_SAMPLES = 5


@dataclass(frozen=True)
class LiftSignal:
    """One camera shot on an even time grid of G samples.

    time [G] seconds. shoulder, hip, knee and wrist [G] are heights (up is positive) in metres of the person, the mean of left
    and right, interpolated over gaps. missing [G] seconds between the poses that a sample lies between.
    """

    time: Series
    shoulder: Series
    hip: Series
    knee: Series
    wrist: Series
    missing: Series


def lift_signals(pose: Pose, smoothing_s: float) -> Iterator[LiftSignal]:
    """The signals of every shot that holds enough poses. smoothing_s is the standard deviation of a Gaussian."""
    for shot in np.unique(pose.shot):
        frames = np.flatnonzero((pose.shot == shot) & pose.detected)
        if len(frames) < _MIN_SAMPLES:
            continue
        yield _signal(pose, frames, smoothing_s)


def pixels_per_metre(pose: Pose, frames: NDArray[np.intp]) -> float:
    """Scale of the person: spread of the landmarks in the picture over their spread in metres, median over frames.

    The world landmarks turn with the body, so that the scale holds in a bend as well as upright, and needs no single
    joint to be visible.
    """
    image = pose.image[frames].astype(np.float64)
    world = pose.world[frames, :, :2].astype(np.float64)
    spread_px = np.sqrt(((image - image.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)))
    spread_m = np.sqrt(((world - world.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)))
    return float(np.median(spread_px / np.maximum(spread_m, 1e-6)))


def _signal(pose: Pose, frames: NDArray[np.intp], smoothing_s: float) -> LiftSignal:
    time = pose.time[frames]
    grid = np.arange(time[0], time[-1] + 1e-9, 1.0 / GRID_HZ)
    scale = pixels_per_metre(pose, frames)

    def height(joint: str) -> Series:
        sides = [INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]]
        raw = -pose.image[frames][:, sides, 1].astype(np.float64).mean(axis=1) / scale
        even = np.interp(grid, time, raw)
        return np.asarray(gaussian_filter1d(even, smoothing_s * GRID_HZ, mode="nearest"), np.float64)

    after = np.clip(np.searchsorted(time, grid, side="right"), 1, len(time) - 1)
    return LiftSignal(
        time=grid,
        shoulder=height("shoulder"),
        hip=height("hip"),
        knee=height("knee"),
        wrist=height("wrist"),
        missing=time[after] - time[after - 1],
    )
