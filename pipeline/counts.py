"""Numbers of things, and several of them, in words."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """As "1 video", "2 videos"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str]) -> str:
    """As "knees", "knees and back", "knees, back and hips"; at least one."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
