"""The region of a picture that the landmark network sees: where it lies, what it shows, and back into the picture.

Places are in pixels of the picture, x to the right and y down, as OpenCV counts them. The steps and their numbers are
those of MediaPipe's published pose graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

_Doubles = NDArray[np.float64]

# A region is so many times as wide as the circle around the hips that the body fits into.
_MARGIN = 1.25
# The one-euro filter of the two points that regions come from: the graph uses it even where landmarks are not smoothed.
_STEP_S = 1 / 30
_LEAST_CUTOFF_HZ = 0.01
_CUTOFF_PER_SPEED = 10.0
_SPEED_CUTOFF_HZ = 1.0


@dataclass(frozen=True)
class Region:
    """A turned square of a picture: its middle (x, y) and its side, above 0, in pixels.

    rotation: radians by which it is turned from upright, clockwise as pictures are shown.
    """

    x: float
    y: float
    side: float
    rotation: float = 0.0

    def __post_init__(self) -> None:
        if not self.side > 0:
            raise ValueError(f"Expected a region with an area, got {self}.")


def whole(picture: NDArray[np.uint8]) -> Region:
    """The upright square around a picture [height, width, 3]."""
    height, width = picture.shape[:2]
    return Region(width / 2, height / 2, float(max(width, height)))


def body_region(points: _Doubles) -> Region | None:
    """The region of a body in which it stands upright, None where the points are one.

    points: [2, 2], (x, y) of the middle of the hips, and of a point above the head on the circle around the body.
    """
    (x, y), (to_x, to_y) = points.tolist()
    reach = _reach(points)
    if not reach > 0:
        return None
    rotation = np.pi / 2 - np.arctan2(y - to_y, to_x - x)
    turned = rotation - 2 * np.pi * np.floor((rotation + np.pi) / (2 * np.pi))
    return Region(x, y, 2 * reach * _MARGIN, float(turned))


def crop(picture: NDArray[np.uint8], region: Region, size: int, is_border_black: bool) -> NDArray[np.uint8]:
    """What a picture [height, width, 3] shows in a region: [size, size, 3], interpolated linearly.

    is_border_black: whether what lies outside the picture is black; the picture's edge is drawn out otherwise.
    """
    corners = cv2.boxPoints(((region.x, region.y), (region.side, region.side), float(np.degrees(region.rotation))))
    places = np.array([(0, size), (0, 0), (size, 0), (size, size)], np.float32)
    return cv2.warpPerspective(
        np.ascontiguousarray(picture),  # cv2 takes no mirrored rows
        # As MediaPipe does it, although nothing is in perspective: cv2.warpAffine rounds places in another way, which
        # moves landmarks by hundredths of a pixel, and the regions that follow from them further and further.
        cv2.getPerspectiveTransform(corners, places),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT if is_border_black else cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)


def in_picture(shares: _Doubles, region: Region) -> _Doubles:
    """Places [N, 2] in shares (0..1) of a region as pixels [N, 2] of its picture."""
    return turned(shares - 0.5, region) * region.side + (region.x, region.y)


def in_region(places: _Doubles, region: Region) -> _Doubles:
    """Pixels [N, 2] of a picture as shares of a region of it, below 0 or above 1 beside it."""
    cos, sin = np.cos(region.rotation), np.sin(region.rotation)
    shares: _Doubles = (places - (region.x, region.y)) / region.side @ np.array([[cos, -sin], [sin, cos]]) + 0.5
    return shares


def turned(points: _Doubles, region: Region) -> _Doubles:
    """Points [N, 2] around the middle of a region as it shows them, turned as they lie in the picture."""
    cos, sin = np.cos(region.rotation), np.sin(region.rotation)
    places: _Doubles = points @ np.array([[cos, sin], [-sin, cos]])
    return places


def refined(shares: _Doubles, heat: Floats, kernel: int, least: float) -> _Doubles:
    """Landmarks moved to the middle of the heat around them, where there is enough of it.

    Args:
        shares: [N, 2], x and y in shares (0..1) of the region.
        heat: [H, W, M] logits of where each landmark is; landmark n has channel n, N <= M.
        kernel: the side, odd, of the square of the map that counts.
        least: the probability (0..1) that the hottest place must have.

    Returns:
        The landmarks [N, 2]; those outside the map are where they were.
    """
    height, width = heat.shape[:2]
    centre = np.trunc(shares * (width, height)).astype(np.intp)
    reach = np.arange(kernel) - kernel // 2
    columns, rows = centre[:, 0, None] + reach, centre[:, 1, None] + reach
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    logits = heat[
        np.clip(rows, 0, height - 1)[:, :, None],
        np.clip(columns, 0, width - 1)[:, None, :],
        np.arange(len(shares))[:, None, None],
    ].astype(np.float64)
    weight = np.where(inside, 1 / (1 + np.exp(-logits)), 0.0)
    total = weight.sum(axis=(1, 2))
    is_sure = (weight.max(axis=(1, 2)) >= least) & (total > 0)
    is_sure &= ((centre >= 0) & (centre < (width, height))).all(axis=1)
    middle = np.stack([(weight.sum(axis=1) * columns).sum(axis=1), (weight.sum(axis=2) * rows).sum(axis=1)], axis=1)
    return np.where(is_sure[:, None], middle / np.where(total > 0, total, 1.0)[:, None] / (width, height), shares)


class RegionFilter:
    """Steadies the two points that the next region comes from: a one-euro filter, which follows fast movements.

    It takes any two pictures for a thirtieth of a second apart, as the graph does: they come at uneven times, and some
    after later ones.
    """

    def __init__(self) -> None:
        self._last: tuple[_Doubles, _Doubles, _Doubles] | None = None

    def reset(self) -> None:
        """Forget the points of earlier pictures."""
        self._last = None

    def filtered(self, points: _Doubles) -> _Doubles:
        """Points [2, 2] of the next picture, in pixels, steadied; as they are where they are one, or the first."""
        reach = 2 * _reach(points)
        if not reach > 0:
            return points
        raw, steady, speed = self._last or (points, points, np.zeros_like(points))
        now = (points - raw) / reach / _STEP_S
        speed = speed + _share_of_new(_SPEED_CUTOFF_HZ) * (now - speed)
        cutoff_hz = _LEAST_CUTOFF_HZ + _CUTOFF_PER_SPEED * np.abs(speed)
        steady = steady + _share_of_new(cutoff_hz) * (points - steady)
        self._last = points, steady, speed
        return steady


def _share_of_new(cutoff_hz: _Doubles | float) -> _Doubles | float:
    """How much of a new value a low-pass filter takes."""
    turn = 2 * np.pi * cutoff_hz * _STEP_S
    return turn / (turn + 1)


def _reach(points: _Doubles) -> float:
    return float(np.hypot(*(points[1] - points[0])))
