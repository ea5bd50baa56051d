"""Reading video by its presentation timestamps: what it is, and its pictures in time. The only reader of media files.

Media time is what a player shows: presentation timestamp minus the container's start time, so that an edit list or a
late first frame does not shift anything. A phone's rotation is applied.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.errors import NotAVideo, VideoDamaged, VideoNotFound
from pipeline.records import VideoInfo

Picture = NDArray[np.uint8]

# Frame intervals that differ from the median by more than this share make a rate variable. Containers round
# timestamps to 1 ms, which is 6 % of a 60 fps interval.
_RATE_TOLERANCE = 0.2
_PACKETS_TO_JUDGE_RATE = 300
# What cameras, phones and browsers write. Others that FFmpeg knows read text as pictures, or playlists that name files
# and addresses of their own.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,gif"
# Those whose index leads to the last key frame before a time.
_INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")


def probe(path: str | Path) -> VideoInfo:
    """Describe a video without decoding more than its first frame.

    Args:
        path: the video file.

    Returns:
        What the container says about it, and how it will be displayed.

    Raises:
        VideoNotFound: there is no such file.
        NotAVideo: the file is empty, is no media file, or has no video stream.
        VideoDamaged: not one frame can be decoded.
    """
    with _opened(path) as container:
        stream = _video_stream(container)
        start_s = _start_s(container)
        intervals = _frame_intervals(container)
        try:
            container.seek(0)
            first = next(iter(container.decode(stream)))
        except (StopIteration, av.FFmpegError) as error:
            raise VideoDamaged(f"{path}: no frame can be decoded. Is the upload complete?") from error
        rotation = _quarter_turns(first.rotation) * 90
        width, height = first.width, first.height
        if rotation in (90, 270):
            width, height = height, width
        duration_s = _duration_s(container, start_s)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        variable = False
        if len(intervals):
            median = float(np.median(intervals))
            variable = bool(np.mean(np.abs(intervals - median) > _RATE_TOLERANCE * median) > 0.02)
            fps = fps or 1.0 / median
        if fps > 0 and duration_s <= 0:  # recorded by a browser, which wrote the header before it knew the end
            duration_s = _last_time_s(container) - start_s + 1.0 / fps
        if fps <= 0 or duration_s <= 0:
            raise VideoDamaged(f"{path}: the file gives neither its frame rate nor its duration. Re-encode it, please.")
        return VideoInfo(
            path=str(path),
            duration_s=duration_s,
            fps=fps,
            width=width,
            height=height,
            rotation=rotation,
            variable_rate=variable,
            codec=str(stream.codec_context.name),
            start_s=start_s,
        )


@dataclass(frozen=True)
class SampledFrame:
    """One picture of a video, shown at `time_s` seconds. It is converted only when it is needed, in the size needed.

    shrunk: gives the picture, RGB [height, width, 3], with its longer side at most so many pixels, 0 for as it is.
    """

    time_s: float
    shrunk: Callable[[int], Picture]

    def part(self, left: float, top: float, right: float, bottom: float, max_side_px: int = 0) -> Picture:
        """RGB of the part between these shares (0..1) of the displayed width and height, shrunk in the same way."""
        height, width = self._whole.shape[:2]
        rows = slice(round(top * height), max(round(bottom * height), round(top * height) + 1))
        columns = slice(round(left * width), max(round(right * width), round(left * width) + 1))
        return np.ascontiguousarray(shrunk(self._whole[rows, columns], max_side_px))

    @cached_property
    def _whole(self) -> Picture:
        return self.shrunk(0)


def shrunk(picture: Picture, max_side_px: int) -> Picture:
    """The picture, its longer side at most `max_side_px` (0: as it is); averaged over the area."""
    side = max(picture.shape[:2])
    if not max_side_px or side <= max_side_px:
        return picture
    size = (max(2, round(length * max_side_px / side)) for length in picture.shape[1::-1])
    return cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def frames(
    path: str | Path, per_second: float = 0.0, max_side_px: int = 0, between: tuple[float, float] = (-np.inf, np.inf)
) -> Iterator[tuple[float, Picture]]:
    """The pictures of a video in order, sampled by time.

    Args:
        path: the video file.
        per_second: at most so many pictures per second, 0 for every frame.
        max_side_px: pictures whose longer side is larger are shrunk to this, 0 for never.
        between: only pictures of [first, last) seconds; little more than those is decoded.

    Returns:
        An iterator of (time_s, RGB picture [height, width, 3]). Damage in the middle is passed over, as players do.

    Raises:
        VideoNotFound: there is no such file.
        NotAVideo: the file is empty, is no media file, or has no video stream.
        VideoDamaged: nothing (of that time) can be decoded.
    """
    if max_side_px < 0:
        raise ValueError(f"Expected a size of 0 or more, got {max_side_px}.")
    for sample in samples(path, per_second, between):
        yield sample.time_s, sample.shrunk(max_side_px)


def samples(
    path: str | Path, per_second: float = 0.0, between: tuple[float, float] = (0.0, np.inf)
) -> Iterator[SampledFrame]:
    """Yield the pictures of a video in order, sampled by time.

    per_second: at most so many pictures per second, 0 for every frame. between: only pictures of [first, last)
    seconds; little more than those is decoded. Damage in the middle is passed over, as players do; a video of which
    nothing (of that time) can be decoded raises VideoDamaged, and the errors of `probe` hold as well.
    """
    if per_second < 0:
        raise ValueError(f"Expected a rate of 0 or more, got {per_second}.")
    with _opened(path) as container:
        stream = _video_stream(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _decoding_threads()
        start_s = _start_s(container)
        # Others are read from their beginning.
        from_s = between[0] if container.format.name in _INDEXED else 0.0
        interval = 1.0 / per_second if per_second else 0.0
        due_s, last_s = -np.inf, -np.inf
        for frame in _decoded_from(container, from_s):
            if frame.time is None:
                continue
            time_s = float(frame.time) - start_s
            if between[0] > 0 and time_s < between[0]:  # a first frame may lie a rounding error before 0
                continue
            if time_s >= between[1]:
                break
            # A repeated or backward timestamp is a fault of the container; a sample needs a time of its own.
            if time_s <= last_s or time_s < due_s - 1e-6:
                continue
            last_s = time_s
            due_s = max(due_s + interval, time_s) if time_s - due_s < interval else time_s + interval
            yield SampledFrame(time_s, partial(_picture, frame))
        if last_s == -np.inf:
            raise VideoDamaged(f"{path}: no frame can be decoded. Is the upload complete?")


def _decoding_threads() -> int:
    """As many as numerical libraries may use; 0 is one per core. Dask allows its workers one each: with more they would
    hinder each other."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return int(allowed) if allowed.isdecimal() else 0


