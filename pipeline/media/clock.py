"""The clock of a video: where it begins, that it goes on where time stamps begin again, and what it says of the rate.

Media time is what `currentTime` is in Chromium while a picture is shown: the picture's own time stamp, nothing
subtracted (Firefox subtracts the start; they differ where the first time stamp is not 0, as after `ffmpeg -ss ...
-c copy`, label-studio#4714). Time stamps below 0 are the exception: all are shifted then, so that the first is 0.
Formats that browsers do not play have clocks that begin anywhere (transport and program streams of camcorders): theirs
is counted from the container's start, as desktop players do.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.media.limits import Limits
from pipeline.media.opening import MATROSKA, MOV, video_stream

_S = TypeVar("_S", bound=Stream)
if TYPE_CHECKING:  # PyAV's packets are generic in its stubs only
    Watch = Callable[[Iterator[Packet[VideoStream]]], Iterator[Packet[VideoStream]]]

_PLAYED_BY_BROWSERS = (MOV, MATROSKA, "ogg")
# Their clocks jump where a recording was paused or cut, and FFmpeg closes such gaps.
_BROADCAST = ("mpegts", "mpeg")
# Time stamps of packets go back by less than this as they are in the order of decoding, and forward by less where a
# broadcast goes on; FFmpeg's dts_delta_threshold.
_BACK_S = 1.0
_FORWARD_S = 10.0
# Has no time stamps of presentation: FFmpeg's are guesses, wrong where pictures are not decoded in the order in which
# they are shown (sleap-io#319).
_UNTIMED = ("avi",)
_MOST_REORDERED = 16  # pictures, in H.264 and HEVC
# Frame intervals that differ from the median by more than this share make a rate variable. Containers round
# timestamps to 1 ms, which is 6 % of a 60 fps interval.
_RATE_TOLERANCE = 0.2
_MOST_UNEVEN = 0.02
# A declared rate that differs by a larger share from that of the time stamps is wrong.
_DECLARED_TOLERANCE = 0.01

# FFmpeg's guess where it knows no rate is the ticks of the clock.
_FASTEST = 1000.0


def zero_s(container: InputContainer) -> float:
    """The container's time, in seconds, that is media time 0; see above."""
    start_s = _container_start_s(container)
    return min(0.0, start_s) if container.format.name in _PLAYED_BY_BROWSERS else start_s


def earliest_s(container: InputContainer) -> float:
    """The media time at which the earliest of pictures and sound begins, at least 0."""
    return _container_start_s(container) - zero_s(container)


def _container_start_s(container: InputContainer) -> float:
    return container.start_time / av.time_base if container.start_time is not None else 0.0


def continued(packets: Iterable[Packet[_S]], container: InputContainer) -> Iterator[Packet[_S]]:
    """The packets of one stream, from the first on; where time stamps begin again they go on instead.

    They do where files were joined end to end, as camcorders' are (trackhd#29, CasparCG#1374). In transport and program
    streams gaps of more than ten seconds are closed as well, as FFmpeg, VLC and mpv do.
    """
    is_broadcast = container.format.name in _BROADCAST
    last, step, offset, second = None, 0, 0, 0.0
    for packet in packets:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None and packet.time_base:
            second = second or float(1 / packet.time_base)  # of one stream all have the same
            jump = 0 if last is None else stamp + offset - last
            if last is not None and (jump < -_BACK_S * second or (is_broadcast and jump > _FORWARD_S * second)):
                offset = last + step - stamp
            if offset:
                packet.dts = packet.dts + offset if packet.dts is not None else None
                packet.pts = packet.pts + offset if packet.pts is not None else None
            now = stamp + offset
            step = packet.duration or (now - last if last is not None and now > last else step)
            last = now if last is None else max(last, now)
        yield packet


def begins_again(container: InputContainer) -> bool:
    """Whether time stamps do so anywhere: such a file cannot be entered by a time. Reads all packets."""
    stream = video_stream(container)
    back = _BACK_S / float(stream.time_base or Fraction(1, 90_000))
    latest = None
    with suppress(av.FFmpegError):  # what could be read counts
        for packet in container.demux(stream):
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is None:
                continue
            if latest is not None and stamp < latest - back:
                return True
            latest = stamp if latest is None else max(latest, stamp)
    return False


def in_order(frames: Iterable[VideoFrame], waiting: list[int]) -> Iterator[VideoFrame]:
    """The frames of a format without time stamps of presentation, each with the earliest one of decoding that is left.

    waiting: those (dts) of the packets that were given to the decoder, in order; what is used is taken out.
    """
    for frame in frames:
        if frame.dts is not None:  # of pictures that never came out there are some left
            del waiting[: max(0, bisect_right(waiting, frame.dts) - _MOST_REORDERED - 1)]
        if waiting:
            frame.pts = waiting.pop(0)
        yield frame


