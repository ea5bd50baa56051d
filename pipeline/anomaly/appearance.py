"""Which videos show the same lifter before the same camera, by the lengths of the limbs in the picture.

A model learns a lifter and camera from a few repetitions, so a person who labels should see each pair of them once
before any of them a second time. Videos are clustered in the order in which they arrive, and a video never changes its
cluster (leader clustering: Hartigan, "Clustering Algorithms", 1975, chapter 3): numbers that were stored stay valid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.anomaly.features import appearance_features, blocks_of
from pipeline.config import EncodeConfig
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import Encoded, encode

_ENOUGH = 3
NO_REPETITION = 0
"""The cluster of videos without a repetition; others are numbered from 1."""


def appearance_of(
    pose: Pose, reps: Sequence[Rep], config: EncodeConfig, encoded: Sequence[Encoded] | None = None
) -> Floats | None:
    """What a video's lifter and camera are known by.

    Args:
        pose: the landmarks of the video.
        reps: its repetitions; a few of them, evenly spread, are used.
        config: how repetitions become images.
        encoded: the image of each repetition, where it is there already.

    Returns:
        [D] the mean length of every limb in the picture, in torsos, the median over those repetitions; None where
        none of them has landmarks.
    """
    chosen = np.unique(np.linspace(0, len(reps) - 1, min(len(reps), _ENOUGH)).round().astype(int))
    several = (encode(pose, reps[i], config) if encoded is None else encoded[i] for i in chosen)
    images = [one.image for one in several if one.coverage > 0.0]
    if not images:
        return None
    appearance: Floats = np.median(appearance_features(blocks_of(np.stack(images))), axis=0).astype(np.float32)
    return appearance


def nearest(appearance: Floats, leaders: Sequence[Floats], within: float) -> int | None:
    """The index of the leader that is nearest to an appearance [D], None where all are further than `within` torsos
    (root mean square over the limbs)."""
    far = [float(np.sqrt(np.mean((appearance - leader) ** 2))) for leader in leaders]
    best = min(range(len(far)), key=far.__getitem__, default=None)
    return best if best is not None and far[best] <= within else None


def clusters_of(appearances: Sequence[Floats | None], within: float) -> tuple[int, ...]:
    """The cluster of each appearance [D]: that of the nearest leader within `within` torsos, or one of its own."""
    leaders: list[Floats] = []
    found = []
    for appearance in appearances:
        if appearance is None:
            found.append(NO_REPETITION)
            continue
        index = nearest(appearance, leaders, within)
        if index is None:
            leaders.append(appearance)
            index = len(leaders) - 1
        found.append(index + 1)
    return tuple(found)
