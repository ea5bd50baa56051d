"""One repetition as a SkeleMotion image: what the detector judges, and what other networks and people look at."""

from pipeline.skelemotion.encoding import SCALE_S, Encoded, encode, joint_positions, smooth
from pipeline.skelemotion.layout import CHANNELS, WALK, phase_of_column

__all__ = [
    "CHANNELS",
    "SCALE_S",
    "WALK",
    "Encoded",
    "encode",
    "joint_positions",
    "phase_of_column",
    "smooth",
]
