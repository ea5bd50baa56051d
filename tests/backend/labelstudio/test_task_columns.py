"""What the table of tasks tells of an analyzed video."""

from __future__ import annotations

from dataclasses import replace

from fakes import analysis

from backend.labelstudio.task_columns import STATE, columns_of


def test_two_lifters_come_before_what_was_found() -> None:
    found = analysis((0.1,), warning="two people lift: only the one on the left is counted")
    assert columns_of(found, "a.mp4", {}, 3)[STATE] == "two people lift: only the one on the left is counted; predicted"


def test_repetitions_that_could_not_be_judged_are_counted() -> None:
    found = analysis((0.1, 0.2, 0.3))
    doubtful = replace(found, scores=(*found.scores[:2], replace(found.scores[2], reliable=False)))
    assert columns_of(doubtful, "a.mp4", {}, 3)[STATE] == "predicted; 1 of 3 not judged"
    assert columns_of(found, "a.mp4", {}, 3)[STATE] == "predicted"


def test_backs_that_look_rounded_are_counted() -> None:
    found = analysis((0.1, 0.2, 0.3))
    bows = (0.06, None, 0.04)
    told = replace(found, scores=tuple(replace(one, back_bow=bow) for one, bow in zip(found.scores, bows, strict=True)))
    assert columns_of(told, "a.mp4", {}, 3)[STATE] == "predicted; the back looks rounded in 2"


def test_what_browsers_do_not_play_comes_first() -> None:
    found = analysis((0.1,))
    found = replace(found, video=replace(found.video, unplayable="MPEG-4 Part 2"))
    told = (
        "not playable: MPEG-4 Part 2 (deadlift prelabel --tasks all --project 3 --playable gives it a copy); predicted"
    )
    assert columns_of(found, "a.mp4", {}, 3)[STATE] == told
