"""Which pictures of a video are samples, and leaving out pictures that are none and that no other refers to."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy

import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

# Packets come in the order of decoding: in H.264 and HEVC at most sixteen before one that is shown earlier.
_MOST_REORDERED = 16
_ROUNDING_S = 1e-6


class Sampler:
    """Takes samples of pictures that come in the order of time. per_second: at most so many, evenly; 0 for all."""

    def __init__(self, per_second: float) -> None:
        self._interval_s = 1.0 / per_second if per_second else 0.0
        self._due_s, self.last_s = -np.inf, -np.inf

    def takes(self, time_s: float) -> bool:
        """Whether the next picture, at `time_s` seconds, is a sample."""
        # A repeated or backward timestamp is a fault of the container; a sample needs a time of its own.
        if time_s <= self.last_s or time_s < self._due_s - _ROUNDING_S:
            return False
        self.last_s = time_s
        is_late = time_s - self._due_s >= self._interval_s
        self._due_s = time_s + self._interval_s if is_late else max(self._due_s + self._interval_s, time_s)
        return True


class Thinning:
    """Tells a decoder to leave out what need not be decoded: pictures that are no samples and that no other refers to.

    The samples stay the same. codec: the decoder of the packets that are watched. sampler: of the pictures that it
    gives. from_s: there are no samples before this time. zero_s: the container's time, in seconds, that is media time
    0. is_thin may be set: whether pictures that no other refers to are left out where they would be samples, too.
    """

    def __init__(self, codec: VideoCodecContext, sampler: Sampler, from_s: float, zero_s: float) -> None:
        self._codec = codec
        self._sampler = sampler
        self._from_s, self._zero_s = from_s, zero_s
        self._is_left_out = False
        self.is_thin = False

    def watched(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        """The packets, in the same order: the decoder is told about each right before it comes."""
        waiting: deque[Packet[VideoStream]] = deque()
        times: list[float] = []
        for packet in packets:
            waiting.append(packet)
            if (time_s := self._time_s(packet)) is not None:
                insort(times, time_s)
            if len(waiting) > _MOST_REORDERED:
                yield self._announced(waiting.popleft(), times)
        while waiting:
            yield self._announced(waiting.popleft(), times)

    def _time_s(self, packet: Packet[VideoStream]) -> float | None:
        """When the picture is shown, None where that is unknown, and where it cannot be a sample."""
        if packet.pts is None or packet.time_base is None or packet.is_discard:
            return None
        time_s = float(packet.pts * packet.time_base) - self._zero_s
        return time_s if time_s >= self._from_s else None

    def _announced(self, packet: Packet[VideoStream], times: list[float]) -> Packet[VideoStream]:
        """times: in order, of the pictures that are known so far; those that are past are taken out."""
        if packet.pts is None:  # the second field of a picture: as the first
            return packet
        del times[: bisect_right(times, self._sampler.last_s)]
        is_left_out = self.is_thin or not self._is_sample(self._time_s(packet), times)
        if is_left_out != self._is_left_out:
            self._is_left_out = is_left_out
            self._codec.skip_frame = "NONREF" if is_left_out else "DEFAULT"
        return packet

    def _is_sample(self, time_s: float | None, times: list[float]) -> bool:
        """Whether the picture will be one, by the last that was, and by the pictures between them."""
        if time_s is None:
            return False
        ahead = copy(self._sampler)
        taken = [ahead.takes(other) for other in times[: bisect_right(times, time_s)]]
        return bool(taken) and taken[-1]
