"""Why a video has no repetition, in words."""

from __future__ import annotations

from pipeline.config import SegmentConfig
from pipeline.pose.tracks import is_plausible
from pipeline.records import NOBODY, UNCLEAR, Pose
from pipeline.reps.half_seen import half_seen
from pipeline.reps.proposals import proposals

_SEEN = 0.5
"""Share of the poses with a whole, plausible body from which it can be said that nobody lifts."""


def why_none(pose: Pose, config: SegmentConfig) -> str:
    """Of a video without a repetition: that nobody is seen, or not clearly; that a lift is seen to begin and not to
    end, or to end alone; that somebody goes down and up, but not as in a deadlift (a squat, say); or that nobody
    lifts."""
    if not pose.detected.any():
        return NOBODY
    if float(is_plausible(pose).mean()) < _SEEN:
        return UNCLEAR
    if lifts := [half for half in half_seen(pose, config) if half.margin >= 0]:
        return max(lifts, key=lambda half: half.margin).words
    if any(proposal.rep is not None for proposal in proposals(pose, config)):
        return "somebody goes down and up, but not as in a deadlift"
    return "nobody lifts"
