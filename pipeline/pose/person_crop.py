"""Following one person with crops of the pictures: pose networks see small and distant people only in those.

The person detector sees the picture shrunk to 224 pixels, in which someone a quarter as tall as the picture is lost.
Where the whole picture shows nobody, or a person so small that shrinking costs detail, the network is given a crop of
the full-size picture instead, and its landmarks are put back into the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from pipeline.media.reading import SampledFrame
from pipeline.pose.estimator import PoseEstimator
from pipeline.pose.tracks import scale_of
from pipeline.records import Floats, Landmarks

# A crop is so many metres wide: room for a standing person, a walk of a step, and hands overhead.
_CROP_M = 3.2
# It moves when the body is so near to its edge, or when it is so many times as wide as it should be.
_EDGE_M = 0.1
_LOOSE = 1.5
# The landmark network sees 256 pixels of about 1.5 body heights. Below so many pixels per metre a picture that was
# shrunk gives it less than it could use, and the detector is not sure of the size.
_SMALL_PX_PER_M = 80.0
# A crop that is hardly smaller than the picture shows nothing new.
_WORTH = 0.8
# The place where somebody was last seen is searched in every sample for so long after the loss, and in every other one
# for so long.
_FRESH_S = 1.0
_REMEMBERED_S = 3.0
# A person found only in a crop might be a poster: the whole picture is checked as often as this.
_CHECK_EVERY_S = 2.0
# Sides of the crops that are searched, as shares of the shorter side of the picture.
_SEARCH = (1.0, 0.6)


@dataclass(frozen=True)
class Crop:
    """A region of a picture in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise ValueError(f"Expected a crop with an area, got {self}.")


@dataclass(frozen=True)
class PersonBox:
    """Where a person was seen, and when: bounds (left, top, right, bottom) and scale in pixels of the whole picture."""

    bounds: tuple[float, float, float, float]
    px_per_m: float
    time_s: float


@dataclass(frozen=True)
class Searching:
    """Nobody was found in the last sample. body: who was last seen since the last cut, None for nobody.

    check_at_s: when the whole picture is to be checked for somebody larger, None for never.
    """

    body: PersonBox | None = None
    check_at_s: float | None = None


@dataclass(frozen=True)
class Following:
    """Somebody was found in the last sample, and is expected in `crop` in the next.

    is_tracked: the estimator saw the body in that same crop, and knows where it was; False where the crop has moved.
    check_at_s: when the whole picture is to be checked for somebody larger, None for never.
    """

    crop: Crop
    body: PersonBox
    is_tracked: bool
    check_at_s: float | None = None


