"""The distance from normal repetitions, beside scikit-learn's covariance."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomaly.distances import distances, fit_normal_model


def test_distance_shrinks_like_ledoit_and_wolf() -> None:
    from sklearn.covariance import LedoitWolf

    values = (np.random.default_rng(2).normal(size=(40, 60)) * np.linspace(0.2, 2.0, 60)).astype(np.float32)
    normal = fit_normal_model(values)
    covariance = normal.axes.T @ np.diag(normal.variance - normal.rest) @ normal.axes + normal.rest * np.eye(60)
    np.testing.assert_allclose(covariance, LedoitWolf().fit(values).covariance_, atol=1e-3)


def test_distance_of_a_normal_repetition_is_smaller_than_of_a_stranger() -> None:
    values = np.random.default_rng(3).normal(size=(30, 50)).astype(np.float32)
    inside, outside = distances(np.stack([values[0], values[0] + 3.0]), fit_normal_model(values))
    assert inside < outside


def test_model_of_normal_repetitions_needs_two() -> None:
    with pytest.raises(ValueError, match="two or more"):
        fit_normal_model(np.zeros((1, 4), np.float32))
