"""What was found in a repetition, in the words of a coach: for videos and reports that people read at the gym."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.counts import listed
from pipeline.records import Reason, RepScore
from pipeline.visuals.measures import Angles, RepMeasures

_TO_LOOK_AT = {"head": "how the head is held"}
"""Where the name of a body part alone is no advice."""
_WHEN = {"pull": "on the way up", "lockout": "at the top", "lowering": "on the way down"}


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
    return where(score.reasons) or "the whole movement"


def where(reasons: Sequence[Reason]) -> str:
    """All reasons, those of one phase together: "knees and back on the way up, hips at the top"; strongest first."""
    parts: dict[str, list[str]] = {}
    for reason in reasons:
        parts.setdefault(_WHEN[reason.phase], []).append(_TO_LOOK_AT.get(reason.body_part, reason.body_part))
    return ", ".join(f"{listed(names)} {when}" for when, names in parts.items())


def numbers_in_words(numbers: Sequence[int]) -> str:
    """Ascending numbers of repetitions: "Number 3", "Numbers 1, 2", "Numbers 1 to 4, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"Number{'s' * (len(numbers) > 1)} {', '.join(parts)}"


def tempo_in_words(measures: RepMeasures) -> str:
    """The seconds of its parts, such as "up 0.6 s, pause 0.4 s, down 1.0 s"."""
    return f"up {measures.up_s:.1f} s, pause {measures.pause_s:.1f} s, down {measures.down_s:.1f} s"


def angles_in_words(angles: Angles) -> str:
    """Such as "hip 72°, knee 115°, back 58°"; what is not known is left out."""
    named = (("hip", angles.hip), ("knee", angles.knee), ("back", angles.back))
    return ", ".join(f"{name} {degrees:.0f}°" for name, degrees in named if math.isfinite(degrees))
