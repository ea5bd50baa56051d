"""Clips of a drawn lifter whose pictures tell their number by black and white squares, also in a photograph."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from video_files import Picture, with_matrix, write_video

from pipeline.synthetic import Camera, LiftPlan, RepPlan, reps_of
from pipeline.synthetic.drawing import draw

RATE = 30
_HEAD, _TAIL = (1, 1, 0, 1), (0, 1, 0, 0)
"""What the strip begins and ends with: read from right to left it begins otherwise."""
_DIGITS = 12
SQUARES = len(_HEAD) + _DIGITS + len(_TAIL)
_CONTRAST = 120.0
"""Of 255: between the darkest and the brightest square of a strip, at least."""


@dataclass(frozen=True)
class Clip:
    """A file and what is true of it: its first picture, number 0, is shown at `start_s`; [start, lockout, end] seconds
    of every repetition."""

    path: Path
    start_s: float
    reps: tuple[tuple[float, float, float], ...]


def lift() -> LiftPlan:
    """Three repetitions, 4:3, wide enough for a lifter and a strip above."""
    reps = tuple(RepPlan(pull_s=1.1 + 0.1 * n, hold_s=0.5, lowering_s=1.1, floor_s=0.7) for n in range(3))
    camera = Camera(azimuth_deg=50.0, size=0.72)
    return LiftPlan(reps, camera=camera, fps=RATE, stand_before_s=0.4, leave_s=1.0, stand_after_s=0.4)


def numbered(plan: LiftPlan) -> list[Picture]:
    """The plan's pictures, each with its number along the upper edge."""
    return [_with_number(picture, number) for number, picture in enumerate(draw(plan))]


def late_clip(pictures: list[Picture], plan: LiftPlan, path: Path, start_s: float = 0.5, sound: bool = False) -> Clip:
    """Its first picture comes at start_s, as after `ffmpeg -ss ... -c copy`; where there is sound, it begins at 0."""
    return _clip(pictures, plan, path, start_s=start_s, sound=sound)


def anamorphic_clip(pictures: list[Picture], plan: LiftPlan, path: Path, aspect: Fraction = Fraction(4, 3)) -> Clip:
    """Stored narrower than it is to be shown, by the shape of its pixels."""
    size = (round(plan.width / aspect) // 2 * 2, plan.height)
    narrow = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in pictures]
    return _clip(narrow, plan, path, pixel_aspect=aspect)


def mirrored_clip(pictures: list[Picture], plan: LiftPlan, path: Path) -> Clip:
    """Stored with left and right exchanged, and a display matrix that exchanges them back."""
    clip = _clip([np.ascontiguousarray(np.fliplr(one)) for one in pictures], plan, path)
    with_matrix(path, -1, 0, 0, 1)
    return clip


def read_number(picture: NDArray[np.uint8]) -> int:
    """The number of a picture [height, width, 3] of any size. AssertionError where its strip cannot be read."""
    height, width = picture.shape[:2]
    row = picture[: height // 24].mean(axis=(0, 2))  # the upper half of the strip
    edges = np.linspace(0, width, SQUARES + 1)
    inner = [slice(round(a + 0.3 * (b - a)), round(b - 0.3 * (b - a))) for a, b in pairwise(edges)]
    light = np.array([row[part].mean() for part in inner])
    assert np.ptp(light) > _CONTRAST, f"no strip: {light.round().tolist()}"
    bits = tuple((light > (light.min() + light.max()) / 2).astype(int).tolist())
    assert bits[: len(_HEAD)] == _HEAD, f"not the beginning of a strip, maybe mirrored: {bits}"
    assert bits[-len(_TAIL) :] == _TAIL, f"not the end of a strip, maybe mirrored: {bits}"
    return int("".join(map(str, bits[len(_HEAD) : -len(_TAIL)])), 2)


def _with_number(picture: Picture, number: int) -> Picture:
    bits = [*_HEAD, *(int(digit) for digit in f"{number:0{_DIGITS}b}"), *_TAIL]
    height, width = picture.shape[:2]
    marked = picture.copy()
    for bit, (left, right) in zip(bits, pairwise(_edges(width)), strict=True):
        marked[: height // 12, left:right] = 235 * bit + 10
    return marked


def _edges(width: int) -> list[int]:
    return [round(edge) for edge in np.linspace(0, width, SQUARES + 1)]


def _clip(
    pictures: list[Picture],
    plan: LiftPlan,
    path: Path,
    start_s: float = 0.0,
    pixel_aspect: Fraction | None = None,
    sound: bool = False,
) -> Clip:
    height, width = pictures[0].shape[:2]
    times = [start_s + number / RATE for number in range(len(pictures))]
    write_video(
        path,
        len(pictures),
        RATE,
        (width, height),
        times,
        lambda number, *_: pictures[number],
        audio=sound,
        pixel_aspect=pixel_aspect,
    )
    reps = tuple((start_s + rep.start_s, start_s + rep.top_s, start_s + rep.end_s) for rep in reps_of(plan))
    return Clip(path, start_s, reps)
