"""Stored analyses: what was stored comes back, also what the last release stored."""

from __future__ import annotations

import json
from dataclasses import replace

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


def test_what_is_said_of_the_back_survives_storing() -> None:
    stored = analysis((0.1, 0.9))
    stored = replace(stored, scores=(replace(stored.scores[0], back_bow=0.06), stored.scores[1]))
    assert [score.back_bow for score in load_analysis(dump_analysis(stored)).scores] == [0.06, None]


def test_an_analysis_of_a_release_that_did_not_look_at_backs_is_read() -> None:
    values = json.loads(dump_analysis(analysis((0.1, 0.9))))
    for score in values["scores"]:
        del score["back_bow"]
    assert load_analysis(json.dumps(values)) == analysis((0.1, 0.9))
