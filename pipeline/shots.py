"""Finding cuts between camera shots while the pictures of a video pass by."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_GRID = (24, 24)
_HISTOGRAM_BINS = [8, 8, 8]
# A cut changes the colours of the picture and where they are; a person moving changes only the second, a lamp only
# the first. Both must exceed their bound.
_MAX_CORRELATION = 0.75
_MIN_DIFFERENCE = 0.06


class ShotCounter:
    """Numbers the shots: feed it pictures in order, it answers with the shot that each belongs to."""

    def __init__(self) -> None:
        self._shot = 0
        self._thumbnail: NDArray[np.float32] | None = None
        self._histogram: NDArray[np.float32] | None = None

    def shot(self, picture: NDArray[np.uint8]) -> int:
        """The shot number (from 0) of this RGB picture [height, width, 3]."""
        thumbnail = cv2.resize(picture, _GRID, interpolation=cv2.INTER_AREA)
        histogram = cv2.calcHist([thumbnail], [0, 1, 2], None, _HISTOGRAM_BINS, [0, 256] * 3).ravel()
        grid = thumbnail.astype(np.float32) / 255.0
        if self._thumbnail is not None and self._histogram is not None:
            correlation = cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_CORREL)
            difference = float(np.abs(grid - self._thumbnail).mean())
            if correlation < _MAX_CORRELATION and difference > _MIN_DIFFERENCE:
                self._shot += 1
        self._thumbnail, self._histogram = grid, histogram.astype(np.float32)
        return self._shot
