"""Calibration: thresholds at the nominal rate, by few repetitions and many, and p-values."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomaly.calibration import calibrate, with_more


def test_conformal_threshold_keeps_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    calibration = calibrate(rng.gamma(5.0, size=400), [f"v{i % 20}" for i in range(400)], 0.1)
    fresh = rng.gamma(5.0, size=4000)
    assert np.mean([calibration.score(value) >= 0.5 for value in fresh]) == pytest.approx(0.1, abs=0.03)


def test_threshold_of_few_repetitions_lies_beyond_all_usual_ones() -> None:
    values = np.random.default_rng(1).normal(1.0, 0.05, 8).astype(np.float32)
    assert calibrate(values, ["v"] * 8, 0.05).threshold > values.max()


def test_threshold_of_signed_distances_lies_beyond_the_usual_ones() -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 14).astype(np.float32)
    assert calibrate(values, [f"v{i % 7}" for i in range(14)], 0.05, positive=False).threshold > 1.0


def test_videos_that_differ_raise_the_threshold() -> None:
    values = np.random.default_rng(3).normal(1.0, 0.05, 40).astype(np.float32)
    apart = values + np.repeat([-0.2, -0.1, 0.1, 0.2] * 2, 5).astype(np.float32)
    videos = [f"v{i // 5}" for i in range(40)]
    assert (
        calibrate(apart, videos, 0.1).threshold
        > calibrate(np.sort(apart)[::-1], [f"v{i % 8}" for i in range(40)], 0.1).threshold
    )


def test_further_distances_join_a_calibration() -> None:
    known = calibrate(np.ones(5, np.float32), ["a"] * 5, 0.1)
    more = with_more(known, np.full(3, 2.0, np.float32), ["a", "b", "b"], 0.1)
    assert (len(more.distances), len(set(more.videos.tolist()))) == (8, 3)


def test_p_value_of_an_unseen_extreme_is_one_over_n_plus_one() -> None:
    assert calibrate(np.arange(1.0, 20.0), ["v"] * 19, 0.1).p_value(100.0) == pytest.approx(1 / 20)


def test_calibration_needs_distances() -> None:
    with pytest.raises(ValueError, match="got none"):
        calibrate(np.zeros(0), [], 0.1)


def test_another_rate_moves_the_threshold_alone() -> None:
    rng = np.random.default_rng(3)
    far = rng.lognormal(size=240).astype(np.float32)
    groups = [f"video-{i // 20}" for i in range(240)]
    known = calibrate(far, groups, 0.05)
    assert known.at(0.05).threshold == known.threshold
    looser, expected = known.at(0.2), calibrate(far, groups, 0.2)
    assert looser.threshold == expected.threshold < known.threshold
    np.testing.assert_array_equal(looser.distances, known.distances)


@pytest.mark.parametrize("count", [12, 40, 640])
def test_a_lower_rate_never_has_a_lower_threshold(count: int) -> None:
    rng = np.random.default_rng(4)
    far = rng.lognormal(sigma=0.1, size=count).astype(np.float32)
    far[: count // 12] *= 3.0  # a heavier tail than a normal distribution's
    known = calibrate(far, [f"v{i % 10}" for i in range(count)], 0.05)
    thresholds = [known.at(rate).threshold for rate in np.linspace(0.005, 0.5, 100)]
    assert (np.diff(thresholds) <= 0).all()


def test_scores_are_graded_at_a_threshold_near_the_median() -> None:
    far = np.random.default_rng(5).lognormal(sigma=0.2, size=200).astype(np.float32)
    loose = calibrate(far, [f"v{i % 10}" for i in range(200)], 0.05).at(0.5)
    assert 0.5 < loose.score(loose.threshold * 1.1) < 0.9
