"""Tracking a person: with crops where the whole picture is not enough, and without needless runs of the estimator."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media.reading import SampledFrame, shrunk
from pipeline.pose.person_crop import PersonTracker
from pipeline.records import Landmarks

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]

WIDTH, HEIGHT = 1280, 720
BODY = np.stack([np.linspace(0.4, 0.6, LANDMARK_COUNT), np.linspace(0.0, 1.0, LANDMARK_COUNT)], axis=1)
BOW = 0.05
FAR: Box = (900, 300, 60, 120)
NEAR: Box = (200, 100, 280, 560)


class ShortSighted:
    """Finds the largest white box in a picture if it is at least a quarter as high: as a person of two metres."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.resets = 0
        self.blind_runs = 0

    def landmarks(self, picture: Picture, time_s: float) -> Landmarks | None:
        self.sizes.append((picture.shape[1], picture.shape[0]))
        if self.blind_runs:
            self.blind_runs -= 1
            return None
        count, _, boxes, _ = cv2.connectedComponentsWithStats((picture[:, :, 0] > 128).astype(np.uint8))
        if count < 2:
            return None
        left, top, width, height, _ = boxes[1:][np.argmax(boxes[1:, cv2.CC_STAT_HEIGHT])].tolist()
        if height < 0.25 * len(picture):
            return None
        image = BODY * (width, height) + (left, top)
        normalized = np.zeros((LANDMARK_COUNT, 4), np.float32)
        normalized[:, :2] = image / picture.shape[1::-1]
        world = np.zeros((LANDMARK_COUNT, 3), np.float32)
        world[:, :2] = 2.0 * BODY * (0.5, 1.0)
        return Landmarks(normalized, world, BOW)

    def reset(self) -> None:
        self.resets += 1


def picture_of(*boxes: Box) -> Picture:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for left, top, width, height in boxes:
        picture[top : top + height, left : left + width] = 255
    return picture


def track(pictures: list[Picture], max_side_px: int = 640) -> tuple[ShortSighted, list[Landmarks | None]]:
    """Pictures at ten per second."""
    estimator = ShortSighted()
    tracker = PersonTracker(estimator, (WIDTH, HEIGHT), max_side_px)
    found = []
    for index, picture in enumerate(pictures):
        sample = SampledFrame(index / 10, partial(shrunk, picture))
        found.append(tracker.landmarks(sample, sample.shrunk(max_side_px)))
    return estimator, found


def centre(found: Landmarks | None) -> tuple[float, float]:
    """In pixels of the whole picture."""
    assert found is not None
    x, y = found[0][:, :2].mean(axis=0) * (WIDTH, HEIGHT)
    return float(x), float(y)


def middle(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def test_a_large_person_takes_one_run_per_picture() -> None:
    estimator, found = track([picture_of(NEAR)] * 20)
    assert None not in found
    assert estimator.sizes == [(640, 360)] * 20


def test_a_large_person_is_where_the_whole_picture_shows_it() -> None:
    assert centre(track([picture_of(NEAR)])[1][0]) == pytest.approx(middle(NEAR), abs=3)


def test_a_person_too_small_for_the_whole_picture_is_found_within_two_seconds() -> None:
    _, found = track([picture_of(FAR)] * 20)
    assert found[-1] is not None


def test_a_person_found_in_a_part_is_in_its_place_of_the_whole() -> None:
    _, found = track([picture_of(FAR)] * 20)
    assert centre(found[-1]) == pytest.approx(middle(FAR), abs=3)


def test_once_found_a_small_person_is_seen_in_every_picture() -> None:
    _, found = track([picture_of(FAR)] * 80)
    first = next(index for index, one in enumerate(found) if one is not None)
    assert None not in found[first:]


def test_a_small_person_is_shown_in_full_detail() -> None:
    estimator, _ = track([picture_of(FAR)] * 20)
    assert min(estimator.sizes) == pytest.approx((192, 192), abs=5)


def test_nobody_costs_two_runs_per_picture() -> None:
    estimator, found = track([picture_of()] * 50)
    assert found == [None] * 50
    assert len(estimator.sizes) == 100


def test_a_person_who_walks_is_followed() -> None:
    walk = [(900 - 8 * index, 300, 60, 120) for index in range(80)]
    _, found = track([picture_of(box) for box in walk])
    assert centre(found[-1]) == pytest.approx(middle(walk[-1]), abs=30)


def lost_once(box: Box) -> tuple[int, Landmarks | None]:
    """Runs on the picture in which a person tracked for two seconds is not seen at first, and what came of them."""
    estimator = ShortSighted()
    tracker = PersonTracker(estimator, (WIDTH, HEIGHT), 640)
    sample = SampledFrame(0.0, partial(shrunk, picture_of(box)))
    for index in range(20):
        sample = SampledFrame(index / 10, sample.shrunk)
        tracker.landmarks(sample, sample.shrunk(640))
    estimator.sizes.clear()
    estimator.blind_runs = 1
    found = tracker.landmarks(sample, sample.shrunk(640))
    return len(estimator.sizes), found


def test_a_small_person_who_is_lost_is_searched_in_the_same_picture() -> None:
    assert lost_once(FAR)[1] is not None


def test_a_large_person_who_is_lost_is_not_guessed_at() -> None:
    assert lost_once(NEAR) == (1, None)


def test_somebody_larger_elsewhere_is_followed_instead_of_one_found_in_a_part() -> None:
    _, found = track([picture_of(FAR)] * 20 + [picture_of(FAR, NEAR)] * 30)
    assert centre(found[-1]) == pytest.approx(middle(NEAR), abs=3)


def test_a_cut_makes_the_estimator_forget() -> None:
    estimator = ShortSighted()
    PersonTracker(estimator, (WIDTH, HEIGHT), 640).cut()
    assert estimator.resets == 1


def test_after_a_cut_the_whole_picture_comes_first() -> None:
    estimator = ShortSighted()
    tracker = PersonTracker(estimator, (WIDTH, HEIGHT), 640)
    for index in range(20):
        sample = SampledFrame(index / 10, partial(shrunk, picture_of(FAR)))
        tracker.landmarks(sample, sample.shrunk(640))
    tracker.cut()
    estimator.sizes.clear()
    tracker.landmarks(sample, sample.shrunk(640))
    assert estimator.sizes[0] == (640, 360)


def test_what_is_said_of_the_back_goes_with_a_person_found_in_a_part() -> None:
    _, found = track([picture_of(FAR)] * 20)
    assert {one.back_bow for one in found if one is not None} == {BOW}
