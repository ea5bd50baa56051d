"""Stored analyses: what was stored comes back, also what the last release stored."""

from __future__ import annotations

import json

from fakes import analysis

from backend.storage.analysis_json import dump_analysis, is_readable, load_analysis


def test_an_appearance_survives_storing() -> None:
    stored = analysis(appearance=(0.25, 0.5))
    assert load_analysis(dump_analysis(stored)) == stored


def test_the_appearance_of_the_last_release_is_read() -> None:
    values = json.loads(dump_analysis(analysis(appearance=(0.25, 0.5))))
    values["look"] = values.pop("appearance")
    assert load_analysis(json.dumps(values)).appearance == (0.25, 0.5)


def test_an_analysis_without_an_appearance_is_read() -> None:
    values = json.loads(dump_analysis(analysis()))
    del values["appearance"]
    assert load_analysis(json.dumps(values)).appearance == ()


def test_text_that_is_no_analysis_is_not_readable() -> None:
    assert not any(map(is_readable, ("", "[]", "null", '{"look": 1}')))
