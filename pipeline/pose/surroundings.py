"""Whether something as large as a person moves beside the one who is followed: somebody else may lift as well."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.records import Landmarks

Grey = NDArray[np.integer[Any] | np.floating[Any]]

_SHORTER_PX = 64
_CHANGED = 16
# Pictures further apart say little about what moved between them.
_LONGEST_S = 0.45
# Nearer ones cost time.
_SHORTEST_S = 0.15
# A camera that moves, or a change of light, changes more of the picture than a person does.
_MOST_CHANGED = 0.4
# A body is so much wider and taller than its landmarks: on each side, as a share of its height.
_MARGIN = 0.15
# Somebody who lifts there changes so much of a window of the person's size in half of all pictures; a plate that
# sticks out of the person's own box, or somebody who walks by, does so in fewer.
_BUSY_WINDOW = 0.08
_BUSY_SHARE = 0.5


class Surroundings:
    """What moves outside the person's box, from picture to picture, in thumbnails."""

    def __init__(self) -> None:
        self._before: Grey | None = None
        self._box_before = (0, 0, 0, 0)
        self._time_s = -np.inf
        self._windows: list[float] = []

    def cut(self) -> None:
        """The next picture is from another camera."""
        self._before = None

    def see(self, time_s: float, picture: NDArray[np.uint8], found: Landmarks | None) -> None:
        """Take note of a picture [height, width, 3], and of whom the estimator found in it."""
        if found is None:
            self._before = None
            return
        if self._before is not None and time_s - self._time_s < _SHORTEST_S:
            return
        height, width = picture.shape[:2]
        scale = _SHORTER_PX / min(height, width)
        size = max(2, round(width * scale)), max(2, round(height * scale))
        # Every few pixels are enough, and cost a tenth of a mean of all.
        grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)
        box = _box(found, size)
        if self._before is not None and self._before.shape == grey.shape and time_s - self._time_s <= _LONGEST_S:
            changed = (cv2.absdiff(grey, self._before) > _CHANGED).astype(np.float32)
            for left, top, right, bottom in (box, self._box_before):
                changed[top:bottom, left:right] = 0.0
            window = max(2, box[2] - box[0]), max(2, box[3] - box[1])
            is_camera = float(changed.mean()) > _MOST_CHANGED
            self._windows.append(0.0 if is_camera else float(cv2.blur(changed, window).max()))
        self._before, self._box_before, self._time_s = grey, box, time_s

    @property
    def are_busy(self) -> bool:
        """Whether something large moved there for a good part of the time."""
        return bool(self._windows) and float(np.mean(np.array(self._windows) >= _BUSY_WINDOW)) >= _BUSY_SHARE


def _box(found: Landmarks, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a body in a thumbnail of that size."""
    points = found[0][:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _MARGIN * max((high - low)[1] * size[1], 1.0)
    left, top = (int(max(0, value)) for value in low * size - margin)
    right, bottom = (int(value) for value in np.minimum(high * size + margin + 1, size))
    return left, top, max(left, right), max(top, bottom)
