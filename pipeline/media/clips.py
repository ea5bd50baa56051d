"""Cutting a piece out of a video: a repetition as a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import VideoDamaged
from pipeline.media import reading, writing

# Boundaries are made of frame numbers, times of pictures of ticks: they meet but for rounding.
_ROUNDING_FRAMES = 0.25


def cut(source: str | Path, target: Path, start_s: float, end_s: float) -> None:
    """Write the pictures of [start_s, end_s) as an MP4 (H.264, no sound) from time 0 on, complete or not at all.

    They are always encoded again. Their packets could be copied only where the first is a key frame and none needs a
    picture outside, which hardly any repetition meets; and all clips of a dataset are encoded alike in this way. Raises
    the errors of `reading.probe`, VideoDamaged where there is no picture in that time, and OSError where the file
    cannot be written.
    """
    if not 0 <= start_s < end_s:
        raise ValueError(f"Expected 0 <= start < end, got {start_s} and {end_s}.")
    info = reading.described(source)
    slack = _ROUNDING_FRAMES / info.fps
    between = max(0.0, start_s - slack), end_s - slack
    pictures = _from_zero(reading.frames(source, between=between))
    try:
        writing.write(target, pictures, Fraction(info.fps).limit_denominator(1001))
    except VideoDamaged as error:
        raise VideoDamaged(f"{source}: no picture can be decoded between {start_s:.2f} and {end_s:.2f} s.") from error


def _from_zero(
    pictures: Iterator[tuple[float, NDArray[np.uint8]]],
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    first_s = None
    for time_s, picture in pictures:
        first_s = time_s if first_s is None else first_s
        yield time_s - first_s, picture