class PersonTracker:
    """Landmarks of one person in samples that follow each other, normalized to the whole picture.

    size: width and height of the picture in pixels. max_side_px: the network is given no larger pictures, 0 for any.
    """

    def __init__(self, estimator: PoseEstimator, size: tuple[int, int], max_side_px: int) -> None:
        self._estimator = estimator
        self._whole = Crop(0, 0, *size)
        self._max_side_px = max_side_px
        self._order = _SearchOrder(self._whole)
        self._state: Searching | Following = Searching()

    def cut(self) -> None:
        """The next sample is from another camera."""
        self._estimator.reset()
        self._state = Searching()

    def landmarks(self, sample: SampledFrame, picture: NDArray[np.uint8]) -> Landmarks | None:
        """Landmarks of the person in the next sample, None where nobody is found.

        picture: the whole sample, shrunk to the limit.
        """
        state = self._state
        if state.check_at_s is not None and sample.time_s >= state.check_at_s:
            state = self._checked(state, sample, picture)
        for crop in self._places(state, sample.time_s):
            found = self._found_in(crop, sample, picture)
            if found is not None:
                self._state = self._after(state, found, crop, sample.time_s)
                return found
        self._state = Searching(state.body, state.check_at_s)
        return None

    def _checked(
        self, state: Searching | Following, sample: SampledFrame, picture: NDArray[np.uint8]
    ) -> Searching | Following:
        """Somebody larger elsewhere in the whole picture is followed instead of a person found in a crop only."""
        self._estimator.reset()
        found = self._found_in(self._whole, sample, picture)
        other = None if found is None else _body(found, self._whole, sample.time_s)
        if other is not None and state.body is not None and _is_elsewhere_and_larger(other, state.body):
            return Following(self._whole, other, is_tracked=True)
        # What the estimator has seen now is in coordinates of the whole picture.
        self._estimator.reset()
        check_at_s = sample.time_s + _CHECK_EVERY_S
        if isinstance(state, Following):
            return replace(state, is_tracked=False, check_at_s=check_at_s)
        return replace(state, check_at_s=check_at_s)

    def _places(self, state: Searching | Following, time_s: float) -> list[Crop]:
        """Where the person may be, the likeliest first. A small lifter who was lost is nearer to the last place than
        whoever the whole picture may show; later one crop per sample is searched, each in its turn."""
        lost_s = time_s - state.body.time_s if state.body is not None else np.inf
        if lost_s <= _REMEMBERED_S and not self._is_small(state.body):
            # Where the head has left the picture, more attempts find more guesses. The next pictures show it again.
            return [state.crop if isinstance(state, Following) else self._whole]
        around = self._around(state.body) if lost_s <= _REMEMBERED_S else None
        if isinstance(state, Following) and state.is_tracked:
            return [state.crop, around or self._whole]
        if isinstance(state, Following) and state.crop != self._whole:
            return [state.crop, self._whole]
        if around is not None and lost_s <= _FRESH_S:
            return [around, self._whole]
        return self._order.places(around)

    def _found_in(self, crop: Crop, sample: SampledFrame, picture: NDArray[np.uint8]) -> Landmarks | None:
        """What the estimator finds in a crop of the sample, as landmarks of the whole picture."""
        if crop == self._whole:
            return self._estimator.landmarks(picture, sample.time_s)
        width, height = self._whole.width, self._whole.height
        right, bottom = (crop.left + crop.width) / width, (crop.top + crop.height) / height
        part = sample.part(crop.left / width, crop.top / height, right, bottom, self._max_side_px)
        found = self._estimator.landmarks(part, sample.time_s)
        return None if found is None else found._replace(normalized=_in_whole(found.normalized, crop, self._whole))

    def _after(self, state: Searching | Following, found: Landmarks, crop: Crop, time_s: float) -> Following:
        """The state after somebody was found in a crop. Where the next crop is another, the estimator forgets what it
        tracked: that is in coordinates of this one."""
        body = _body(found, self._whole, time_s)
        expected = state.crop if isinstance(state, Following) else self._whole
        check_at_s = state.check_at_s if crop == expected else time_s + _CHECK_EVERY_S
        wanted = self._wanted(crop, body)
        if wanted != crop:
            self._estimator.reset()
        if self._whole in (crop, wanted):  # somebody seen in the whole picture is no poster, or is checked there anyway
            check_at_s = None
        return Following(wanted, body, wanted == crop, check_at_s)

    def _wanted(self, crop: Crop, body: PersonBox) -> Crop:
        """The crop for the next sample, after the body was found in this one."""
        around = self._around(body)
        if crop == self._whole:
            return around if around is not None and self._is_small(body) else crop
        is_loose = around is not None and max(crop.width, crop.height) > _LOOSE * max(around.width, around.height)
        if is_loose or _is_near_edge(body, crop, self._whole):
            return around or self._whole
        return crop

    def _around(self, body: PersonBox | None) -> Crop | None:
        """The crop around the body, None where that is hardly less than the whole picture."""
        if body is None:
            return None
        left, top, right, bottom = body.bounds
        crop = _square((left + right) / 2, (top + bottom) / 2, _CROP_M * body.px_per_m, self._whole)
        if crop is None or max(crop.width, crop.height) > _WORTH * max(self._whole.width, self._whole.height):
            return None
        return crop

    def _is_small(self, body: PersonBox | None) -> bool:
        side = max(self._whole.width, self._whole.height)
        shrunk = min(1.0, self._max_side_px / side) if self._max_side_px else 1.0
        return body is not None and body.px_per_m * shrunk < _SMALL_PX_PER_M


