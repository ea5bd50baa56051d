"""Why a video has no repetition, in words."""

from __future__ import annotations

from pipeline.pose.tracks import is_plausible
from pipeline.records import NOBODY, UNCLEAR, Pose

_SEEN = 0.5
"""Share of the poses with a whole, plausible body from which "nobody lifts" can be said."""


def why_none(pose: Pose) -> str:
    """ "nobody is seen", "the person is not seen clearly" or "nobody lifts", of a video without a repetition."""
    if not pose.detected.any():
        return NOBODY
    if float(is_plausible(pose).mean()) < _SEEN:
        return UNCLEAR
    return "nobody lifts"