def has_times(container: InputContainer) -> bool:
    """Whether pictures carry their own times; those of other formats are told by the order of all of them."""
    return container.format.name not in _UNTIMED


def decoded(
    container: InputContainer,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    watched: Watch = iter,
) -> Iterator[VideoFrame]:
    """Frames of the video stream with their times, from where the container is on; what does not decode is passed over,
    the first as any other (sleap#2191). watched: the packets go through it to the decoder, in the same order.
    Raises VideoTooLarge."""
    waiting: list[int] = []
    is_untimed = not has_times(container)
    try:
        for packet in watched(continued(container.demux(video_stream(container)), container)):
            if is_untimed and packet.dts is not None and packet.size:
                insort(waiting, packet.dts)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                # Larger pictures than the header told are not decoded.
                context = packet.stream.codec_context
                if context is not None:
                    limits.check_size(container.name, context.width, context.height)
                if packet.dts in waiting:
                    waiting.remove(packet.dts)
                continue
            yield from in_order(frames, waiting)
    except av.FFmpegError:
        # The demuxer gave up: a truncated file. What was decoded so far is what a player shows too.
        return


@dataclass(frozen=True)
class Rhythm:
    """What the time stamps of all pictures say. `end_s`: media time at which the last one ends, 0 where unknown; `fps`:
    their rate, 0 where unknown; `is_variable`: they are not evenly spaced; `read_to`: where in the file the last one
    that could be read lies, in bytes."""

    end_s: float
    fps: float
    is_variable: bool
    read_to: int


def rhythm(container: InputContainer, limits: Limits = Limits()) -> Rhythm:  # noqa: B008  # frozen
    """Read all packets of the video, decoding nothing: what headers say of rate and length is wrong too often.

    Recorders write durations in the ticks of another clock (CozyClay#13) or before they know the end, and rates that
    are twice the real one where pictures are stored in another order (DeepLabCut#476). A declared rate is kept where
    the time stamps do not contradict it: it is exact.
    """
    stream = video_stream(container)
    base = stream.time_base or Fraction(1, 90_000)
    shown: list[int] = []
    stored: list[int] = []
    durations: dict[int, int] = {}
    count = read_to = 0
    try:
        for packet in continued(container.demux(stream), container):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is None or packet.is_discard:  # the end, or what an edit list cuts away
                continue
            # An empty packet is a picture too: the one before is shown again.
            count += 1
            limits.check_pictures(container.name, count)
            read_to = max(read_to, packet.pos or 0)
            durations[stamp] = packet.duration or 0
            if packet.dts is not None:
                stored.append(packet.dts)
            if packet.pts is not None:
                shown.append(packet.pts)
    except av.FFmpegError:
        pass  # judged by what could be read
    # Of interlaced pictures that are stored in two packets only the first has a time stamp of its own.
    untimed = container.format.name in _UNTIMED or len(shown) < 0.45 * count
    stamps = np.unique(np.array(stored if untimed and stored else shown, np.int64))
    intervals = np.diff(stamps) * float(base)
    declared = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    fps, is_variable = _rate(intervals, declared)
    if not len(stamps):
        return Rhythm(0.0, fps, is_variable, read_to)
    last_s = durations.get(int(stamps[-1]), 0) * float(base)
    if untimed or last_s <= 0:
        last_s = 1 / fps if fps > 0 else 0.0
    return Rhythm(float(int(stamps[-1]) * base) + last_s - zero_s(container), fps, is_variable, read_to)


def _rate(intervals: NDArray[np.float64], declared: list[float]) -> tuple[float, bool]:
    """Pictures per second, and whether that varies; by what was declared where nothing contradicts it."""
    if not len(intervals):
        return next((rate for rate in declared if rate <= _FASTEST), 0.0), False
    median = float(np.median(intervals))
    even = np.abs(intervals - median) <= _RATE_TOLERANCE * median
    is_variable = bool(np.mean(~even) > _MOST_UNEVEN)
    # A pause or lost pictures do not make an even rate slower.
    measured = 1.0 / float(np.mean(intervals if is_variable else intervals[even]))
    agreeing = (rate for rate in declared if abs(rate / measured - 1.0) <= _DECLARED_TOLERANCE)
    return next(agreeing, measured), is_variable


def declared_s(container: InputContainer) -> float:
    """The length of the video by the headers, in seconds; 0 where they do not say."""
    stream = video_stream(container)
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0
