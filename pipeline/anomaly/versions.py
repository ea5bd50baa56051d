"""The version of a detector that judges at another nominal rate of false alarms than the one it was learnt for."""

from __future__ import annotations

import re

_AT = re.compile(r"(?P<learnt>.+)-at-(?P<percent>\d+(?:\.\d+)?)%")


def version_at(version: str, rate: float) -> str:
    """The version of a detector at another rate, 0..1: "base-0a1b2c3d" at 0.1 is "base-0a1b2c3d-at-10%"."""
    return f"{version}-at-{percent(rate)}%"


def parts_of(version: str) -> tuple[str, float | None]:
    """The version as it was learnt, and the rate 0..1 that follows in it; None where it judges at its own."""
    found = _AT.fullmatch(version)
    return (found["learnt"], float(found["percent"]) / 100.0) if found else (version, None)


def percent(rate: float) -> str:
    """A rate 0..1 in per cent, as short as its digits allow: 0.1 is "10", 0.025 is "2.5"."""
    return f"{100.0 * rate:.6f}".rstrip("0").rstrip(".")
