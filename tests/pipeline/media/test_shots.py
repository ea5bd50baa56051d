"""Cuts and cross-fades between drawn scenes, and what must not be taken for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.media.shots import ShotCounter

Picture = NDArray[np.uint8]


def scene(seed: int, height: int = 120, width: int = 160) -> Picture:
    """A room of soft patches of a few colours."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def shots(pictures: list[Picture]) -> list[int]:
    counter = ShotCounter()
    return [counter.shot(picture) for picture in pictures]


def mixed(one: Picture, other: Picture, share: float) -> Picture:
    return np.clip((1 - share) * one + share * other.astype(float), 0, 255).astype(np.uint8)


def with_person(room: Picture, x: int) -> Picture:
    picture = room.copy()
    picture[30:110, x : x + 30] = (200, 40, 40)
    return picture


def test_a_still_scene_is_one_shot() -> None:
    assert set(shots([scene(0)] * 30)) == {0}


def test_a_cut_begins_a_shot_at_the_first_new_picture() -> None:
    assert shots([scene(0)] * 5 + [scene(1)] * 5) == [0] * 5 + [1] * 5


def test_a_cut_between_black_bars_is_seen() -> None:
    barred = [np.pad(scene(seed, width=70), ((0, 0), (90, 90), (0, 0))) for seed in (0, 1)]
    assert shots([barred[0]] * 5 + [barred[1]] * 5) == [0] * 5 + [1] * 5


@pytest.mark.parametrize("length", [6, 10, 20, 40])
def test_a_cross_fade_begins_one_shot(length: int) -> None:
    fade = [mixed(scene(0), scene(1), (i + 1) / (length + 1)) for i in range(length)]
    assert shots([scene(0)] * 50 + fade + [scene(1)] * 50)[-1] == 1


@pytest.mark.parametrize("colour", [0, 255])
def test_a_fade_through_one_colour_parts_what_is_before_and_after(colour: int) -> None:
    blank = np.full_like(scene(0), colour)
    out = [mixed(scene(0), blank, i / 8) for i in range(9)]
    back = [mixed(blank, scene(1), i / 8) for i in range(9)]
    numbers = shots([scene(0)] * 20 + out + back + [scene(1)] * 20)
    assert numbers[19] == 0 < numbers[-1]


def test_a_person_who_walks_makes_no_shot() -> None:
    assert set(shots([with_person(scene(0), x) for x in range(0, 120, 4)])) == {0}


def test_a_person_at_six_times_the_speed_makes_no_shot() -> None:
    assert set(shots([with_person(scene(0), x) for x in range(0, 120, 24)])) == {0}


def test_light_that_grows_makes_no_shot() -> None:
    assert set(shots([mixed(np.zeros_like(scene(0)), scene(0), 0.6 + 0.02 * i) for i in range(20)])) == {0}


def test_a_camera_that_pans_makes_no_shot() -> None:
    wide = scene(0, width=480)
    assert set(shots([np.ascontiguousarray(wide[:, 8 * i : 8 * i + 160]) for i in range(30)])) == {0}
