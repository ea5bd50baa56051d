"""Following one person with looks at parts of the picture: pose networks see small and distant people there only.

The person detector sees the picture shrunk to 224 pixels, in which someone a quarter as tall as the picture is lost.
Where the whole picture shows nobody, or a person so small that shrinking costs detail, the network is given a part of
the full-size picture instead, and its landmarks are put back into the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.media.reading import SampledFrame
from pipeline.records import Floats

Landmarks = tuple[Floats, Floats]

# A window is so many metres wide: room for a standing person, a walk of a step, and hands overhead.
_WINDOW_M = 3.2
# It moves when the body is so near to its edge, or when it is so many times as wide as it should be.
_EDGE_M = 0.1
_LOOSE = 1.5
# The landmark network sees 256 pixels of about 1.5 body heights. Below so many pixels per metre a picture that was
# shrunk gives it less than it could use, and the detector is not sure of the size.
_SMALL_PX_PER_M = 80.0
# A window that is hardly smaller than the picture shows nothing new.
_WORTH = 0.8
# Where somebody was is looked at in every sample for so long after the loss, and in every other one for so long.
_FRESH_S = 1.0
_REMEMBERED_S = 3.0
# A person found only in a part might be a poster: the whole picture is looked at as often as this.
_DOUBT_S = 2.0
# Sides of the parts that are searched, as shares of the shorter side of the picture.
_SEARCH = (1.0, 0.6)


class PoseEstimator(Protocol):
    """Finds one person in pictures that follow each other."""

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        """Landmarks of an RGB picture: normalized [33, 4] (x, y, z, visibility; x, y in 0..1) and world [33, 3] m."""

    def reset(self) -> None:
        """Forget the previous picture: the next one is from another camera."""


@dataclass(frozen=True)
class Window:
    """A part of a picture in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise ValueError(f"Expected a window with an area, got {self}.")


@dataclass(frozen=True)
class Body:
    """Where a person was seen: bounds (left, top, right, bottom) and scale in pixels of the whole picture."""

    bounds: tuple[float, float, float, float]
    px_per_m: float
    time_s: float


class PersonTracker:
    """Landmarks of one person in samples that follow each other, normalized to the whole picture.

    size: width and height of the picture in pixels. max_side_px: the network is given no larger pictures, 0 for any.
    """

    def __init__(self, estimator: PoseEstimator, size: tuple[int, int], max_side_px: int) -> None:
        self._estimator = estimator
        self._whole = Window(0, 0, *size)
        self._max_side_px = max_side_px
        self._search = cycle(_parts(*size))
        self._window = self._whole
        self._body: Body | None = None
        self._tracked = False
        self._doubted_until: float | None = None
        self._looks = 0

    def cut(self) -> None:
        """The next sample is from another camera."""
        self._turn_to(self._whole)
        self._body = None

    def landmarks(self, sample: SampledFrame, picture: NDArray[np.uint8]) -> Landmarks | None:
        """What the estimator finds, by its own form of landmarks. picture: the whole sample, shrunk to the limit."""
        if self._doubted_until is not None and sample.time_s >= self._doubted_until:
            self._doubt(sample, picture)
        tracked, self._tracked = self._tracked, False
        for window in self._places(sample.time_s, tracked):
            found = self._look(sample, picture, window)
            if found is not None:
                self._follow(found, window, sample.time_s)
                return found
        self._window = self._whole
        return None

    def _doubt(self, sample: SampledFrame, picture: NDArray[np.uint8]) -> None:
        """Somebody larger elsewhere in the whole picture is followed instead of a person found in a part only."""
        followed, window = self._body, self._window
        self._turn_to(self._whole)
        found = self._look(sample, picture, self._whole)
        other = None if found is None else _body(found, self._whole, sample.time_s)
        if other is not None and followed is not None and _is_elsewhere_and_larger(other, followed):
            self._body, self._tracked = other, True
        else:
            self._turn_to(window)
            self._doubted_until = sample.time_s + _DOUBT_S

    def _turn_to(self, window: Window) -> None:
        """Look there from the next sample on. What the estimator tracks is told in coordinates of the old window."""
        self._estimator.reset()
        self._window, self._tracked, self._doubted_until = window, False, None

    def _places(self, time_s: float, tracked: bool) -> list[Window]:
        """Where to look, the likeliest first. A small lifter who was lost is nearer to the last place than whoever the
        whole picture may show; later one part per sample is looked at, each in its turn."""
        lost_s = time_s - self._body.time_s if self._body is not None else np.inf
        if not self._is_small() and lost_s <= _REMEMBERED_S:
            # Where the head has left the picture, more looks find more guesses. The next pictures show it again.
            return [self._window]
        around = self._around() if lost_s <= _REMEMBERED_S else None
        if tracked:
            return [self._window, self._whole if around is None else around]
        if self._window != self._whole:
            return [self._window, self._whole]
        if around is not None and lost_s <= _FRESH_S:
            return [around, self._whole]
        self._looks += 1
        if around is not None and self._looks % 2:
            return [self._whole, around]
        return [self._whole, next(self._search)]

    def _around(self) -> Window | None:
        """The window around the body, None where that is hardly less than the whole picture."""
        if self._body is None:
            return None
        left, top, right, bottom = self._body.bounds
        side = _WINDOW_M * self._body.px_per_m
        window = _square((left + right) / 2, (top + bottom) / 2, side, self._whole)
        if window is None or max(window.width, window.height) > _WORTH * max(self._whole.width, self._whole.height):
            return None
        return window

    def _look(self, sample: SampledFrame, picture: NDArray[np.uint8], window: Window) -> Landmarks | None:
        if window == self._whole:
            return self._estimator.landmarks(picture, sample.time_s)
        width, height = self._whole.width, self._whole.height
        right, bottom = (window.left + window.width) / width, (window.top + window.height) / height
        part = sample.part(window.left / width, window.top / height, right, bottom, self._max_side_px)
        found = self._estimator.landmarks(part, sample.time_s)
        return None if found is None else (_in_whole(found[0], window, self._whole), found[1])

    def _follow(self, found: Landmarks, window: Window, time_s: float) -> None:
        seen_in_whole = window == self._whole
        self._body = _body(found, self._whole, time_s)
        if self._window != window and not seen_in_whole:
            self._doubted_until = time_s + _DOUBT_S
        self._window, self._tracked = window, True
        if seen_in_whole:
            self._doubted_until = None
        wanted = self._wanted(window)
        if wanted != window:
            doubted_until = self._doubted_until
            self._turn_to(wanted)
            self._doubted_until = doubted_until if wanted != self._whole else None

    def _wanted(self, window: Window) -> Window:
        """The window for the next sample."""
        around = self._around()
        if window == self._whole:
            return around if around is not None and self._is_small() else window
        is_loose = around is not None and max(window.width, window.height) > _LOOSE * max(around.width, around.height)
        if is_loose or (self._body is not None and _is_near_edge(self._body, window, self._whole)):
            return around or self._whole
        return window

    def _is_small(self) -> bool:
        side = max(self._whole.width, self._whole.height)
        shrunk = min(1.0, self._max_side_px / side) if self._max_side_px else 1.0
        return self._body is not None and self._body.px_per_m * shrunk < _SMALL_PX_PER_M


