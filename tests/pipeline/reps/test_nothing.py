"""Why a video has no repetition, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_lifts import video

from pipeline.config import SegmentConfig
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
    [
        (1.0, "nobody is seen"),
        (0.7, "the person is not seen clearly"),
        (0.0, "somebody goes down and up, but not as in a deadlift"),
    ],
)
def test_it_is_said_what_was_seen(share: float, words: str) -> None:
    pose, _ = video(1, 1)
    assert why_none(_hidden(pose, share), SegmentConfig()) == words


def test_somebody_who_stands_still_does_not_lift() -> None:
    pose, _ = video(1, 1)
    still = replace(
        pose, image=np.repeat(pose.image[:1], len(pose.time), 0), world=np.repeat(pose.world[:1], len(pose.time), 0)
    )
    assert why_none(still, SegmentConfig()) == "nobody lifts"
