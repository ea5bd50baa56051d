"""Reading video by its presentation timestamps: what it is, and its pictures in time. The only reader of media files.

Times are of the one clock that `clock` describes, pictures are as players show them, which `display` knows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame

from pipeline.errors import VideoDamaged, VideoNotFound
from pipeline.media import clock
from pipeline.media.display import Picture as Picture
from pipeline.media.display import display_of
from pipeline.media.opening import INDEXED, has_unread_recording, opened, video_stream
from pipeline.records import VideoInfo


def probe(path: str | Path) -> VideoInfo:
    """Describe a video: read it all, but decode no more than its first picture.

    Raises VideoNotFound, NotAVideo (empty, no media, no video stream) or VideoDamaged (not one decodable frame, or
    several recordings joined so that only the first can be read).
    """
    with opened(path) as container:
        stream = video_stream(container)
        first = next((frame for frame in clock.decoded(container) if frame.time is not None), None)
        if first is None or first.time is None:
            raise VideoDamaged(f"{path}: no frame can be decoded. Is the upload complete?")
        display = display_of(first, stream)
        width, height = display.size(first.width, first.height)
        codec, start_s = str(stream.codec_context.name), max(0.0, float(first.time) - clock.zero_s(container))
        earliest_s = clock.earliest_s(container)
    with opened(path) as container:  # anew: not every format can go back
        rhythm, declared_s = clock.rhythm(container), clock.declared_s(container)
    if has_unread_recording(path, rhythm.read_to):
        raise VideoDamaged(
            f"{path}: several recordings were joined end to end, and only the first has time stamps that can be read. "
            "Join them with ffmpeg's concat, please."
        )
    duration_s = rhythm.end_s if rhythm.end_s > 0 else declared_s
    if rhythm.fps <= 0 or duration_s <= 0:
        raise VideoDamaged(f"{path}: the file tells neither its frame rate nor its duration. Re-encode it, please.")
    return VideoInfo(
        path=str(path),
        duration_s=duration_s,
        fps=rhythm.fps,
        width=width,
        height=height,
        rotation=display.turns * 90,
        mirrored=display.mirrored,
        pixel_aspect=display.pixel_aspect,
        variable_rate=rhythm.is_variable,
        codec=codec,
        start_s=start_s,
        earliest_s=earliest_s,
    )


@dataclass(frozen=True)
class SampledFrame:
    """One picture of a video, at `time_s` seconds; made when it is asked for, as large as it is asked for.

    shrunk: RGB [height, width, 3] with its longer side at most so many pixels, 0 for as it is.
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
    """Yield (time_s, RGB picture [height, width, 3]) of the `samples`, with errors as of them.

    max_side_px: shrink pictures whose longer side is larger, 0 for never.
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
    with opened(path) as container:
        stream = video_stream(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _decoding_threads()
        zero_s = clock.zero_s(container)
        from_s = between[0] if between[0] > 0 and can_seek(path) else 0.0
        interval = 1.0 / per_second if per_second else 0.0
        due_s, last_s = -np.inf, -np.inf
        for frame in _decoded_from(container, from_s):
            if frame.time is None:
                continue
            time_s = float(frame.time) - zero_s
            if between[0] > 0 and time_s < between[0]:  # a first frame may lie a rounding error before 0
                continue
            if time_s >= between[1]:
                break
            # A repeated or backward timestamp is a fault of the container; a sample needs a time of its own.
            if time_s <= last_s or time_s < due_s - 1e-6:
                continue
            last_s = time_s
            due_s = max(due_s + interval, time_s) if time_s - due_s < interval else time_s + interval
            yield SampledFrame(time_s, partial(display_of(frame, stream).picture, frame))
        if last_s == -np.inf:
            raise VideoDamaged(f"{path}: no frame can be decoded. Is the upload complete?")


def can_seek(path: str | Path) -> bool:
    """Whether a place in the file is found by its time; others are read from their beginning. Errors as of `probe`."""
    with opened(path) as container:
        if container.format.name not in INDEXED:
            return False
    status = Path(path).stat()
    return not _begins_again(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _begins_again(path: str, size: int, modified_ns: int) -> bool:  # one file is cut into many clips
    with opened(path) as container:
        return clock.begins_again(container)


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


def _decoded_from(container: InputContainer, from_s: float) -> Iterator[VideoFrame]:
    """Frames from a key frame on that leads to the one shown at `from_s` seconds; from the first on for 0 and less.

    The key frame last before it may not: pictures that come after it and are shown before it may need earlier ones
    (an open group of pictures), and are not decoded then.
    """
    zero_s = clock.zero_s(container)
    earlier_s = 0.0
    while from_s > 0:
        with suppress(av.FFmpegError):
            container.seek(int((zero_s + from_s - earlier_s) * av.time_base), backward=True)
        frames = clock.decoded(container)
        first = next(frames, None)
        if first is None:
            return
        if earlier_s >= from_s or first.time is None or float(first.time) - zero_s <= from_s:
            yield first
            yield from frames
            return
        earlier_s = 2 * earlier_s + 1.0
    yield from clock.decoded(container)
