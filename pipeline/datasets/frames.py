"""Frames and seconds of a video's timeline as Label Studio counts them: the one rule that everything else uses.

Frames are counted from 1 and a range includes both of its ends; frame n is shown from (n - 1) / rate to n / rate
seconds. rate is what Label Studio shows the video at, in frames per second, which need not be the file's. Everywhere
else in this project time is in seconds.
"""

from __future__ import annotations

import math

# Seconds times rate that should be whole is off by rounding; a frame boundary within this is taken as met.
_FRAME_EPSILON = 1e-6


def to_frames(start_s: float, end_s: float, rate: float, duration_s: float) -> tuple[int, int]:
    """First and last frame that show any of [start_s, end_s), kept inside the video."""
    last = max(1, round(duration_s * rate))
    start = min(max(1, math.floor(start_s * rate + _FRAME_EPSILON) + 1), last)
    end = min(max(start, math.ceil(end_s * rate - _FRAME_EPSILON)), last)
    return start, end


def to_seconds(start: int, end: int, rate: float) -> tuple[float, float]:
    """The inverse: the seconds [start_s, end_s) during which the frames start..end are shown."""
    return (start - 1) / rate, end / rate


def nearest_frames(start_s: float, end_s: float, rate: float) -> tuple[int, int]:
    """The first and last frame whose seconds are nearest to [start_s, end_s).

    Gives back exactly the frames that `to_seconds` made these seconds of.
    """
    first = max(1, round(start_s * rate) + 1)
    return first, max(first, round(end_s * rate))


def nearest_frames_within(start_s: float, end_s: float, rate: float, duration_s: float) -> tuple[int, int]:
    """The same, kept inside the video."""
    last = max(1, round(duration_s * rate))
    start, end = nearest_frames(start_s, end_s, rate)
    return min(start, last), min(end, last)


def are_frames_of(start: int, end: int, rate: float, start_s: float, end_s: float) -> bool:
    """Whether both boundaries of frames start..end are within half a frame of [start_s, end_s).

    Seconds are made of whole frames, but for what others wrote into Label Studio.
    """
    shown = to_seconds(start, end, rate)
    return abs(shown[0] - start_s) <= 0.5 / rate and abs(shown[1] - end_s) <= 0.5 / rate
