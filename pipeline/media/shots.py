"""Finding cuts and cross-fades between camera shots while the pictures of a video pass by."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]

_GRID = (24, 24)
_LARGE_PX = 4 * 3 * max(_GRID)
_HISTOGRAM_BINS = [8, 8, 8]
# A cut changes the colours of the picture and where they are; a person moving changes only the second, a lamp only
# the first. Both must exceed their bound.
_MAX_CORRELATION = 0.75
_MIN_DIFFERENCE = 0.06
# Where black bars or a white backdrop keep the colours alike: a cut changes so large a part of the picture at once, and
# its pattern.
_CHANGED_CELL = 0.12
_MIN_CHANGED = 0.3
_MAX_CUT_LIKENESS = 0.8
# A camera that swings does so in several pictures, a cut in one.
_SUDDEN = 2.5
# In a cross-fade every picture is a mixture of the first and the last, in a share that grows steadily; nothing that
# moves is like that. So many pictures are tested at a time, at several strides: their rate is not known.
_FADE_STEPS = 5
_FADE_STRIDES = (1, 2, 4, 8)
_FADE_MAX_RESIDUE = 0.12
_FADE_MIN_STEP = 0.1
_FADE_MIN_DIFFERENCE = 0.015
# A camera that adapts to the light is a mixture too, but keeps the pattern of what it sees.
_FADE_MAX_LIKENESS = 0.9


class ShotCounter:
    """Numbers the camera shots of a video whose pictures it is given one by one, in order.

    A cross-fade is divided where it is recognized, about half a second after it began.
    """

    def __init__(self) -> None:
        self._shot = 0
        self._past: deque[Grid] = deque(maxlen=_FADE_STEPS * max(_FADE_STRIDES) + 1)
        self._histogram: Grid | None = None
        self._is_fading = False
        self._changed = 0.0

    def shot(self, picture: NDArray[np.uint8]) -> int:
        """The shot number (from 0) of this RGB picture [height, width, 3]."""
        thumbnail = cv2.resize(_reduced(picture), _GRID, interpolation=cv2.INTER_AREA)
        histogram = cv2.calcHist([thumbnail], [0, 1, 2], None, _HISTOGRAM_BINS, [0, 256] * 3).ravel().astype(np.float32)
        grid = thumbnail.astype(np.float32).ravel() / 255.0
        is_cut = self._is_cut(grid, histogram)
        if is_cut:
            self._past.clear()
        self._past.append(grid)
        self._histogram = histogram
        is_fading = any(_is_fade(self._window(stride)) for stride in _FADE_STRIDES)
        if is_cut or (is_fading and not self._is_fading):
            self._shot += 1
        if self._is_fading and not is_fading:
            self._past.clear()
            self._past.append(grid)
        self._is_fading = is_fading
        return self._shot

    def _is_cut(self, grid: Grid, histogram: Grid) -> bool:
        if self._histogram is None or not self._past:
            return False
        correlation = cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_CORREL)
        difference = np.abs(grid - self._past[-1])
        if correlation < _MAX_CORRELATION and difference.mean() > _MIN_DIFFERENCE:
            return True
        changed = float((difference.reshape(-1, 3).max(axis=1) > _CHANGED_CELL).mean())
        is_sudden = changed > max(_MIN_CHANGED, _SUDDEN * self._changed)
        self._changed = changed
        return is_sudden and _likeness(self._past[-1], grid) < _MAX_CUT_LIKENESS

    def _window(self, stride: int) -> list[Grid]:
        """The last _FADE_STEPS + 1 pictures at this stride, or nothing yet."""
        if len(self._past) <= _FADE_STEPS * stride:
            return []
        return [self._past[-1 - step * stride] for step in range(_FADE_STEPS, -1, -1)]


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, large ones at a quarter of their size: averaging over few whole pixels is much cheaper."""
    height, width = picture.shape[:2]
    if min(height, width) < _LARGE_PX:
        return picture
    return cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _is_fade(window: list[Grid]) -> bool:
    """Whether pictures are mixtures of the first and the last of them, which must differ in more than light."""
    if not window:
        return False
    change = window[-1] - window[0]
    if np.abs(change).mean() < _FADE_MIN_DIFFERENCE:
        return False
    energy = float(change @ change)
    before = 0.0
    for grid in window[1:]:
        passed = grid - window[0]
        share = float(passed @ change) / energy
        if share - before < _FADE_MIN_STEP:
            return False
        if np.linalg.norm(passed - share * change) >= _FADE_MAX_RESIDUE * np.sqrt(energy):
            return False
        before = share
    return _likeness(window[0], window[-1]) < _FADE_MAX_LIKENESS


def _likeness(one: Grid, other: Grid) -> float:
    """Correlation of two pictures, 1 where they differ by brightness and contrast only; 0 for a blank one."""
    a, b = one - one.mean(), other - other.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 1e-6 else 0.0
