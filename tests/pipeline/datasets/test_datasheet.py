"""The pictures of a datasheet: whole counts, the threshold, and what is missing."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.datasets.datasheet import _figures
from pipeline.datasets.summary import Summary


@pytest.fixture
def summary() -> Summary:
    return Summary(
        labels=Counter({("normal", "train"): 2, ("anomalous", "train"): 1}),
        durations=Counter({("normal", 8): 2, ("anomalous", 9): 1}),
        scores=Counter({("normal", 2): 1}),
        reps_per_video=Counter({3: 1}),
    )


@pytest.mark.parametrize("name", ["labels", "durations", "scores", "videos"])
def test_counts_are_whole_numbers(summary: Summary, name: str) -> None:
    axes = _figures(summary)[name].axes[0]
    ticks = [float(tick) for tick in axes.get_yticks()]
    assert ticks == [round(tick) for tick in ticks]
    assert axes.get_ylim()[1] > max(bar.get_y() + bar.get_height() for bar in axes.patches)  # type: ignore[attr-defined]


def test_the_threshold_is_drawn_and_missing_scores_are_told(summary: Summary) -> None:
    axes = _figures(summary)["scores"].axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.5, 0.5]]  # type: ignore[arg-type]
    assert "2 of 3 repetitions have none" in axes.get_xlabel()
