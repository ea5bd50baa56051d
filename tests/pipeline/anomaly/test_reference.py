"""A reference: the distances of its own repetitions, which calibrations are made of."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomaly.features import RESIDUAL, Block
from pipeline.anomaly.reference import Scale, fit_reference, half_way, in_units, ratios


@pytest.mark.parametrize(
    ("videos", "usual"),
    [
        (1, 1.14),  # without the repetition alone: a new video is further away
        (2, 0.9),  # without the video: a new one is nearer to both than to one of them
        (3, 0.96),
        (6, 1.0),
    ],
)
def test_own_distances_are_those_that_a_new_video_would_have(videos: int, usual: float) -> None:
    values = np.random.default_rng(videos).normal(size=(18, 3, 4, 2)).astype(np.float32)
    block = Block("posture", values, ("back",) * 3)
    groups = [f"v{number % videos}" for number in range(18)]
    _, own = fit_reference("gym", (block,), groups, np.zeros(1, np.float32))
    # Of one block the median is 1 before it is lengthened or shortened.
    assert np.median(own) == pytest.approx(usual, abs=1e-5)


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
