"""Figures of the evaluation against answers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.errors import DatasetError
from pipeline.evaluation.reps import (
    ClipResult,
    ClipTruth,
    evaluate_reps,
    hysteresis_reps,
    load_groundtruth,
    match,
)
from pipeline.records import Rep, tiou

ONE, TWO = Rep(0.0, 1.0, 2.0), Rep(3.0, 4.0, 5.0)


def result(found: tuple[Rep, ...], truth: ClipTruth, confidence: float = 1.0) -> ClipResult:
    return ClipResult(truth, found, confidence)


def test_tiou_of_a_shifted_repetition() -> None:
    assert tiou(ONE, Rep(1.0, 2.0, 3.0)) == pytest.approx(1 / 3)


def test_tiou_of_repetitions_apart_is_nil() -> None:
    assert tiou(ONE, TWO) == 0.0


def test_a_true_repetition_is_matched_once() -> None:
    assert match([ONE, Rep(0.1, 1.0, 2.1)], [ONE], 0.25) == [(0, 0)]


def test_matching_takes_the_best_pairs_together() -> None:
    long = Rep(0.0, 1.0, 5.0)
    assert sorted(match([long, ONE], [ONE, TWO], 0.25)) == [(0, 1), (1, 0)]


def test_a_perfect_cut_scores_one() -> None:
    scores = evaluate_reps([result((ONE, TWO), ClipTruth("a", (ONE, TWO)))])
    assert (scores.f1, scores.map, scores.mae_ms()) == ({0.25: 1.0, 0.5: 1.0, 0.75: 1.0}, 1.0, (0.0, 0.0, 0.0))


def test_f1_counts_missed_and_invented_repetitions() -> None:
    scores = evaluate_reps([result((ONE,), ClipTruth("a", (ONE, TWO))), result((TWO,), ClipTruth("b", ()))])
    assert scores.f1[0.5] == pytest.approx(0.5)


def test_boundary_errors_are_found_minus_true() -> None:
    scores = evaluate_reps([result((Rep(0.1, 0.8, 2.0),), ClipTruth("a", (ONE,)))])
    assert scores.errors[0] == pytest.approx([0.1, -0.2, 0.0])


def test_mae_is_in_milliseconds() -> None:
    scores = evaluate_reps([result((Rep(0.1, 0.8, 2.0),), ClipTruth("a", (ONE,)))])
    assert scores.mae_ms() == pytest.approx((100.0, 200.0, 0.0))


def test_a_lockout_that_was_not_marked_has_no_error(tmp_path: Path) -> None:
    file = tmp_path / "truth.json"
    rows = [
        {"start_s": ONE.start_s, "end_s": ONE.end_s},
        {"start_s": TWO.start_s, "top_s": TWO.top_s, "end_s": TWO.end_s},
    ]
    file.write_text(json.dumps([{"file": "a.mp4", "reps": rows}]))
    found = (Rep(ONE.start_s, ONE.top_s + 0.4, ONE.end_s), Rep(TWO.start_s, TWO.top_s + 0.1, TWO.end_s))
    scores = evaluate_reps([result(found, load_groundtruth(file)[0])])
    assert scores.f1[0.75] == 1.0
    assert scores.mae_ms() == pytest.approx((0.0, 100.0, 0.0))


def test_a_partial_repetition_is_neither_required_nor_counted_against() -> None:
    truth = ClipTruth("a", (ONE,), partial=((3.0, 6.0),))
    assert evaluate_reps([result((ONE, TWO), truth)]).f1[0.5] == evaluate_reps([result((ONE,), truth)]).f1[0.5] == 1.0


def test_repetitions_on_negatives_are_counted() -> None:
    assert evaluate_reps([result((ONE, TWO), ClipTruth("a", (), is_deadlift=False))]).false_on_negatives == 2


def test_counts() -> None:
    scores = evaluate_reps([result((ONE, TWO), ClipTruth("a", (ONE,))), result((), ClipTruth("b", (ONE, TWO)))])
    assert (scores.exact_counts, scores.count_mae, scores.off_by_one) == (0, 1.5, 0.5)


def test_a_confident_false_repetition_costs_more_precision_than_a_doubtful_one() -> None:
    good, bad = ClipTruth("a", (ONE,)), ClipTruth("b", (), is_deadlift=False)
    doubtful = evaluate_reps([result((ONE,), good, 0.9), result((ONE,), bad, 0.1)]).map
    confident = evaluate_reps([result((ONE,), good, 0.1), result((ONE,), bad, 0.9)]).map
    assert [doubtful, confident] == pytest.approx([1.0, 0.5])


def test_no_clip_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        evaluate_reps([])


def test_groundtruth_is_read_with_partial_repetitions_apart(tmp_path: Path) -> None:
    rows = [{"start_s": 1, "top_s": 2, "end_s": 3}, {"start_s": 4, "top_s": 5, "end_s": None}]
    file = tmp_path / "truth.json"
    file.write_text(json.dumps([{"file": "a.mp4", "reps": rows, "duration_s": 6, "uncertain": True}]))
    expected = ClipTruth("a.mp4", (Rep(1.0, 2.0, 3.0),), ((4.0, 6.0),), is_deadlift=True, uncertain=True)
    assert load_groundtruth(file) == (expected,)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"file": "a"}]', '[{"file": "a", "reps": [{"start_s": 1}]}]'])
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "truth.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=r"truth\.json"):
        load_groundtruth(file)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.json"):
        load_groundtruth(tmp_path / "none.json")


def test_the_trivial_counter_counts_a_clean_set() -> None:
    plan = synthetic.LiftPlan(reps=(synthetic.RepPlan(),) * 4)
    pose = synthetic.pose_of(plan, np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1))
    assert len(hysteresis_reps(pose, "shoulder")) == 4
