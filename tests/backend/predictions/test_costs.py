"""Processor seconds of analyses that share a process."""

from __future__ import annotations

import pytest

from backend.predictions import costs
from backend.predictions.costs import Stopwatch


def test_analyses_at_the_same_time_share_the_seconds_of_their_process(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter((100.0, 110.0, 130.0, 135.0))
    monkeypatch.setattr(costs.time, "process_time", lambda: next(used))
    first, second = Stopwatch(), Stopwatch()
    first.__enter__()
    second.__enter__()
    second.__exit__()
    first.__exit__()
    assert (first._cpu_s, second._cpu_s) == (10 + 20 / 2 + 5, 20 / 2)


def test_an_analysis_that_failed_has_no_share_of_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter((0.0, 1.0, 2.0, 7.0))
    monkeypatch.setattr(costs.time, "process_time", lambda: next(used))
    with pytest.raises(ValueError, match="broken"), Stopwatch():
        raise ValueError("broken")
    with Stopwatch() as later:
        pass
    assert later._cpu_s == 5.0
