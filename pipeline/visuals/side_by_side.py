"""Two videos beside each other, repetition by repetition, so that start, lockout and end come at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from pipeline.media import writing
from pipeline.media.canvas import Canvas, blank, view
from pipeline.records import OnProgress, Rep
from pipeline.visuals.annotated_video import Drawer, annotated

_HEIGHT_PX = 720
_GAP_S = 0.3
"""Between two repetitions the last picture stays so long."""


def render_beside(
    left: Path, right: Path, drawers: tuple[Drawer, Drawer], target: Path, on_progress: OnProgress | None = None
) -> int:
    """Write the repetitions of two videos beside each other, the first with the first and so on, without sound.

    The left one is shown in its own time. The right one is stretched: evenly from start to lockout, and from there to
    the end. Where one has more repetitions than the other, the last of them are left out.

    Args:
        left: a video file.
        right: another one, or the same.
        drawers: draw what was found in each.
        target: the MP4 to write; what was there stays until the end.
        on_progress: called with the share (0..1) of the repetitions that is drawn.

    Returns:
        How many repetitions are shown.

    Raises:
        VideoError: a video cannot be read.
        ValueError: one of them has no repetition.
        OSError: `target` cannot be written; nothing half-written is left.
    """
    pairs = list(zip(drawers[0].analysis.reps, drawers[1].analysis.reps, strict=False))
    if not pairs:
        raise ValueError("Expected a repetition or more in both videos, got none in one of them.")
    rate = Fraction(drawers[0].analysis.video.fps).limit_denominator(1001)
    writing.write(target, _pictures(left, right, drawers, pairs, on_progress), rate, is_quick=True)
    return len(pairs)


def aligned_time(time_s: float, shown: Rep, other: Rep) -> float:
    """The moment of another repetition at which it is as far as `shown` is at `time_s`: linear from start to lockout,
    and from lockout to end."""
    return float(
        np.interp(time_s, (shown.start_s, shown.top_s, shown.end_s), (other.start_s, other.top_s, other.end_s))
    )


def _pictures(
    left: Path,
    right: Path,
    drawers: tuple[Drawer, Drawer],
    pairs: list[tuple[Rep, Rep]],
    on_progress: OnProgress | None,
) -> Iterator[tuple[float, Canvas]]:
    begin_s = 0.0
    for number, (one, other) in enumerate(pairs, start=1):
        beside = annotated(right, drawers[1], between=(other.start_s, other.end_s))
        here, following = next(beside), next(beside, None)
        for time_s, picture in annotated(left, drawers[0], between=(one.start_s, one.end_s)):
            wanted_s = aligned_time(time_s, one, other)
            while following is not None and following[0] <= wanted_s:
                here, following = following, next(beside, None)
            yield begin_s + time_s - one.start_s, _joined(picture, here[1])
        begin_s += one.duration_s + _GAP_S
        if on_progress is not None:
            on_progress(number / len(pairs))


def _joined(left: Canvas, right: Canvas) -> Canvas:
    """Both at one height, beside each other, and in the colours of one standard: each file may have its own."""
    height = min(_HEIGHT_PX, max(left.height, right.height))
    widths = [max(2, round(one.width * height / one.height) // 2 * 2) for one in (left, right)]
    joined = blank(sum(widths), height)
    joined.frame.colorspace, joined.frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    place = 0
    for one, width in zip((left, right), widths, strict=True):
        shown = one.in_standard(width, height)
        for index, (whole, share) in enumerate(((joined.y, 1), (joined.u, 2), (joined.v, 2))):
            whole[:, place // share : (place + width) // share] = view(shown, index)
        place += width
    return joined
