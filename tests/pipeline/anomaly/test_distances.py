"""The distance from normal repetitions: what it is whitened by, and its covariance beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomaly.distances import NormalModel, distances, fit_normal_model, whitened, whitening_of


def drawn(rng: np.random.Generator, count: int, rows: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """[count, P, B, 2] of the matrix normal distribution whose covariances have these roots [P, P] and [B, B]."""
    free = rng.normal(size=(count, len(rows), len(pieces), 2))
    return np.einsum("pq,bc,nqcf->npbf", rows, pieces, free).astype(np.float32)


def test_few_repetitions_tell_the_covariance_of_rows_and_of_pieces_of_time() -> None:
    rng = np.random.default_rng(1)
    rows, pieces = np.diag([4.0, 1.0, 1.0, 0.5]), np.eye(30)
    pieces[0, 1] = pieces[1, 0] = 0.6
    values = drawn(rng, 10, rows, pieces)
    of_rows, of_pieces = whitening_of(values)
    # Of the covariance with a mean variance of 1, a fifth is the identity's.
    variance = np.diag(rows) ** 2 / np.mean(np.diag(rows) ** 2)
    shrunk = 0.8 * variance + 0.2
    expected = 1 / np.sqrt(shrunk * np.mean(variance / shrunk))
    np.testing.assert_allclose(np.diag(of_rows), expected, rtol=0.15)
    np.testing.assert_allclose(of_rows, of_rows.T, atol=1e-6)
    assert of_pieces[0, 1] < -0.2 < abs(of_pieces[2:, 2:][~np.eye(28, dtype=bool)]).mean() - 0.1


def test_more_repetitions_are_whitened_less() -> None:
    rng = np.random.default_rng(2)
    gains = []
    for count in (10, 60, 400):
        of_rows, _ = whitening_of(drawn(rng, count, np.diag([3.0, 1.0, 1.0]), np.eye(8)))
        gains.append(of_rows[1, 1] / of_rows[0, 0])
    assert gains[0] > gains[1] > gains[2] > 1.0


@pytest.mark.parametrize("count", [10, 60, 400])
def test_whitened_values_keep_their_mean_variance(count: int) -> None:
    values = drawn(np.random.default_rng(3), count, np.diag([3.0, 1.0, 0.1]), np.diag(np.linspace(0.2, 2.0, 8)))
    before, after = (of.var(axis=0).mean() for of in (values, whitened(values, whitening_of(values))))
    assert after == pytest.approx(before, rel=0.04)


def test_whitening_multiplies_rows_and_pieces_of_time() -> None:
    values = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    rows, pieces = np.array([[2.0, 0.0], [1.0, 1.0]], np.float32), np.diag([1.0, 0.0, 10.0]).astype(np.float32)
    expected = [[[[0, 2], [0, 0], [80, 100]], [[6, 8], [0, 0], [140, 160]]]]
    np.testing.assert_allclose(whitened(values, (rows, pieces)), np.reshape(expected, (1, 12)))
    np.testing.assert_array_equal(whitened(values, ()), values.reshape(1, 12))


def test_a_fault_is_as_far_in_whatever_normal_repetitions_hardly_vary() -> None:
    """Two changes of one size: in the row that varies much, and in one that hardly does."""
    values = drawn(np.random.default_rng(5), 12, np.diag([3.0, 0.3, 0.3]), np.eye(10))
    usual, unusual = np.repeat(values.mean(axis=0)[None], 2, axis=0)[:, None]
    usual[:, 0] += 1.5
    unusual[:, 1] += 1.5
    normal = fit_normal_model(values)
    assert distances(unusual, normal) > 1.5 * distances(usual, normal)


def test_repetitions_that_are_all_equal_have_a_model() -> None:
    values = np.ones((4, 3, 5, 2), np.float32)
    near, far = distances(np.concatenate([values[:1], values[:1] + 1]), fit_normal_model(values))
    assert near == 0.0 < far < np.inf


def test_a_model_without_whitening_compares_features_as_they_are() -> None:
    bank = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], np.float32)
    normal = NormalModel(np.zeros(2, np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.float32), 1.0, bank)
    np.testing.assert_allclose(distances(np.full((1, 2, 1, 1), 3.0, np.float32), normal), 3.0)


def test_distance_shrinks_like_ledoit_and_wolf() -> None:
    from sklearn.covariance import LedoitWolf

    values = (np.random.default_rng(2).normal(size=(40, 60)) * np.linspace(0.2, 2.0, 60)).astype(np.float32)
    values = values.reshape(40, 5, 6, 2)
    normal = fit_normal_model(values)
    covariance = normal.axes.T @ np.diag(normal.variance - normal.rest) @ normal.axes + normal.rest * np.eye(60)
    expected = LedoitWolf().fit(whitened(values, normal.whitening)).covariance_
    np.testing.assert_allclose(covariance, expected, atol=1e-3)


def test_distance_of_a_normal_repetition_is_smaller_than_of_a_stranger() -> None:
    values = np.random.default_rng(3).normal(size=(30, 5, 10, 1)).astype(np.float32)
    inside, outside = distances(np.stack([values[0], values[0] + 3.0]), fit_normal_model(values))
    assert inside < outside


def test_model_of_normal_repetitions_needs_two() -> None:
    with pytest.raises(ValueError, match="two or more"):
        fit_normal_model(np.zeros((1, 4, 1, 1), np.float32))
