"""Why a video has no repetition, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_lifts import video

from pipeline.records import Pose
from pipeline.reps.nothing import why_none


def _hidden(pose: Pose, share: float) -> Pose:
    """The same poses; the first share of them is missing."""
    image, visibility = pose.image.copy(), pose.visibility.copy()
    count = round(share * len(pose.time))
    image[:count], visibility[:count] = np.nan, 0.0
    return replace(pose, image=image, visibility=visibility)


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "nobody is seen"), (0.7, "the person is not seen clearly"), (0.0, "nobody lifts")],
)
def test_it_is_said_what_was_seen(share: float, words: str) -> None:
    pose, _ = video(1, 1)
    assert why_none(_hidden(pose, share)) == words
