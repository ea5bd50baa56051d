"""Between poses in time: linear between two samples, held at the ends."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.pose.interpolation import neighbours, values_at

TIME = np.array([0.0, 0.1, 0.4, 1.0])
MOMENTS = np.array([-1.0, 0.0, 0.05, 0.1, 0.3, 0.9, 1.0, 3.0])


@pytest.mark.parametrize("shape", [(), (2,), (3, 2)])
def test_values_are_linear_between_samples_and_held_at_the_ends(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=(len(TIME), *shape))
    found = values_at(TIME, values, MOMENTS)
    assert found.shape == (len(MOMENTS), *shape)
    for column, expected in zip(found.reshape(len(MOMENTS), -1).T, values.reshape(len(TIME), -1).T, strict=True):
        assert column == pytest.approx(np.interp(MOMENTS, TIME, expected))


def test_at_a_sample_its_own_value_is_found() -> None:
    values = np.random.default_rng(1).normal(size=(len(TIME), 4))
    assert values_at(TIME, values, TIME).tolist() == values.tolist()


def test_neighbours_are_beside_the_moment() -> None:
    beside = neighbours(TIME, MOMENTS)
    assert beside.before.tolist() == [0, 0, 0, 0, 1, 2, 2, 2]
    assert (beside.after - beside.before).tolist() == [1] * len(MOMENTS)
    assert ((beside.share >= 0.0) & (beside.share <= 1.0)).all()


def test_a_single_moment_has_single_neighbours() -> None:
    beside = neighbours(TIME, 0.25)
    assert (int(beside.before), int(beside.after), float(beside.share)) == (1, 2, pytest.approx(0.5))
