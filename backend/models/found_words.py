"""What a model found on unseen videos, as counts of repetitions that lifters know, and what figures mean, in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

DRAWN_OR_PREDICTED = (
    "A model's page counts scores that it gave before people labelled, of repetitions as it had cut them; "
    "`deadlift models compare` with base judges what people drew. So shares and numbers of repetitions may differ."
)

AUROC_IS = (
    "AUROC: how often a faulty repetition gets a higher score than a good one, where each is compared with each: 1 is "
    "always, 0.5 is what guessing comes to."
)


def found_words(figures: Mapping[str, float], labels: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Such as "Finds 13 of 27 faulty repetitions of unseen videos (before: 8) and flags 1 of 37 good ones (before: 3)".

    figures: as the gate stored them. labels: how many repetitions people labelled, as far as that is known.
    """
    if "normals" not in figures:
        return "No figures are stored of it"
    found = _counts(figures, "anomalies", "misses", is_left=True)
    flagged = _counts(figures, "normals", "false_alarms", is_left=False)
    if found and flagged:
        return f"Finds {_said(found, 'faulty repetitions of unseen videos')} and flags {_said(flagged, 'good ones')}"
    if flagged:
        none = "no faulty one could be judged" if labels.get("anomalous") else "no faulty one is labelled"
        return f"Flags {_said(flagged, 'good repetitions of unseen videos')}; {none}"
    return "No good repetition of an unseen video could be judged"


def unjudged_words(figures: Mapping[str, float], labels: Mapping[str, Any]) -> str:
    """How many labelled repetitions no figure knows of, since one of the two models could not judge them, as a sentence
    after another; "" for none, and where it is not stored."""
    parts = []
    for kind, name, thing in (("normal", "normals", "normal"), ("anomalous", "anomalies", "anomalous")):
        left = int(labels[kind]) - int(figures[name]) if kind in labels and name in figures else 0
        if left > 0:
            parts.append(f"{left} of {labels[kind]} {thing}")
    return f" Not in these figures, as they could not be judged: {' and '.join(parts)} repetitions." if parts else ""


def _counts(figures: Mapping[str, float], of: str, name: str, is_left: bool) -> tuple[int, int, int] | None:
    """How many of how many the new model and the one before have; is_left: the share says those that they have not."""
    n = int(figures.get(of, 0))
    shares = [figures.get(f"{whose}_{name}") for whose in ("candidate", "current")]
    if not n or None in shares:
        return None
    new, old = (round(n * (1 - share if is_left else share)) for share in shares if share is not None)
    return new, n, old


def _said(counts: tuple[int, int, int], thing: str) -> str:
    new, n, old = counts
    return f"{new} of {n} {thing} (before: {old})"
