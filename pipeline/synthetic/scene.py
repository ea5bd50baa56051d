"""What stands around the drawn lifter: wall, floor, lifting platform, the bar with its plates, and shadows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic.body import BAR_HALF_M, PLATE_RADIUS_M, PLATE_X_M
from pipeline.synthetic.motion import Array
from pipeline.synthetic.plan import Colour
from pipeline.synthetic.pose import View

Picture = NDArray[np.uint8]
SHIFT = 4
"""Fractional bits of the coordinates given to OpenCV."""
_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_RING = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def shade(colour: Colour, light: float) -> Colour:
    """The colour, darker (light < 1) or blended towards white (light > 1)."""
    if light <= 1.0:
        return (int(colour[0] * light), int(colour[1] * light), int(colour[2] * light))
    mix = light - 1.0
    return (
        int(colour[0] + (255 - colour[0]) * mix),
        int(colour[1] + (255 - colour[1]) * mix),
        int(colour[2] + (255 - colour[2]) * mix),
    )


def fixed_point(pixels: Array) -> NDArray[np.int32]:
    """Pixels as OpenCV takes them with SHIFT fractional bits."""
    result: NDArray[np.int32] = np.round(pixels * 2**SHIFT).astype(np.int32)
    return result


def fill(picture: Picture, points: NDArray[np.int32], colour: Colour) -> None:
    """Fill the convex hull of points [n, 2] in fixed point."""
    cv2.fillConvexPoly(picture, cv2.convexHull(points), colour, cv2.LINE_AA, SHIFT)


def gym(view: View, width: int, height: int) -> Picture:
    """The empty room [height, width, 3] RGB: a wall three metres behind the lift, rubber floor, platform."""
    picture: Picture = np.zeros((height, width, 3), dtype=np.uint8)
    distance = float(np.linalg.norm(view.place[[0, 2]]))
    scale = view.focal_px / (distance + 3.0)
    base = view.centre[1] + scale * view.place[1]
    rows = np.arange(height, dtype=np.float64)[:, None, None]
    wall = np.array([206.0, 210.0, 212.0]) - np.array([34.0, 32.0, 28.0]) * np.clip(rows / max(base, 1.0), 0, 1)
    depth = np.clip((rows - base) / max(height - base, 1.0), 0.0, 1.0)
    floor = np.array([92.0, 95.0, 100.0]) - np.array([26.0, 26.0, 26.0]) * depth
    picture[:] = np.where(rows < base, wall, floor).astype(np.uint8)

    def on_wall(x: float, y: float) -> tuple[int, int]:
        """Pixel of a point of the wall, x metres right of the middle of the lift and y above the floor."""
        return round(view.centre[0] + scale * x), round(base - scale * y)

    for x in np.arange(-7.2, 7.3, 1.2):
        cv2.line(picture, on_wall(float(x), 3.6), on_wall(float(x), 0.0), (168, 174, 178), 2, cv2.LINE_AA)
    cv2.rectangle(picture, on_wall(-9.0, 1.05), on_wall(9.0, 0.0), (112, 122, 132), -1)
    cv2.rectangle(picture, on_wall(-9.0, 1.13), on_wall(9.0, 1.05), (214, 140, 62), -1)
    for x in (-3.1, 1.3):
        cv2.rectangle(picture, on_wall(x, 2.55), on_wall(x + 1.8, 1.45), (226, 234, 240), -1)
        cv2.rectangle(picture, on_wall(x, 2.55), on_wall(x + 1.8, 1.45), (128, 134, 140), 4, cv2.LINE_AA)
        cv2.line(picture, on_wall(x + 0.9, 2.55), on_wall(x + 0.9, 1.45), (128, 134, 140), 4, cv2.LINE_AA)
    for y in (0.32, 0.72):
        cv2.line(picture, on_wall(1.2, y), on_wall(3.2, y), (58, 62, 68), 6, cv2.LINE_AA)
        for x in np.arange(1.35, 3.2, 0.24):
            cv2.circle(picture, on_wall(float(x), y + 0.08), round(0.075 * scale), (52, 55, 60), -1, cv2.LINE_AA)
            cv2.circle(picture, on_wall(float(x), y + 0.08), round(0.03 * scale), (140, 144, 150), -1, cv2.LINE_AA)
    cv2.rectangle(picture, on_wall(-9.0, 0.08), on_wall(9.0, 0.0), (74, 80, 88), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 2.2).astype(np.uint8)

    def ground(corners: list[tuple[float, float]]) -> NDArray[np.int32]:
        """Fixed-point pixels [n, 2] of points (x, z) of the floor."""
        return fixed_point(view.project(np.array([(x, 0.0, z) for x, z in corners]))[:, :2])

    for x in (-1.0, 1.0):
        fill(picture, ground([(x * 0.5, -0.75), (x * 1.3, -0.75), (x * 1.3, 1.0), (x * 0.5, 1.0)]), (58, 60, 64))
    wood = (186, 148, 104)
    fill(picture, ground([(-0.5, -0.75), (0.5, -0.75), (0.5, 1.0), (-0.5, 1.0)]), wood)
    for x in np.arange(-0.375, 0.5, 0.125):
        begin, end = ground([(float(x), -0.75), (float(x), 1.0)]).tolist()
        cv2.line(picture, begin, end, shade(wood, 0.9), 2, cv2.LINE_AA, SHIFT)
    return picture


def ground_shadow(picture: Picture, view: View, middle: Array, half: tuple[float, float]) -> None:
    """Darken an ellipse on the floor around a world point [3]; half axes in metres along x and z."""
    ring = middle * np.array([1.0, 0.0, 1.0]) + np.stack(
        [_RING[:, 0] * half[0], np.zeros(len(_RING)), _RING[:, 1] * half[1]], axis=1
    )
    points: NDArray[np.int32] = np.round(view.project(ring)[:, :2]).astype(np.int32)
    x, y, w, h = cv2.boundingRect(points)
    left, top = max(x, 0), max(y, 0)
    patch = picture[top : y + h, left : x + w]
    if patch.size == 0:
        return
    mask = np.zeros(patch.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(mask, points - np.array([left, top], dtype=np.int32), (255,))
    cv2.copyTo(cv2.convertScaleAbs(patch, alpha=0.74), mask, patch)


BAR_STOPS = (-BAR_HALF_M, -PLATE_X_M[1], *np.linspace(-PLATE_X_M[0], PLATE_X_M[0], 8), PLATE_X_M[1], BAR_HALF_M)
"""Where the shaft is divided, metres from its middle: pieces short enough to be sorted by depth among the limbs."""


def draw_shaft(picture: Picture, begin: list[int], end: list[int], thick: int) -> None:
    """A piece of the bar between two fixed-point pixels."""
    cv2.line(picture, begin, end, (78, 82, 88), thick, cv2.LINE_AA, SHIFT)
    cv2.line(picture, begin, end, (176, 182, 190), max(1, thick // 2), cv2.LINE_AA, SHIFT)


_RED = (184, 44, 48)
_FACE: tuple[tuple[float, Colour], ...] = (
    (0.97, _RED),
    (0.76, shade(_RED, 0.8)),
    (0.70, shade(_RED, 1.12)),
    (0.31, (96, 98, 104)),
    (0.29, (150, 154, 160)),
    (0.13, (196, 200, 206)),
)
"""The face of a plate: circles by share of its radius, from the rim to the hub."""


def draw_plate(picture: Picture, view: View, bar: Array, axis: Array, side: float) -> None:
    """The plates of one side (1 left, -1 right) of the bar, with the face that the camera sees on top."""
    up = np.array([0.0, 1.0, 0.0]) - axis * axis[1]
    up /= np.linalg.norm(up)
    circle = PLATE_RADIUS_M * (_RING[:, :1] * up + _RING[:, 1:] * np.cross(axis, up))
    outer_seen = float((view.place - (bar + axis * (side * PLATE_X_M[1]))) @ axis) * side > 0
    face = bar + axis * (side * PLATE_X_M[outer_seen])
    rims = [bar + axis * (side * x) + circle for x in PLATE_X_M]
    rings = fixed_point(view.project(np.stack([*rims, *(face + share * circle for share, _ in _FACE)]))[..., :2])
    fill(picture, rings[:2].reshape(-1, 2), shade(_RED, 0.5))
    for ring, (_, colour) in zip(rings[2:], _FACE, strict=True):
        fill(picture, ring, colour)
