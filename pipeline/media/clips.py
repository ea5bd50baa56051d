"""Cutting a piece out of a video: packets are copied where that gives exactly the piece, else it is encoded again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.errors import VideoDamaged
from pipeline.media import reading, writing
from pipeline.media.clock import zero_s as zero_of
from pipeline.media.opening import opened, video_stream

_Packet: TypeAlias = "Packet[VideoStream]"

_COPIED = "h264"
"""What an MP4 may hold and browsers play."""
# Boundaries are made of frame numbers, times of pictures of ticks: they meet but for rounding.
_ROUNDING_FRAMES = 0.25


def cut(source: str | Path, target: Path, start_s: float, end_s: float) -> Literal["copied", "encoded"]:
    """Write the pictures of [start_s, end_s) as an MP4 (H.264, no sound) from time 0 on, complete or not at all.

    Copied where the first of them is a key frame and none needs a picture outside; else encoded. Raises the errors of
    `reading.probe`, and VideoDamaged where there is no picture in that time.
    """
    if not 0 <= start_s < end_s:
        raise ValueError(f"Expected 0 <= start < end, got {start_s} and {end_s}.")
    info = reading.probe(source)
    slack = _ROUNDING_FRAMES / info.fps
    between = max(0.0, start_s - slack), end_s - slack
    if info.codec == _COPIED and info.rotation == 0 and not info.mirrored and info.pixel_aspect == 1.0:
        with suppress(av.FFmpegError), opened(source) as container:
            # Where the piece cannot be found by its time it is encoded.
            stream, zero_s = video_stream(container), zero_of(container)
            if reading.can_seek(source):
                container.seek(int((zero_s + between[0]) * av.time_base), backward=True)
                packets = _exactly(container.demux(stream), stream, zero_s + between[0], zero_s + between[1])
                if packets:
                    _copy(packets, stream, target)
                    return "copied"
    pictures = _from_zero(reading.frames(source, between=between))
    try:
        writing.write(target, pictures, Fraction(info.fps).limit_denominator(1001))
    except VideoDamaged as error:
        raise VideoDamaged(f"{source}: no picture can be decoded between {start_s:.2f} and {end_s:.2f} s.") from error
    return "encoded"


def _from_zero(
    pictures: Iterator[tuple[float, NDArray[np.uint8]]],
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    first_s = None
    for time_s, picture in pictures:
        first_s = time_s if first_s is None else first_s
        yield time_s - first_s, picture


def _exactly(demuxed: Iterator[_Packet], stream: VideoStream, start_s: float, end_s: float) -> list[_Packet]:
    """The packets of the pictures of that time (container's), in the order of decoding; none where they need others."""
    base = stream.time_base or Fraction(1, 90_000)
    packets: list[_Packet] = []
    for packet in demuxed:
        if packet.pts is None or packet.dts is None:
            continue
        is_inside = start_s <= float(packet.pts * base) < end_s
        if packets and float(packet.dts * base) >= end_s:
            break
        if not packets and is_inside and not packet.is_keyframe:
            return []
        if packets or is_inside:
            packets.append(packet)
    inside = [start_s <= float(packet.pts * base) < end_s for packet in packets if packet.pts is not None]
    # In an open group of pictures some are shown before the key frame that they come after.
    if not any(inside) or packets[0].pts != min(packet.pts for packet in packets if packet.pts is not None):
        return []
    last = len(inside) - inside[::-1].index(True)
    return packets[:last] if all(inside[:last]) else []


def _copy(packets: list[_Packet], stream: VideoStream, target: Path) -> None:
    first = min(packet.pts for packet in packets if packet.pts is not None)
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".mp4")
    os.close(handle)
    try:
        with av.open(part, "w", format="mp4", options={"movflags": "faststart"}) as container:
            copy = container.add_stream_from_template(stream)
            for packet in packets:
                packet.pts = (packet.pts or 0) - first
                packet.dts = (packet.dts or 0) - first
                packet.stream = copy
                container.mux(packet)
        Path(part).chmod(0o644)  # mkstemp lets nobody else read
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)
