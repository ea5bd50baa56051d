"""Cutting repetitions: the load leaves the floor, lockout, the load is back on the floor."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import SegmentConfig
from pipeline.records import Pose, Rep
from pipeline.reps.confidence import confidence
from pipeline.reps.proposals import accepted_reps, proposals


@dataclass(frozen=True)
class Segmentation:
    """The repetitions of a video in order of time, and how far (0..1) that cut can be trusted."""

    reps: tuple[Rep, ...]
    confidence: float


def segment(pose: Pose, config: SegmentConfig) -> Segmentation:
    """The repetitions of a video, and how far the cut can be trusted.

    Args:
        pose: the landmarks of the person in the video.
        config: limits and scales of the cut.

    Returns:
        The repetitions as of `find_reps`, and the confidence as of `pipeline.reps.confidence`.
    """
    found = proposals(pose, config)
    reps = accepted_reps(found)
    return Segmentation(reps, confidence(pose, reps, found, config))


def find_reps(pose: Pose, config: SegmentConfig = SegmentConfig()) -> tuple[Rep, ...]:  # noqa: B008  # frozen
    """The repetitions of a video, without a measure of trust in them.

    Args:
        pose: the landmarks of the person in the video.
        config: limits and scales of the cut.

    Returns:
        The repetitions in order of time, in seconds of media time; none where nobody lifts. A lift that is not seen
        from floor to floor is left out.
    """
    return accepted_reps(proposals(pose, config))
