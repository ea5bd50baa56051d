"""What was found in a repetition, in the words of a coach: for videos and reports that people read at the gym."""

from __future__ import annotations

import math

from pipeline.records import Reason, RepScore
from pipeline.reps.measures import Angles, RepMeasures

_WHEN = {"pull": "on the way up", "lockout": "at the top", "lowering": "on the way down"}


def reason_in_words(reason: Reason) -> str:
    """Where on the body and when, such as "hips on the way up"."""
    return f"{reason.body_part} {_WHEN[reason.phase]}"


def verdict(score: RepScore) -> str:
    """ "normal", "unusual", or "not judged" where the repetition could not be."""
    if not score.reliable:
        return "not judged"
    return "unusual" if score.is_anomaly else "normal"


def why(score: RepScore) -> str:
    """What to look at, or why it was not judged; "" of a normal repetition."""
    if not score.reliable:
        return score.hindrance or "too little was seen, or it is too short"
    if not score.is_anomaly:
        return ""
    return ", ".join(map(reason_in_words, score.reasons)) or "the whole movement"


def tempo_in_words(measures: RepMeasures) -> str:
    """The seconds of its parts, such as "up 0.6 s, pause 0.4 s, down 1.0 s"."""
    return f"up {measures.up_s:.1f} s, pause {measures.pause_s:.1f} s, down {measures.down_s:.1f} s"


def angles_in_words(angles: Angles) -> str:
    """Such as "hip 72°, knee 115°, back 58°"; what is not known is left out."""
    named = (("hip", angles.hip), ("knee", angles.knee), ("back", angles.back))
    return ", ".join(f"{name} {degrees:.0f}°" for name, degrees in named if math.isfinite(degrees))
