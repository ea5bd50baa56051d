"""A copy of a video that every browser plays: H.264 at a constant rate, with the same times and sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from pipeline.media import reading
from pipeline.media.display import Picture
from pipeline.media.writing import write

_SUFFIX = "-h264.mp4"
_MOST_PER_S = 60
_SAME_TIME_S = 1e-3


def copy_name(path: Path) -> Path:
    """Where the copy of a video is put beside it: "lift.avi" -> "lift-h264.mp4"."""
    return path.with_name(path.stem + _SUFFIX)


def is_copy(name: str, names: Iterable[str]) -> bool:
    """Whether a file has the name of a copy of one of the files beside it."""
    stem = name.removesuffix(_SUFFIX)
    return stem != name and any(other != name and other.rpartition(".")[0] == stem for other in names)


def make_playable(source: Path, out: Path) -> None:
    """Write the copy; `out` is complete or not there.

    What is shown at a time of the original is shown at that time of the copy, to within a frame; of more than 60
    frames per second 60 are kept. A picture that comes late is shown from the beginning on, as Firefox would show it
    too early otherwise. Raises VideoError, OSError.
    """
    info = reading.probe(source)
    rate = min(Fraction(info.fps).limit_denominator(1001), Fraction(_MOST_PER_S))
    write(out, evenly(reading.frames(source), rate, info.duration_s), rate, sound_of=source)


def evenly(
    pictures: Iterable[tuple[float, Picture]], rate: Fraction, duration_s: float
) -> Iterator[tuple[float, Picture]]:
    """The picture that is shown at each tick of a constant rate, from 0 s to the end of the video."""
    ticks = max(1, round(duration_s * rate))
    tick, shown = 0, None
    for time_s, picture in pictures:
        while shown is not None and tick < ticks and tick / rate < time_s - _SAME_TIME_S:
            yield float(tick / rate), shown
            tick += 1
        if shown is None:
            while tick < ticks and tick / rate < time_s - _SAME_TIME_S:
                yield float(tick / rate), picture
                tick += 1
        shown = picture
    while shown is not None and tick < ticks:
        yield float(tick / rate), shown
        tick += 1
