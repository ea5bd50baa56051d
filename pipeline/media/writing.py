"""Writing video: pictures with times into an MP4 that browsers play, complete or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.files import written_aside
from pipeline.media.canvas import Canvas
from pipeline.media.opening import opened
from pipeline.media.sound import Sound

Picture = NDArray[np.uint8]

_LEAST_TIMESCALE = 90_000
# What looks alike, at half of the work or at half of the size. Several threads would take more work together.
_QUICK, _SMALL = {"preset": "ultrafast", "crf": "21", "threads": "1"}, {"preset": "veryfast", "crf": "19"}


def write(
    path: str | Path,
    pictures: Iterable[tuple[float, Picture | Canvas]],
    rate: Fraction,
    sound_of: Path | None = None,
    is_quick: bool = False,
) -> int:
    """Write pictures as an MP4 (H.264, yuv420p).

    Args:
        path: the file; what was there stays until the end.
        pictures: (time_s, RGB picture [height, width, 3] or canvas) in order. All are written in the size of the first;
            an odd last row or column is dropped, as yuv420p has none.
        rate: frames per second in the header of the file; the times may be uneven.
        sound_of: a video whose sound goes along, copied where browsers play it as it is.
        is_quick: a file that is larger, for less than half of the work.

    Returns:
        The number of pictures.

    Raises:
        OSError: the file cannot be written or encoded.
    """
    try:
        with (
            written_aside(Path(path)) as aside,
            av.open(str(aside), "w", format="mp4", options={"movflags": "faststart"}) as container,
        ):
            if sound_of is None:
                return _encode(container, pictures, rate, is_quick)
            with opened(sound_of) as source:
                return _encode(container, pictures, rate, is_quick, source)
    except av.FFmpegError as error:
        raise OSError(f"cannot be encoded: {error}") from error


def _encode(
    container: OutputContainer,
    pictures: Iterable[tuple[float, Picture | Canvas]],
    rate: Fraction,
    is_quick: bool,
    source: InputContainer | None = None,
) -> int:
    stream = container.add_stream("libx264", rate=rate)
    stream.pix_fmt = "yuv420p"
    stream.options = {"g": str(max(1, round(rate))), **(_QUICK if is_quick else _SMALL)}
    # A multiple of the rate's numerator, so that even times stay exactly even.
    base = Fraction(1, rate.numerator * math.ceil(_LEAST_TIMESCALE / rate.numerator))
    stream.codec_context.time_base = base
    sound = Sound(container, source) if source is not None else None
    count = 0
    for time_s, picture in pictures:
        if count == 0:
            _begin(stream, picture)
        frame = _frame(picture, stream)
        frame.pts, frame.time_base = round(time_s / base), base
        container.mux(stream.encode(frame))
        if sound is not None:
            sound.write_until(time_s)
        count += 1
    if count:
        container.mux(stream.encode())
    if sound is not None:
        sound.write_until(float("inf"))
    return count


def _begin(stream: VideoStream, picture: Picture | Canvas) -> None:
    if isinstance(picture, Canvas):
        stream.height, stream.width = picture.height, picture.width
        stream.codec_context.colorspace = picture.frame.colorspace
        stream.codec_context.color_range = picture.frame.color_range
    else:
        stream.height, stream.width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        # So are RGB pictures turned into planes. Players would take large ones for BT.709 if the file did not say it.
        stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU601, ColorRange.MPEG


def _frame(picture: Picture | Canvas, stream: VideoStream) -> av.VideoFrame:
    if isinstance(picture, Canvas):
        same = (picture.width, picture.height) == (stream.width, stream.height)
        return picture.frame if same else picture.frame.reformat(stream.width, stream.height)
    even = np.ascontiguousarray(picture[: stream.height, : stream.width])
    return av.VideoFrame.from_ndarray(even, format="rgb24")
