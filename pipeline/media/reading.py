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
from pipeline.media.canvas import Canvas
from pipeline.media.display import Display, Displays, display_of
from pipeline.media.display import Picture as Picture
from pipeline.media.limits import Limits
from pipeline.media.opening import INDEXED, READ_ONCE, has_unread_recording, opened, video_stream
from pipeline.media.playability import unplayable_in
from pipeline.media.sampling import Sampler, Thinning
from pipeline.media.wholeness import is_cut_short
from pipeline.records import VideoInfo

# Where the pictures that others refer to are further apart, seconds, they are too few to go by.
_SPARSE_S = 0.2
# Of a file that was cut short so much is missing before it is said: of less nobody misses a repetition.
_MISSING_S = 0.5


def probe(path: str | Path, limits: Limits = Limits()) -> VideoInfo:  # noqa: B008  # frozen
    """Describe a video: read it all, but decode no more than its first picture.

    Args:
        path: the video file.
        limits: how much of a video is read at most.

    Returns:
        What the container says about it, and how it will be displayed.

    Raises:
        VideoNotFound: there is no such file.
        NotAVideo: the file is empty, is no media file, or has no video stream.
        VideoDamaged: not one frame can be decoded, or several recordings are joined so that only the first can be
            read.
        VideoTooLarge: it is beyond the limits.
    """
    with opened(path, limits) as container:
        stream = video_stream(container)
        first = next((frame for frame in clock.decoded(container, limits) if frame.time is not None), None)
        if first is None or first.time is None:
            raise VideoDamaged(f"{path}: no frame can be decoded. Is the upload complete?")
        display = display_of(first, stream)
        width, height = display.size(first.width, first.height)
        limits.check_size(path, width, height)
        codec, start_s = str(stream.codec_context.name), float(first.time) - clock.zero_s(container)
        earliest_s, hindrance = clock.earliest_s(container), unplayable_in(container, path)
    with opened(path, limits) as container:  # anew: not every format can go back
        rhythm, declared_s = clock.rhythm(container, limits), clock.declared_s(container)
        is_read_through = container.format.name not in READ_ONCE
    if not is_read_through and has_unread_recording(path, rhythm.read_to):
        raise VideoDamaged(
            f"{path}: several recordings were joined end to end, and only the first has time stamps that can be read. "
            "Join them with ffmpeg's concat, please."
        )
    duration_s = rhythm.end_s if rhythm.end_s > 0 else declared_s
    if rhythm.fps <= 0 or duration_s <= 0:
        raise VideoDamaged(f"{path}: the file tells neither its frame rate nor its duration. Re-encode it, please.")
    limits.check_duration(path, duration_s)
    is_short = declared_s - duration_s > _MISSING_S and is_cut_short(path)
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
        unplayable=hindrance,
        whole_s=declared_s if is_short else 0.0,
    )


def described(path: str | Path) -> VideoInfo:
    """What `probe` says, with its errors; a file that is described again and has not changed is not read again."""
    try:
        status = Path(path).stat()
    except OSError:
        return probe(path)  # which names the fault
    return _described(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _described(path: str, size: int, modified_ns: int) -> VideoInfo:  # one file is cut into many clips
    return probe(path)


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
    path: str | Path,
    per_second: float = 0.0,
    between: tuple[float, float] = (0.0, np.inf),
    may_thin: Callable[[], bool] = lambda: False,
    limits: Limits = Limits(),  # noqa: B008  # frozen
) -> Iterator[SampledFrame]:
    """Yield the pictures of a video in order, sampled by time.

    per_second: at most so many pictures per second, 0 for every frame. between: only pictures of [first, last)
    seconds; little more than those is decoded. may_thin: asked as it goes on whether pictures that no other refers to
    may be left out: they are half of the work. Damage in the middle is passed over, as players do; a video of which
    nothing (of that time) can be decoded raises VideoDamaged, one that goes beyond the limits on the way VideoTooLarge,
    and the errors of `probe` hold as well.
    """
    if per_second < 0:
        raise ValueError(f"Expected a rate of 0 or more, got {per_second}.")
    for time_s, display, frame in _shown(path, per_second, between, may_thin, limits):
        yield SampledFrame(time_s, partial(display.picture, frame))


def canvases(
    path: str | Path, max_side_px: int = 0, between: tuple[float, float] = (-np.inf, np.inf)
) -> Iterator[tuple[float, Canvas]]:
    """(time_s, picture to draw on) of every frame of a video, as `frames` gives them and with its errors; widths and
    heights are even. The pictures stay as they are stored, which costs less than RGB."""
    for time_s, display, frame in _shown(path, 0.0, between, lambda: False, Limits()):
        yield time_s, display.canvas(frame, max_side_px)


def _shown(
    path: str | Path,
    per_second: float,
    between: tuple[float, float],
    may_thin: Callable[[], bool],
    limits: Limits,
) -> Iterator[tuple[float, Display, VideoFrame]]:
    """The frames that `samples` is of: when each is shown, and how."""
    with opened(path, limits) as container:
        stream = video_stream(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _decoding_threads()
        displays = Displays(stream)
        zero_s = clock.zero_s(container)
        from_s = between[0] if between[0] > 0 and can_seek(path) else 0.0
        sampler, before_s = Sampler(per_second), np.inf
        thinning = Thinning(stream.codec_context, sampler, between[0] if between[0] > 0 else -np.inf, zero_s)
        can_thin = clock.has_times(container)
        frames = _decoded_from(container, from_s, limits, thinning.watched if can_thin else iter)
        for count, frame in enumerate(limits.timed(path, clock.declared_s(container), frames), 1):
            limits.check_pictures(path, count)
            if frame.time is None:
                continue
            time_s = float(frame.time) - zero_s
            can_thin = can_thin and not (thinning.is_thin and time_s - before_s > _SPARSE_S)
            thinning.is_thin = can_thin and may_thin()
            before_s = time_s
            if between[0] > 0 and time_s < between[0]:  # a first frame may lie a rounding error before 0
                continue
            if time_s >= between[1]:
                break
            if sampler.takes(time_s):
                limits.check_duration(path, time_s)
                display = displays.of(frame)
                limits.check_size(path, *display.size(frame.width, frame.height))
                yield time_s, display, frame
        if sampler.last_s == -np.inf:
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


def _decoded_from(
    container: InputContainer, from_s: float, limits: Limits, watched: clock.Watch
) -> Iterator[VideoFrame]:
    """Frames from a key frame on that leads to the one shown at `from_s` seconds; from the first on for 0 and less.

    The key frame last before it may not: pictures that come after it and are shown before it may need earlier ones
    (an open group of pictures), and are not decoded then. watched: as of `clock.decoded`.
    """
    zero_s = clock.zero_s(container)
    earlier_s = 0.0
    while from_s > 0:
        with suppress(av.FFmpegError):
            container.seek(int((zero_s + from_s - earlier_s) * av.time_base), backward=True)
        frames = clock.decoded(container, limits, watched)
        first = next(frames, None)
        if first is None:
            return
        if earlier_s >= from_s or first.time is None or float(first.time) - zero_s <= from_s:
            yield first
            yield from frames
            return
        earlier_s = 2 * earlier_s + 1.0
    yield from clock.decoded(container, limits, watched)
