"""The sound of a video beside its pictures: copied where an MP4 may hold it and browsers play it, else made anew."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from pipeline.media.clock import continued, zero_s

_COPIED = ("aac", "mp3")
_RATE = 48_000
_LAYOUTS = {1: "mono"}


class Sound:
    """The first sound track of a video, written packet by packet beside the pictures; without one nothing is."""

    def __init__(self, container: OutputContainer, source: InputContainer) -> None:
        self._container = container
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        track = next(iter(source.streams.audio), None)
        if track is None:
            return
        if track.codec_context.codec.canonical_name in _COPIED:
            self._packets = _copied(container, source, track)
        else:
            self._packets = _encoded(container, source, track)

    def write_until(self, time_s: float) -> None:
        """Write the sound up to that time."""
        while True:
            try:
                packet = next(self._packets)
            except (StopIteration, av.FFmpegError):  # damaged sound ends early; the pictures go on
                return
            self._container.mux(packet)
            if packet.pts is not None and float(packet.pts * packet.time_base) >= time_s:
                return


def _copied(container: OutputContainer, source: InputContainer, track: AudioStream) -> Iterator[Packet[AudioStream]]:
    copy = container.add_stream_from_template(track)
    base = track.time_base
    return _shifted(copy, continued(source.demux(track), source), round(zero_s(source) / base) if base else 0)


def _shifted(copy: AudioStream, packets: Iterator[Packet[AudioStream]], zero: int) -> Iterator[Packet[AudioStream]]:
    last_dts = -1
    for packet in packets:
        if packet.pts is None or packet.dts is None:
            continue
        packet.pts -= zero
        packet.dts -= zero
        if packet.dts <= last_dts:  # before the first picture, or a fault of the container
            continue
        last_dts = packet.dts
        packet.stream = copy
        yield packet


def _encoded(container: OutputContainer, source: InputContainer, track: AudioStream) -> Iterator[Packet[AudioStream]]:
    layout = _LAYOUTS.get(track.codec_context.channels, "stereo")
    copy = container.add_stream("aac", rate=_RATE, layout=layout)
    return _encoded_packets(copy, source, track, AudioResampler(format="fltp", layout=layout, rate=_RATE))


def _encoded_packets(
    copy: AudioStream, source: InputContainer, track: AudioStream, resampler: AudioResampler
) -> Iterator[Packet[AudioStream]]:
    zero = zero_s(source)
    for packet in source.demux(track):
        for frame in packet.decode():
            if frame.pts is None or frame.time is None or frame.time < zero:  # before the first picture
                continue
            if frame.time_base:
                frame.pts -= round(zero / frame.time_base)
            for ready in resampler.resample(frame):
                yield from copy.encode(ready)
    for ready in resampler.resample(None):
        yield from copy.encode(ready)
    yield from copy.encode(None)
