"""Between poses in time: linear between two samples, or on a smooth curve; held at the ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from pipeline.pose.interpolation import curve_at, neighbours, seconds_of, values_at

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


def test_the_curve_is_that_of_scipy_but_for_the_ends() -> None:
    rng = np.random.default_rng(2)
    time = np.cumsum(rng.uniform(0.1, 0.5, 20))
    values = rng.normal(size=20)
    inside = np.linspace(time[1], time[-2], 300)
    np.testing.assert_allclose(curve_at(time, values, inside), PchipInterpolator(time, values)(inside), atol=1e-12)


def test_the_curve_passes_no_sample_beside_it_and_is_held_at_the_ends() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=len(TIME))
    beside = neighbours(TIME, MOMENTS)
    ends = np.sort(np.stack([values[beside.before], values[beside.after]]), axis=0)
    found = curve_at(TIME, values, MOMENTS)
    assert ((found >= ends[0] - 1e-12) & (found <= ends[1] + 1e-12)).all()
    assert found[[0, -1]] == pytest.approx(values[[0, -1]])


def test_a_movement_is_drawn_better_from_few_samples_by_a_curve() -> None:
    time, moments = np.arange(-0.4, 2.41, 0.2), np.arange(0.0, 2.0, 0.01)
    height = np.sin(np.pi * time / 2.0) ** 2
    truth = np.sin(np.pi * moments / 2.0) ** 2
    straight = np.abs(np.interp(moments, time, height) - truth).max()
    assert np.abs(curve_at(time, height, moments) - truth).max() < straight / 2


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_samples_have_no_curve(count: int) -> None:
    values = np.array([1.0, 3.0])[:count]
    np.testing.assert_allclose(curve_at(TIME[:count], values, MOMENTS), np.interp(MOMENTS, TIME[:count], values))


def test_a_sample_stands_for_half_of_the_time_to_its_neighbours() -> None:
    assert seconds_of(TIME) == pytest.approx([0.1, 0.2, 0.45, 0.6])
    assert seconds_of(TIME[:1]).tolist() == [1.0]
