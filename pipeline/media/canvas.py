"""A picture to draw on as videos store it: brightness, and two planes of colour at half the size (4:2:0).

Drawing there saves turning every picture into RGB and back, which costs as much as decoding it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""

_UNSAID = 2
_BT601 = (5, 6)
_HD_PX = 720
# The weights of red and blue in brightness, of BT.601 and BT.709.
_WEIGHTS = {False: (0.299, 0.114), True: (0.2126, 0.0722)}
# Coordinates are given to OpenCV in sixteenths of a pixel.
_SHIFT = 4


@dataclass(frozen=True)
class Overlay:
    """A small picture, RGB [h, w, 3], to be laid over others again and again; an odd last row or column is dropped."""

    picture: NDArray[np.uint8]

    @property
    def height(self) -> int:
        return int(self.picture.shape[0]) // 2 * 2

    def planes(self, is_hd: bool) -> tuple[Plane, Plane, Plane]:
        """Brightness and colours in the standard of BT.709 or of BT.601."""
        return self._in_hd if is_hd else self._in_sd

    @cached_property
    def _in_hd(self) -> tuple[Plane, Plane, Plane]:
        return self._stored(True)

    @cached_property
    def _in_sd(self) -> tuple[Plane, Plane, Plane]:
        return self._stored(False)

    def _stored(self, is_hd: bool) -> tuple[Plane, Plane, Plane]:
        even = self.picture[: self.height, : self.picture.shape[1] // 2 * 2].astype(np.float64)
        stored = np.clip(_stored(even, is_hd).round(), 0, 255).astype(np.uint8)
        y, u, v = (np.ascontiguousarray(one) for one in (stored[0], stored[1][::2, ::2], stored[2][::2, ::2]))
        return y, u, v


class Canvas:
    """The planes y [H, W], u and v [H / 2, W / 2] of a frame, which are drawn into. Width and height are even.

    Args:
        frame: of the format yuv420p, and nobody else's: it is changed.
    """

    def __init__(self, frame: VideoFrame) -> None:
        self.frame = frame
        self.width, self.height = frame.width, frame.height
        self.y, self.u, self.v = (view(frame, index) for index in range(3))
        frame.colorspace = standard_of(frame)
        self._is_hd = frame.colorspace not in _BT601

    def lines(self, paths: Sequence[NDArray[np.float64]], colour: Colour, thick: int, is_smooth: bool = True) -> None:
        """Draw open lines through points [n, 2] in pixels, x right, y down; all finite."""
        points = [(path * 2**_SHIFT).round().astype(np.int32)[:, None] for path in paths]
        kind = cv2.LINE_AA if is_smooth else cv2.LINE_8
        y, u, v = _stored_colour(colour, self._is_hd)
        cv2.polylines(self.y, points, False, (y,), thick, kind, _SHIFT)
        for plane, value in ((self.u, u), (self.v, v)):  # half the size: one more fractional bit
            cv2.polylines(plane, points, False, (value,), max(1, round(thick / 2)), cv2.LINE_8, _SHIFT + 1)

    def dots(self, points: NDArray[np.float64], colour: Colour, radius: int) -> None:
        """Draw discs around points [n, 2] in pixels; all finite."""
        y, u, v = _stored_colour(colour, self._is_hd)
        for x, down in points.round().astype(int).tolist():
            cv2.circle(self.y, (x, down), radius, (y,), -1)
            for plane, value in ((self.u, u), (self.v, v)):
                cv2.circle(plane, (x // 2, down // 2), max(1, radius // 2), (value,), -1)

    def rectangle(self, left: int, top: int, right: int, bottom: int, colour: Colour, opacity: float = 1.0) -> None:
        """Fill [left, right) x [top, bottom), clipped to the picture. opacity 0..1."""
        left, right = max(0, left), min(self.width, right)
        top, bottom = max(0, top), min(self.height, bottom)
        if left >= right or top >= bottom:
            return
        y, u, v = _stored_colour(colour, self._is_hd)
        half = np.s_[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]
        for plane, place, value in ((self.y, np.s_[top:bottom, left:right], y), (self.u, half, u), (self.v, half, v)):
            here = plane[place]
            here[:] = value if opacity >= 1.0 else cv2.convertScaleAbs(here, None, 1.0 - opacity, value * opacity)

    def lay(self, over: Overlay, left: int = 0, top: int = 0, opacity: float = 1.0) -> None:
        """Lay a small picture over this one, its corner at even `left` and `top`; what does not fit is cut off."""
        for plane, layer, share in zip((self.y, self.u, self.v), over.planes(self._is_hd), (1, 2, 2), strict=True):
            place = plane[top // share :, left // share :]
            height, width = min(place.shape[0], layer.shape[0]), min(place.shape[1], layer.shape[1])
            if height > 0 and width > 0:
                here, ink = place[:height, :width], layer[:height, :width]
                here[:] = ink if opacity >= 1.0 else cv2.addWeighted(here, 1.0 - opacity, ink, opacity, 0.0)

    def in_standard(self, width: int, height: int) -> VideoFrame:
        """A copy of even width and height in the colours of BT.709, narrow range."""
        return self.frame.reformat(
            width,
            height,
            "yuv420p",
            src_colorspace=Colorspace.ITU709 if self._is_hd else Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
        )

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as RGB [H, W, 3], for tests and stills."""
        return np.ascontiguousarray(self.frame.to_ndarray(format="rgb24"))


def standard_of(frame: VideoFrame) -> int:
    """By which standard the colours of a frame are meant: as it says, else as players take it, by its stored height."""
    if frame.colorspace != _UNSAID:
        return int(frame.colorspace)
    return int(Colorspace.ITU709 if frame.height >= _HD_PX else Colorspace.ITU601)


def blank(width: int, height: int) -> Canvas:
    """A black canvas of even width and height."""
    canvas = Canvas(VideoFrame(width, height, "yuv420p"))
    canvas.y[:], canvas.u[:], canvas.v[:] = 16, 128, 128
    return canvas


def view(frame: VideoFrame, index: int) -> Plane:
    """[height, width] the bytes of a plane of a frame, not copied."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]  # has a buffer
    return np.asarray(rows[: plane.height, : plane.width])


@lru_cache(maxsize=64)
def _stored_colour(colour: Colour, is_hd: bool) -> tuple[float, float, float]:
    y, u, v = (float(value) for value in _stored(np.array(colour, np.float64), is_hd))
    return y, u, v


def _stored(rgb: NDArray[np.float64], is_hd: bool) -> NDArray[np.float64]:
    """[3, ...] brightness and colour differences of RGB [..., 3], in the narrow range of video (16..235, 16..240)."""
    red, blue = _WEIGHTS[is_hd]
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    bright = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - bright) / (2 - 2 * blue), (r - bright) / (2 - 2 * red)
    return np.stack([16 + 219 * bright, 128 + 224 * u, 128 + 224 * v])
