"""A copy of a video that every browser plays: H.264 at a constant rate, with the same times and sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from pipeline.media import reading
from pipeline.media.display import Picture
from pipeline.media.opening import suffixes
from pipeline.media.writing import write

_SUFFIX = "-h264.mp4"
_MOST_PER_S = 60
_SAME_TIME_S = 1e-3


def copy_name(name: str) -> str:
    """What the copy of a file is called: "lift.avi" -> "lift.avi-h264.mp4", as there may be a "lift.mov" as well."""
    return name + _SUFFIX


def copy_of(video: Path, folder: Path | None = None) -> Path:
    """The copy of a video in a folder, by default beside it: where it is, or is to be written.

    Earlier builds called it by the stem alone: such a copy counts unless another video beside this one has that stem.
    """
    folder = video.parent if folder is None else folder
    copy, earlier = folder / copy_name(video.name), folder / copy_name(video.stem)
    if copy.exists() or not earlier.exists():
        return copy
    others = (path for path in video.parent.iterdir() if path.stem == video.stem and path.name != video.name)
    return copy if any(path.suffix.lower() in suffixes() for path in others) else earlier


def is_copy(name: str, names: Iterable[str]) -> bool:
    """Whether a file has the name of a copy of one of the files beside it, also as earlier builds called it."""
    original = name.removesuffix(_SUFFIX)
    return original != name and any(other != name and original in (other, other.rpartition(".")[0]) for other in names)


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
