"""Which videos look alike: the same lifter before the same camera, told by the lengths of the limbs in the picture.

A model learns a lifter and camera from a few repetitions; a person who labels should see every one of them before a
second video of any. Videos are taken in the order of their coming, and a number once given stays (leader clustering:
Hartigan, "Clustering Algorithms", 1975, chapter 3): what is stored elsewhere keeps its meaning.
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
    """[D] the mean length of every limb in the picture, in torsos, median over a few of the repetitions (what varies
    between them is the form); None without any. encoded: the image of each repetition, where it is there already."""
    chosen = np.unique(np.linspace(0, len(reps) - 1, min(len(reps), _ENOUGH)).round().astype(int))
    several = (encode(pose, reps[i], config) if encoded is None else encoded[i] for i in chosen)
    images = [one.image for one in several if one.coverage > 0.0]
    if not images:
        return None
    look: Floats = np.median(appearance_features(blocks_of(np.stack(images))), axis=0).astype(np.float32)
    return look


def nearest(look: Floats, leaders: Sequence[Floats], within: float) -> int | None:
    """The index of the leader that is nearest to a look [D], None where each is further than `within` torsos (root mean
    square over the limbs)."""
    far = [float(np.sqrt(np.mean((look - leader) ** 2))) for leader in leaders]
    best = min(range(len(far)), key=far.__getitem__, default=None)
    return best if best is not None and far[best] <= within else None


def clusters_of(looks: Sequence[Floats | None], within: float) -> tuple[int, ...]:
    """The cluster of each look: that of the nearest leader, or a new one that it leads."""
    leaders: list[Floats] = []
    found = []
    for look in looks:
        if look is None:
            found.append(NO_REPETITION)
            continue
        index = nearest(look, leaders, within)
        if index is None:
            leaders.append(look)
            index = len(leaders) - 1
        found.append(index + 1)
    return tuple(found)