def _square(x: float, y: float, side: float, whole: Window) -> Window | None:
    """The square with this middle, moved and cut to lie in the whole picture; None where it would be empty."""
    width, height = min(round(side), whole.width), min(round(side), whole.height)
    if width < 2 or height < 2:
        return None
    left = round(np.clip(x - width / 2, 0, whole.width - width))
    top = round(np.clip(y - height / 2, 0, whole.height - height))
    return Window(left, top, width, height)


def _parts(width: int, height: int) -> list[Window]:
    """Overlapping squares that cover the picture, the larger first."""
    parts = []
    for share in _SEARCH:
        side = round(share * min(width, height))
        columns, rows = (max(1, round(1.6 * (length - side) / side) + 1) for length in (width, height))
        for top in np.linspace(0, height - side, rows):
            parts += [Window(round(left), round(top), side, side) for left in np.linspace(0, width - side, columns)]
    return [part for part in parts if max(part.width, part.height) < max(width, height)] or parts


def _in_whole(normalized: Floats, window: Window, whole: Window) -> Floats:
    """Landmarks [33, 4] of a window as ones of the whole picture; z is in the scale of x."""
    moved = normalized.copy()
    moved[:, 0] = (window.left + normalized[:, 0] * window.width) / whole.width
    moved[:, 1] = (window.top + normalized[:, 1] * window.height) / whole.height
    moved[:, 2] = normalized[:, 2] * window.width / whole.width
    return moved


def _body(found: Landmarks, whole: Window, time_s: float) -> Body:
    image = found[0][:, :2].astype(np.float64) * (whole.width, whole.height)
    world = found[1][:, :2].astype(np.float64)
    spread_px, spread_m = (float(np.sqrt(((p - p.mean(axis=0)) ** 2).sum())) for p in (image, world))
    left, top = image.min(axis=0)
    right, bottom = image.max(axis=0)
    return Body((float(left), float(top), float(right), float(bottom)), spread_px / max(spread_m, 1e-6), time_s)


def _is_elsewhere_and_larger(one: Body, other: Body) -> bool:
    left, top, right, bottom = (
        max(one.bounds[0], other.bounds[0]),
        max(one.bounds[1], other.bounds[1]),
        min(one.bounds[2], other.bounds[2]),
        min(one.bounds[3], other.bounds[3]),
    )
    return (left >= right or top >= bottom) and one.px_per_m > other.px_per_m


def _is_near_edge(body: Body, window: Window, whole: Window) -> bool:
    """Whether the body comes near an edge of the window that is not one of the picture."""
    edge = _EDGE_M * body.px_per_m
    left, top, right, bottom = body.bounds
    return (
        (left < window.left + edge and window.left > 0)
        or (top < window.top + edge and window.top > 0)
        or (right > window.left + window.width - edge and window.left + window.width < whole.width)
        or (bottom > window.top + window.height - edge and window.top + window.height < whole.height)
    )
