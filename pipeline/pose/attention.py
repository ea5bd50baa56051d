"""Which samples of a video get a pose: all or half of them while somebody moves up and down or is bent, else few.

Recordings of a training are mostly waiting. A lift begins and ends with a bent trunk, and goes up and down by half a
metre: whatever looks like either is watched more closely, from half a second before it was noticed. A pull takes a
second: from five poses a second its curve can be drawn, with an estimator that finds the person again after 0.2 s.
"""

from __future__ import annotations

import numpy as np

from pipeline.landmarks import INDEX
from pipeline.pose.tracks import Series, is_sprawled, scale_of, tilt_of
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

    size: width and height of the picture in pixels. may_rest: whether samples may go without a pose at all. steady_s:
    the least seconds between two poses of somebody who moves and is seen; 0 for every sample.
    """

    def __init__(self, size: tuple[int, int], may_rest: bool = True, steady_s: float = 0.0) -> None:
        self._size = np.array(size, np.float64)
        self._may_rest = may_rest
        self._steady_s = steady_s if may_rest else 0.0
        self._heights: Series | None = None
        self._moved_s: float | None = None
        self._seen_s = -np.inf
        self._last_s = -np.inf
        self._is_lost, self._is_followed = True, False
        self.is_calm = False
        self.looks_back = False

    def is_due(self, time_s: float) -> bool:
        """Whether the next sample, at `time_s` seconds, gets a pose."""
        pace_s = CALM_S if self.is_calm else self._steady_s if self._is_followed else 0.0
        return time_s - self._last_s >= pace_s - _ROUNDING_S

    def cut(self) -> None:
        """The next sample is from another camera: nothing is known about it."""
        self._heights, self._moved_s, self.is_calm = None, None, False
        self._is_lost, self._is_followed = True, False

    def see(self, time_s: float, found: Landmarks | None) -> None:
        """Take note of a pose at `time_s` seconds, None where nobody was found.

        `looks_back` then says whether the samples that were passed over since the last pose, or while nobody moved, get
        a pose as well.
        """
        was_calm, was_lost, was_followed = self.is_calm, self._is_lost, self._is_followed
        self._last_s = time_s
        self._is_lost = found is None or bool(is_sprawled(found[1][None].astype(np.float64))[0])
        if found is None:
            # Whoever is lost while moving may be at lockout, with the head out of the picture.
            is_moving = not self.is_calm and time_s - self._seen_s < _LOST_S
        else:
            is_moving, self._seen_s = self._has_moved(found), time_s
        if self._moved_s is None or is_moving:
            self._moved_s = time_s
        self.is_calm = self._may_rest and time_s - self._moved_s > _CALM_AFTER_S
        self.looks_back = not self.is_calm and (was_calm or (was_followed and self._is_lost))
        # Whoever was found just now, or begins to move, is looked at once more before a sample is left out.
        self._is_followed = not (self._is_lost or was_lost or self.looks_back)

    def _has_moved(self, found: Landmarks) -> bool:
        image, world = found[0][:, :2] * self._size, found[1].astype(np.float64)
        heights = np.array([image[rows, 1].mean() for rows in (_SHOULDERS, _HIPS)])
        before, self._heights = self._heights, heights
        is_bent = tilt_of(world[_HIPS].mean(axis=0) - world[_SHOULDERS].mean(axis=0)) > _BENT
        return bool(is_bent or before is None or np.abs(heights - before).max() > _MOVES_M * scale_of(image, world))
