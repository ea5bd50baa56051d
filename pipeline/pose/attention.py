"""Which samples of a video get a pose: all of them while somebody moves up and down or is bent, else few.

Recordings of a training are mostly waiting. A lift begins and ends with a bent trunk, and goes up and down by half a
metre: whatever looks like either is watched more closely, from half a second before it was noticed.
"""

from __future__ import annotations

import numpy as np

from pipeline.landmarks import INDEX
from pipeline.pose.tracks import Series, scale_of, tilt_of
from pipeline.records import Landmarks

CALM_S = 0.3
"""While nobody moves, a pose is taken every so many seconds."""
FOLLOW_S = 0.45
"""Poses so close follow each other, whatever is left out between them: nobody was lost there."""
LOOK_BACK = 6
"""So many samples that had none get one when somebody moves: the last ones before it was noticed."""
# Watching closely goes on for so long after the last movement, or after somebody was lost who had just moved.
_CALM_AFTER_S = 2.0
_LOST_S = 5.0
_ROUNDING_S = 1e-3
# Between two poses: shoulders and hips go up or down by so much, in metres of the person's scale.
_MOVES_M = 0.06
_BENT = np.radians(30.0)
_SHOULDERS, _HIPS = ([INDEX[f"{side}_{joint}"] for side in ("left", "right")] for joint in ("shoulder", "hip"))


class Attention:
    """Whether somebody may be lifting, by the poses so far.

    size: width and height of the picture in pixels. may_rest: whether samples may go without a pose at all.
    """

    def __init__(self, size: tuple[int, int], may_rest: bool = True) -> None:
        self._size = np.array(size, np.float64)
        self._may_rest = may_rest
        self._heights: Series | None = None
        self._moved_s: float | None = None
        self._seen_s = -np.inf
        self._last_s = -np.inf
        self.is_calm = False
        self.looks_back = False

    def is_due(self, time_s: float, step_s: float = 0.0) -> bool:
        """Whether the next sample, at `time_s` seconds, gets a pose. step_s: seconds since the sample before it; the
        next one is expected as much later, and would be too late for the poses to follow each other."""
        since_s = time_s - self._last_s
        return not self.is_calm or since_s >= CALM_S - _ROUNDING_S or since_s + step_s > FOLLOW_S

    def cut(self) -> None:
        """The next sample is from another camera: nothing is known about it."""
        self._heights, self._moved_s, self.is_calm = None, None, False

    def see(self, time_s: float, found: Landmarks | None) -> None:
        """Take note of a pose at `time_s` seconds, None where nobody was found.

        `looks_back` then says whether the samples that were passed over while nobody moved get a pose as well.
        """
        was_calm = self.is_calm
        self._last_s = time_s
        if found is None:
            # Whoever is lost while moving may be at lockout, with the head out of the picture.
            is_moving = not self.is_calm and time_s - self._seen_s < _LOST_S
        else:
            is_moving, self._seen_s = self._has_moved(found), time_s
        if self._moved_s is None or is_moving:
            self._moved_s = time_s
        self.is_calm = self._may_rest and time_s - self._moved_s > _CALM_AFTER_S
        self.looks_back = was_calm and not self.is_calm

    def _has_moved(self, found: Landmarks) -> bool:
        image, world = found[0][:, :2] * self._size, found[1].astype(np.float64)
        heights = np.array([image[rows, 1].mean() for rows in (_SHOULDERS, _HIPS)])
        before, self._heights = self._heights, heights
        is_bent = tilt_of(world[_HIPS].mean(axis=0) - world[_SHOULDERS].mean(axis=0)) > _BENT
        return bool(is_bent or before is None or np.abs(heights - before).max() > _MOVES_M * scale_of(image, world))