class _SearchOrder:
    """Whose turn it is while nobody is found: the place where somebody was last seen, or the next of the crops that
    cover the picture."""

    def __init__(self, whole: Crop) -> None:
        self._whole = whole
        self._crops = cycle(_cover(whole.width, whole.height))
        self._turn = 0

    def places(self, around: Crop | None) -> list[Crop]:
        """Where to search in this sample. around: the last place, None where it is forgotten."""
        self._turn += 1
        if around is not None and self._turn % 2:
            return [self._whole, around]
        return [self._whole, next(self._crops)]


def _square(x: float, y: float, side: float, whole: Crop) -> Crop | None:
    """The square with this middle, moved and cut to lie in the whole picture; None where it would be empty."""
    width, height = min(round(side), whole.width), min(round(side), whole.height)
    if width < 2 or height < 2:
        return None
    left = round(np.clip(x - width / 2, 0, whole.width - width))
    top = round(np.clip(y - height / 2, 0, whole.height - height))
    return Crop(left, top, width, height)


def _cover(width: int, height: int) -> list[Crop]:
    """Overlapping squares that cover the picture, the larger first."""
    crops = []
    for share in _SEARCH:
        side = round(share * min(width, height))
        columns, rows = (max(1, round(1.6 * (length - side) / side) + 1) for length in (width, height))
        for top in np.linspace(0, height - side, rows):
            crops += [Crop(round(left), round(top), side, side) for left in np.linspace(0, width - side, columns)]
    return [crop for crop in crops if max(crop.width, crop.height) < max(width, height)] or crops


def _in_whole(normalized: Floats, crop: Crop, whole: Crop) -> Floats:
    """Landmarks [33, 4] of a crop as ones of the whole picture; z is in the scale of x."""
    moved = normalized.copy()
    moved[:, 0] = (crop.left + normalized[:, 0] * crop.width) / whole.width
    moved[:, 1] = (crop.top + normalized[:, 1] * crop.height) / whole.height
    moved[:, 2] = normalized[:, 2] * crop.width / whole.width
    return moved


def _body(found: Landmarks, whole: Crop, time_s: float) -> PersonBox:
    image = found[0][:, :2].astype(np.float64) * (whole.width, whole.height)
    scale = float(scale_of(image, found[1].astype(np.float64)))
    left, top = image.min(axis=0)
    right, bottom = image.max(axis=0)
    return PersonBox((float(left), float(top), float(right), float(bottom)), scale, time_s)


def _is_elsewhere_and_larger(one: PersonBox, other: PersonBox) -> bool:
    left, top, right, bottom = (
        max(one.bounds[0], other.bounds[0]),
        max(one.bounds[1], other.bounds[1]),
        min(one.bounds[2], other.bounds[2]),
        min(one.bounds[3], other.bounds[3]),
    )
    return (left >= right or top >= bottom) and one.px_per_m > other.px_per_m


def _is_near_edge(body: PersonBox, crop: Crop, whole: Crop) -> bool:
    """Whether the body comes near an edge of the crop that is not one of the picture."""
    edge = _EDGE_M * body.px_per_m
    left, top, right, bottom = body.bounds
    return (
        (left < crop.left + edge and crop.left > 0)
        or (top < crop.top + edge and crop.top > 0)
        or (right > crop.left + crop.width - edge and crop.left + crop.width < whole.width)
        or (bottom > crop.top + crop.height - edge and crop.top + crop.height < whole.height)
    )
