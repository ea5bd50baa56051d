"""Pictures of landmarks, and the units of those of drawn lifters: what is known before a picture of anybody is seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.reference import Scale, scales_of
from pipeline.original.model import grey_of, orientation_image
from pipeline.original.pictures import Pictures, picture_blocks
from pipeline.records import LabelledRep
from pipeline.synthetic.samples import synthetic_samples

FRAMES_PER_SECOND = 30.0
"""The original measures motion over ten frames of videos of about this rate."""
DRAWN_VIDEOS = 60


def pictures_of(samples: Sequence[LabelledRep]) -> Pictures:
    """The original's picture of each repetition, by landmarks of every frame. They have no files."""
    greys: list[NDArray[np.uint8]] = [grey_of(orientation_image(sample.pose, sample.rep)) for sample in samples]
    return Pictures(np.stack(greys), (), tuple(sample.group for sample in samples))


@cache
def drawn_scales() -> tuple[Scale, ...]:
    """Units of the blocks of such pictures, by sixty videos of drawn lifters, as a base model has those of images."""
    drawn = pictures_of(synthetic_samples(DRAWN_VIDEOS, seed=0, poses_per_second=FRAMES_PER_SECOND))
    return scales_of(picture_blocks(drawn), drawn.groups)
