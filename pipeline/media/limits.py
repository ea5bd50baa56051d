"""How much of a video is read at most: a file of a few kilobytes may stand for days of pictures of any size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import VideoTooLarge

_T = TypeVar("_T")


@dataclass(frozen=True)
class Limits:
    """What a video may have; beyond that it is refused with VideoTooLarge, before decoding where the file says so.

    pixels: of a picture, stored or shown; cameras of 8K have 33 million, and decoders keep a dozen pictures.
    duration_s: a whole day's recording is no training. pictures: two and a half hours at 240 a second.
    decoding_s, decoding_share: decoding may take so long, and so many times the length of the video more: 4K at 60
    pictures a second takes a slow core twice the length.
    """

    pixels: int = 50_000_000
    duration_s: float = 4 * 3600.0
    pictures: int = 2_200_000
    decoding_s: float = 600.0
    decoding_share: float = 4.0

    def check_size(self, path: object, width: int, height: int) -> None:
        """Raises VideoTooLarge for pictures of too many pixels."""
        if width * height > self.pixels:
            raise VideoTooLarge(
                f"{path}: pictures of {width} x {height} pixels; at most {self.pixels / 1e6:g} million pixels are "
                "decoded. Scale the video down, for example with ffmpeg -vf scale=1920:-2."
            )

    def check_duration(self, path: object, duration_s: float) -> None:
        """Raises VideoTooLarge for a video that is too long."""
        if duration_s > self.duration_s:
            raise VideoTooLarge(
                f"{path}: {duration_s / 3600:.1f} hours long; at most {self.duration_s / 3600:g} hours are analyzed. "
                "Cut the video."
            )

    def check_pictures(self, path: object, count: int) -> None:
        """Raises VideoTooLarge for too many pictures."""
        if count > self.pictures:
            raise VideoTooLarge(
                f"{path}: more than {self.pictures} pictures. Cut the video, or lower its frame rate, for example with "
                "ffmpeg -r 60."
            )

    def timed(self, path: object, duration_s: float, items: Iterator[_T]) -> Iterator[_T]:
        """The same items. Raises VideoTooLarge when making them, without what is done with them, takes too long.

        duration_s: of the whole video, 0 where that is not known.
        """
        longest_s = min(duration_s, self.duration_s) if duration_s > 0 else self.duration_s
        allowed_s = self.decoding_s + self.decoding_share * longest_s
        spent_s = 0.0
        while True:
            began = time.monotonic()
            item = next(items, None)
            spent_s += time.monotonic() - began
            if item is None:
                return
            if spent_s > allowed_s:
                raise VideoTooLarge(
                    f"{path}: decoding was given up after {spent_s:.0f} s. Scale the video down, or convert it to "
                    "H.264."
                )
            yield item
