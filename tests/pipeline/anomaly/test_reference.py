"""A reference: the distances of its own repetitions, which calibrations are made of."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomaly.features import Block
from pipeline.anomaly.reference import fit_reference


@pytest.mark.parametrize(
    ("videos", "usual"),
    [
        (1, 1.2),  # without the repetition alone: a new video is further away
        (2, np.sqrt((1 + 0.6 / 2) / (1 + 0.6))),  # without the video: a new one is nearer to both than to one of them
        (3, np.sqrt((1 + 0.6 / 3) / (1 + 0.6 / 2))),
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
