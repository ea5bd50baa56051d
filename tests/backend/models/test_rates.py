"""Rates of false alarms in words: which one is in use, what others were measured to do, and where that is too few."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from backend.models.rates import in_words, measured, rate_in_use
from backend.models.registry import Model, Registry
from pipeline.learning.rates import ENOUGH_ANOMALIES, ENOUGH_NORMALS, UnseenAtRate


def at(rate: float, normals: int = ENOUGH_NORMALS, anomalies: int = ENOUGH_ANOMALIES) -> UnseenAtRate:
    return UnseenAtRate(rate, 0.03, 0.6, normals, 4, anomalies)


def test_a_verdict_of_an_earlier_release_has_no_rates() -> None:
    assert measured({"passed": True, "reason": "", "figures": {}}) == measured({}) == ()
    assert "Not measured" in in_words((), 0.05)


def test_stored_rates_are_read_and_what_later_releases_add_is_passed_over() -> None:
    assert measured({"rates": [asdict(at(0.05)) | {"later": 1}]}) == (at(0.05),)


@pytest.mark.parametrize(("normals", "anomalies"), [(ENOUGH_NORMALS - 1, 99), (999, ENOUGH_ANOMALIES - 1), (999, 0)])
def test_few_repetitions_are_too_few_to_tell(normals: int, anomalies: int) -> None:
    assert "Too few to tell" in in_words((at(0.05, normals, anomalies),), 0.05)


def test_enough_repetitions_are_counted_and_no_more_is_said() -> None:
    said = in_words((at(0.05),), 0.05)
    assert "30 normal repetitions of 4 videos" in said
    assert "Too few" not in said
    assert "was not measured" not in said


def test_a_rate_in_use_that_was_not_measured_is_told() -> None:
    assert "15 %, was not measured" in in_words((at(0.05),), 0.15)


def test_the_rate_in_use_says_who_chose_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "one", Model("base-1", None))
    assert rate_in_use(registry, 1).words == "5 %, what the model was made for"
    registry.choose_rate(1, 0.025)
    assert rate_in_use(registry, 1).words == "2.5 %, chosen for this project"
    of_server = Registry(tmp_path / "other", Model("base-1", None), 0.1)
    assert rate_in_use(of_server, 1).words == "10 %, the server's setting FALSE_ALARM_RATE"
