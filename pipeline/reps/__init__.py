"""Cutting repetitions: the load leaves the floor, lockout, the load is back on the floor."""

from __future__ import annotations

from pipeline.config import SegmentConfig
from pipeline.records import Pose, Rep
from pipeline.reps.confidence import confidence
from pipeline.reps.proposals import proposals

__all__ = ["confidence", "find_reps"]


def find_reps(pose: Pose, config: SegmentConfig) -> tuple[Rep, ...]:
    """The repetitions of a video in order of time; none where nobody lifts.

    A lift that is not seen from floor to floor is left out.
    """
    return tuple(p.rep for p in proposals(pose, config) if p.accepted and p.rep is not None)
