"""Geometry of the drawings on the pages. Templates write it as SVG, which takes its colours from the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600.0, 120.0
"""Size of a chart in its own units."""


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram of values in 0..1: how many lie in [low, high), the last one with 1; x, width and height in
    the chart's units."""

    low: float
    high: float
    count: int
    x: float
    width: float
    height: float

    @property
    def bounds(self) -> str:
        """As the arguments `score` and `confidence` of the list of videos take it."""
        return f"{self.low:.2f}-{self.high:.2f}"


def histogram(values: Sequence[float], bins: int = 20) -> tuple[Bar, ...]:
    """Bars of values in 0..1, the highest as high as the chart."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value * bins + 1e-9)))] += 1
    highest, width = max([*counts, 1]), WIDTH / bins
    return tuple(
        Bar(i / bins, (i + 1) / bins, count, i * width, width - 1, count / highest * HEIGHT)
        for i, count in enumerate(counts)
    )


def line(xs: Sequence[float], ys: Sequence[float], x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    """The points of an SVG polyline; y goes up."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in placed(xs, ys, x_range, y_range))


def placed(
    xs: Sequence[float], ys: Sequence[float], x_range: tuple[float, float], y_range: tuple[float, float]
) -> list[tuple[float, float]]:
    """Points in the chart's units; y goes up."""
    (left, right), (low, high) = x_range, y_range
    across, up = (right - left) or 1.0, (high - low) or 1.0
    return [((x - left) / across * WIDTH, HEIGHT - (y - low) / up * HEIGHT) for x, y in zip(xs, ys, strict=True)]
