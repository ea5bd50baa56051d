"""How a stored picture is shown: turned, mirrored, its pixels made square. The one place that knows.

Files store what the sensor gave and say beside it how to show it: by a display matrix (phones that were held upright,
front cameras and security cameras that mirror) and by the shape of a pixel (camcorders that store 1440 x 1080 for
1920 x 1080).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.media.canvas import Canvas, standard_of, view

Picture = NDArray[np.uint8]

_MATRIX = struct.Struct("=9i")
# Pixels more uneven than this are a fault of the file; the widest in use is 2.22 (1 x 2.2 films on DVD).
_MOST_UNEVEN = 8.0


@dataclass(frozen=True)
class Display:
    """What stands between a stored picture and the one that players show.

    pixel_aspect: width of a stored pixel divided by its height. mirrored: left and right change places, before it is
    turned counter-clockwise by so many quarter `turns` (0..3).
    """

    turns: int = 0
    mirrored: bool = False
    pixel_aspect: float = 1.0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown of a picture that is stored with these. No side gets smaller."""
        width, height = self._square(width, height)
        return (height, width) if self.turns % 2 else (width, height)

    def picture(self, frame: VideoFrame, max_side_px: int = 0) -> Picture:
        """RGB [height, width, 3] as shown, contiguous, the longer side at most `max_side_px` (0: as it is)."""
        width, height = self._square(frame.width, frame.height)
        if max_side_px and max(width, height) > max_side_px:
            scale = max_side_px / max(width, height)
            width, height = max(2, round(width * scale)), max(2, round(height * scale))
        # Averaging over the area is both what shrinking needs and four times cheaper than the default, bicubic.
        # More threads would be started for every picture, which costs what they bring.
        stored = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA", threads=1)
        shown = np.fliplr(stored) if self.mirrored else stored
        # FFmpeg pads rows whose bytes are no multiple of its alignment (360, 540 or 1080 pixels), and PyAV passes them
        # on as a view, which mediapipe.Image refuses.
        return np.ascontiguousarray(np.rot90(shown, self.turns), np.uint8)

    def canvas(self, frame: VideoFrame, max_side_px: int = 0) -> Canvas:
        """The picture as shown, of even width and height, to draw on; the longer side at most `max_side_px` (0: as it
        is). The given frame is not changed."""
        width, height = self._square(frame.width, frame.height)
        scale = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
        width, height = (max(2, round(side * scale) // 2 * 2) for side in (width, height))
        # What is drawn is of the narrow range of video; a few cameras store the full one.
        narrow = {"src_color_range": ColorRange.JPEG, "dst_color_range": ColorRange.MPEG}
        ranges = narrow if frame.color_range == ColorRange.JPEG else {}
        stored = frame.reformat(width, height, "yuv420p", interpolation="AREA", threads=1, **ranges)
        if stored is not frame and not self.turns and not self.mirrored:
            stored.colorspace = standard_of(frame)
            return Canvas(stored)
        # The decoder may need this picture for the next ones: a copy is drawn on.
        shown = VideoFrame(*((height, width) if self.turns % 2 else (width, height)), "yuv420p")
        for index in range(3):
            plane = view(stored, index)
            view(shown, index)[:] = np.rot90(np.fliplr(plane) if self.mirrored else plane, self.turns)
        shown.colorspace, shown.color_range = standard_of(frame), stored.color_range
        return Canvas(shown)

    def _square(self, width: int, height: int) -> tuple[int, int]:
        if self.pixel_aspect >= 1.0:
            return max(1, round(width * self.pixel_aspect)), height
        return width, max(1, round(height / self.pixel_aspect))


class Displays:
    """How players show the frames of one stream.

    A frame whose side data was read is in a reference cycle (PyAV 18): its pixels stay in memory until the garbage is
    collected, hundreds of megabytes in all. So the matrix is read again only where its angle is another one.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._by_angle: dict[int, Display] = {}

    def of(self, frame: VideoFrame) -> Display:
        """How this frame is shown; a matrix that begins to mirror on the way, at the same angle, is not noticed."""
        angle = frame.rotation
        if angle not in self._by_angle:
            self._by_angle[angle] = display_of(frame, self._stream)
        return self._by_angle[angle]


def display_of(frame: VideoFrame, stream: VideoStream) -> Display:
    """How players show this frame of that stream."""
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _MOST_UNEVEN <= aspect <= _MOST_UNEVEN:
        aspect = 1.0
    # PyAV's frame.rotation is the angle of the matrix alone, in which a mirror looks like half a turn (PyAV#570).
    matrix = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)  # PyAV declares another type
    turns, mirrored = _nearest(bytes(matrix)) if matrix is not None else (0, False)
    return Display(turns, mirrored, aspect)


def _nearest(matrix: bytes) -> tuple[int, bool]:
    """Quarter turns and mirroring that come nearest to a display matrix, none where that shows nothing.

    matrix: FFmpeg's, nine integers a b u c d v x y w; a stored point (p, q) is shown at (a p + c q, b p + d q).
    """
    if len(matrix) < _MATRIX.size:
        return 0, False
    a, b, _, c, d, *_ = _MATRIX.unpack(matrix[: _MATRIX.size])
    given = np.array([[a, c], [b, d]], np.float64)
    choices = [(turns, mirrored) for mirrored in (False, True) for turns in range(4)]
    return max(choices, key=lambda choice: float((given * _as_matrix(*choice)).sum()))


def _as_matrix(turns: int, mirrored: bool) -> NDArray[np.float64]:
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])  # counter-clockwise where y points down
    turned: NDArray[np.float64] = np.linalg.matrix_power(quarter, turns) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    return turned