def digest(path: str | Path) -> str:
    """SHA-256 of the file's bytes, in hex: the identity of a video, whatever it is called.

    Raises VideoNotFound.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise VideoNotFound(f"{path}: no such video file. Check the path.") from error


@contextmanager
def _opened(path: str | Path) -> Iterator[InputContainer]:
    file = Path(path)
    if file.is_dir():
        raise VideoNotFound(f"{path} is a folder, no such video file. Name the videos in it.")
    if not file.is_file():
        raise VideoNotFound(f"{path}: no such video file. Check the path.")
    if file.stat().st_size == 0:
        raise NotAVideo(f"{path}: the file is empty. Copy or upload it again.")
    try:
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        container = av.open(str(file), mode="r", metadata_errors="ignore", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise NotAVideo(
            f"{path}: not a readable media file ({_reason(error)}). Expected a video such as MP4."
        ) from error
    with container:
        if not _pictures_in(container):
            raise NotAVideo(f"{path}: has no video stream. Expected a video such as MP4.")
        yield container


def _pictures_in(container: InputContainer) -> list[VideoStream]:
    """The video streams, without the cover pictures of music files."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _video_stream(container: InputContainer) -> VideoStream:
    return _pictures_in(container)[0]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _decoded(container: InputContainer) -> Iterator[VideoFrame]:
    """Frames of the video stream, passing over packets that do not decode."""
    stream = _video_stream(container)
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.InvalidDataError:
                continue
    except av.FFmpegError:
        # The demuxer gave up: a truncated file. What was decoded so far is what a player shows too.
        return


def _decoded_from(container: InputContainer, from_s: float) -> Iterator[VideoFrame]:
    """Frames from a key frame on that leads to the one shown at `from_s` seconds; from the first on for 0 and less.

    The key frame last before it may not: pictures that come after it and are shown before it may need earlier ones
    (an open group of pictures), and are not decoded then.
    """
    start_s = _start_s(container)
    earlier_s = 0.0
    while from_s > 0:
        with suppress(av.FFmpegError):
            container.seek(int((start_s + from_s - earlier_s) * av.time_base), backward=True)
        frames = _decoded(container)
        first = next(frames, None)
        if first is None:
            return
        if earlier_s >= from_s or first.time is None or float(first.time) - start_s <= from_s:
            yield first
            yield from frames
            return
        earlier_s = 2 * earlier_s + 1.0
    yield from _decoded(container)


def _start_s(container: InputContainer) -> float:
    return container.start_time / av.time_base if container.start_time is not None else 0.0


def _duration_s(container: InputContainer, start_s: float) -> float:
    stream = _video_stream(container)
    if stream.duration is not None and stream.time_base is not None:
        begin = float((stream.start_time or 0) * stream.time_base) - start_s
        return begin + float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _last_time_s(container: InputContainer) -> float:
    """The time of the last packet, by reading the whole file (nothing is decoded)."""
    last_s = 0.0
    with suppress(av.FFmpegError):  # what could be read counts
        container.seek(0)
        for packet in container.demux(_video_stream(container)):
            if packet.pts is not None and packet.time_base is not None:
                last_s = max(last_s, float(packet.pts * packet.time_base))
    return last_s


def _frame_intervals(container: InputContainer) -> NDArray[np.float64]:
    """Seconds between the first few hundred frames, from packets alone (nothing is decoded)."""
    stream = _video_stream(container)
    times = []
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and packet.time_base is not None:
                times.append(float(packet.pts * packet.time_base))
            if len(times) >= _PACKETS_TO_JUDGE_RATE:
                break
    except av.FFmpegError:
        pass  # judged by what could be read
    # The last packets may miss earlier-shown neighbours that come later in the file (B-frames).
    ordered = np.sort(np.array(times))[: max(0, len(times) - 8) or None]
    intervals = np.diff(ordered)
    return intervals[intervals > 0]


def _quarter_turns(degrees: float) -> int:
    """Counter-clockwise quarter turns that display the frame upright."""
    return round(degrees / 90) % 4


def _picture(frame: VideoFrame, max_side_px: int) -> Picture:
    width, height = frame.width, frame.height
    if max_side_px and max(width, height) > max_side_px:
        scale = max_side_px / max(width, height)
        width, height = max(2, round(width * scale)), max(2, round(height * scale))
    # Averaging over the area is both what shrinking needs and four times cheaper than the default, bicubic.
    # More threads would be started for every picture, which costs what they bring.
    shrunk = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA", threads=1)
    picture = shrunk.astype(np.uint8, copy=False)
    turns = _quarter_turns(frame.rotation)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
