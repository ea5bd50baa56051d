"""Versions that name the rate of false alarms which a detector judges at."""

from __future__ import annotations

import pytest

from pipeline.anomaly.versions import parts_of, percent, version_at


@pytest.mark.parametrize(("rate", "shown"), [(0.01, "1"), (0.025, "2.5"), (0.07, "7"), (0.1, "10"), (0.5, "50")])
def test_a_rate_is_as_short_as_its_digits_allow(rate: float, shown: str) -> None:
    assert percent(rate) == shown
    assert parts_of(version_at("base-0a1b2c3d", rate)) == ("base-0a1b2c3d", pytest.approx(rate))


@pytest.mark.parametrize(
    "version", ["base-0a1b2c3d", "p12-v0003-0a1b2c3d", "", "somebody-at-10", "-at-10%", "import-at-"]
)
def test_other_versions_name_no_rate(version: str) -> None:
    assert parts_of(version) == (version, None)
