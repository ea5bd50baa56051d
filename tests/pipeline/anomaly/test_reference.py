"""A reference: the distances of its own repetitions, which calibrations are made of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.anomaly.features import RESIDUAL, Block
from pipeline.anomaly.reference import Scale, compare, fit_reference, half_way, in_units, ratios


@pytest.mark.parametrize(("videos", "count"), [(2, 12), (2, 36), (3, 18), (6, 36)])
def test_own_distances_are_those_that_new_repetitions_have(videos: int, count: int) -> None:
    # Own ones are compared with fewer than new ones are; no video differs from another here.
    rng = np.random.default_rng(videos)
    groups = [f"v{number % videos}" for number in range(count)]
    differences = []
    for _ in range(20):
        known, new = (_posture(rng.normal(size=(number, 3, 4, 2))) for number in (count, 100))
        reference, own = fit_reference("gym", (known,), groups, np.zeros(1, np.float32))
        differences.append(np.log(compare([(new,)], reference)).mean() - np.log(own).mean())
    assert np.mean(differences) == pytest.approx(0.0, abs=0.04)


def test_where_only_one_video_is_known_a_new_one_is_taken_to_be_further_away() -> None:
    block = _posture(np.random.default_rng(1).normal(size=(18, 3, 4, 2)))
    _, own = fit_reference("gym", (block,), ["v"] * 18, np.zeros(1, np.float32))
    assert np.median(own) == pytest.approx(1.12, abs=1e-5)  # of one block the median is 1 before it is lengthened


def test_a_video_does_not_count_in_its_own_distances() -> None:
    values = np.random.default_rng(4).normal(size=(18, 3, 4, 2)).astype(np.float32)
    values[:6] += 4.0  # six that are near each other only
    block = Block("posture", values, ("back",) * 3)
    _, own = fit_reference("gym", (block,), ["a"] * 6 + ["b"] * 6 + ["c"] * 6, np.zeros(1, np.float32))
    assert own[:6].min() > 2 * own[6:].max()


@pytest.mark.parametrize(("videos", "share"), [(3, 0.25), (12, 1.0), (16, 1.0)])
def test_an_autoencoder_of_few_videos_is_heard_less(videos: int, share: float) -> None:
    values = np.random.default_rng(5).normal(size=(48, 3, 4, 2)).astype(np.float32)
    blocks = tuple(Block(name, values, ("back",) * 3) for name in ("posture", "posture" + RESIDUAL))
    groups = [f"v{number % videos}" for number in range(48)]
    reference, _ = fit_reference("gym", blocks, groups, np.zeros(1, np.float32))
    ((statistics, residuals),) = ratios([blocks], reference)
    assert residuals == pytest.approx(share * statistics, rel=1e-5)


def test_units_are_half_way_between_those_of_the_base_and_ones_own() -> None:
    base, own = (Scale("posture", np.full((1, 1, 2), unit, np.float32)) for unit in (2.0, 8.0))
    block = Block("posture", np.full((1, 1, 1, 2), 12.0, np.float32), ("back",))
    in_base = in_units((block,), (base,))
    (found,) = in_units(in_base, half_way((base,), (own,)))
    np.testing.assert_allclose(found.values, 12.0 / 4.0)


def _posture(values: NDArray[np.float64]) -> Block:
    return Block("posture", values.astype(np.float32), ("back",) * values.shape[1])
