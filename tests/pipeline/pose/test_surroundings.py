"""Whether something moves beside the person who is followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import LANDMARK_COUNT
from pipeline.pose.surroundings import Surroundings

SIZE = (240, 320)
RATE = 10.0


def person() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Somebody in the left quarter of the picture, from head to foot."""
    image = np.zeros((LANDMARK_COUNT, 4), np.float32)
    image[:, 0] = np.linspace(0.1, 0.25, LANDMARK_COUNT)
    image[:, 1] = np.linspace(0.2, 0.9, LANDMARK_COUNT)
    return image, np.zeros((LANDMARK_COUNT, 3), np.float32)


def seen(left: int, width: int, moves: bool) -> Surroundings:
    """Two seconds with a bright block in front of grey, which goes up and down where it moves."""
    surroundings = Surroundings()
    for number in range(20):
        picture = np.full((*SIZE, 3), 60, np.uint8)
        top = 60 + (number % 4) * 20 * moves
        picture[top : top + 100, left : left + width] = 200
        surroundings.see(number / RATE, picture, person())
    return surroundings


def test_somebody_who_moves_beside_is_noticed() -> None:
    assert seen(220, 60, moves=True).are_busy


def test_somebody_who_stands_beside_is_none() -> None:
    assert not seen(220, 60, moves=False).are_busy


def test_the_person_is_not_beside() -> None:
    assert not seen(40, 40, moves=True).are_busy


def test_something_small_is_none() -> None:
    assert not seen(220, 4, moves=True).are_busy
