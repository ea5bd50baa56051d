"""Writing small videos for tests: with any timestamps, rotation, audio, or damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_TIME_BASE = Fraction(1, 90000)
GREY_STEP = 8


def grey(index: int, width: int, height: int) -> Picture:
    """A picture that tells its index by its brightness (up to 30)."""
    return np.full((height, width, 3), 10 + GREY_STEP * index, np.uint8)


def index_of(picture: Picture) -> int:
    return round((float(picture.mean()) - 10) / GREY_STEP)


def arrow(index: int, width: int, height: int) -> Picture:
    """Red at the left, green at the right, the upper half brighter: tells which way up it is."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = 120
    picture[:, width // 2 :, 1] = 120
    picture[: height // 2] += 100
    return picture


def write_video(
    path: Path,
    count: int = 30,
    fps: float | Fraction = 30,
    size: tuple[int, int] = (64, 48),
    times: Sequence[float] | None = None,
    draw: Callable[[int, int, int], Picture] = grey,
    audio: bool = False,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """A video of `count` pictures, shown at `times` (seconds; evenly by `fps` where not given).

    pixel_aspect: width by height of a pixel, where that is said.
    """
    rate = Fraction(fps).limit_denominator(1001)
    width, height = size
    shown = [index / rate for index in range(count)] if times is None else [Fraction(time) for time in times]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        sound = container.add_stream("aac", rate=44100) if audio else None
        for index, time in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(draw(index, width, height), format="rgb24")
            frame.pts, frame.time_base = round(time / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for number in range(44):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts, silence.time_base = 44100, number * 1024, Fraction(1, 44100)
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def write_audio(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 44100, number * 1024, Fraction(1, 44100)
            container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return path


def rotate(path: Path, degrees: int) -> Path:
    """Say in the track header that the picture is to be turned clockwise by 90, 180 or 270 degrees, as phones do."""
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    return with_matrix(path, *matrix[degrees])


def with_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Say in the track header how the picture is to be shown: a stored point (x, y) at (a x + c y, b x + d y)."""
    fixed = [round(number * 0x10000) & 0xFFFFFFFF for number in (a, b, 0, c, d, 0, 0, 0)]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # after version, times, track, duration, layer, group and volume
    content[at : at + 36] = b"".join(number.to_bytes(4, "big") for number in (*fixed, 0x40000000))
    path.write_bytes(content)
    return path
