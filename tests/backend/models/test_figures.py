"""Intervals, curves and verdicts that claim no more than the numbers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.models.figures import (
    area,
    confirmed_words,
    curve,
    earlier_figures_of,
    figures_of,
    judged_words,
    learnt_words,
    share,
    unlike,
    verdict_in,
    verdict_of,
)
from backend.models.registry import Model, Registry
from pipeline.anomaly.detector import load_detector


def gate(normals: int, anomalies: int, before: tuple[float, float], after: tuple[float, float], **more: Any) -> Any:
    figures = {"normals": float(normals), "anomalies": float(anomalies)}
    figures |= {"current_false_alarms": before[0], "current_misses": before[1]}
    figures |= {"candidate_false_alarms": after[0], "candidate_misses": after[1]}
    return {"passed": True, "reason": "Not worse on unseen videos.", "figures": figures} | more


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763), (10, 10, 0.722, 1.0), (50, 1000, 0.038, 0.065), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(count: int, n: int, low: float, high: float) -> None:
    found = share(count, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_an_area_is_surer_with_more_repetitions() -> None:
    few, many = area(0.8, 20, 5), area(0.8, 2000, 500)
    assert few.low < many.low < 0.8 < many.high < few.high


def test_a_perfect_area_of_two_anomalies_is_not_sure() -> None:
    assert area(1.0, 100, 2).low < 0.5


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        (gate(10, 2, (0.1, 1.0), (0.1, 1.0)), "too-few"),
        (gate(10, 2, (0.9, 1.0), (0.0, 0.0)), "too-few"),
        (gate(200, 60, (0.1, 0.5), (0.1, 0.5)), "same"),
        (gate(200, 60, (0.1, 0.5), (0.08, 0.5)), "not-worse"),
        (gate(200, 60, (0.1, 0.9), (0.1, 0.1)), "better"),
        (gate(200, 60, (0.1, 0.9), (0.1, 0.1), passed=False, reason="Not promoted: x."), "refused"),
        ({}, "refused"),
        ({"passed": True, "reason": "All good."}, "too-few"),
    ],
)
def test_verdicts(stored: dict[str, Any], kind: str) -> None:
    assert verdict_of(stored).kind == kind


def test_what_did_not_pass_and_was_used_was_chosen_by_a_person() -> None:
    refused = gate(200, 60, (0.1, 0.9), (0.1, 0.1), passed=False, reason="Not promoted: misses rise.")
    chosen = verdict_of(refused, was_used=True)
    assert (chosen.kind, chosen.words) == ("chosen", "A person put it in use. Against it: misses rise.")
    assert verdict_of({}, was_used=True).words == "A person put it in use."
    passed = gate(200, 60, (0.1, 0.9), (0.1, 0.1))
    assert verdict_of(passed, was_used=True) == verdict_of(passed)


def test_a_difference_that_comes_of_few_videos_is_not_called_better() -> None:
    stored = gate(37, 27, (0.3, 0.8), (0.0, 0.8))
    assert verdict_of(stored).kind == "better"
    # 10 of the 11 false alarms are of one video, which a third of the resampled sets has not.
    stored["figures"] |= {"current_false_alarms_low": 0.0, "current_false_alarms_high": 0.57}
    assert verdict_of(stored).kind == "not-worse"
    before = figures_of(stored)[0].current
    assert (before.low, before.high) == (0.0, 0.57)


def test_few_videos_do_not_make_an_interval_narrower() -> None:
    stored = gate(10, 5, (0.5, 0.5), (0.0, 0.5))
    stored["figures"] |= {"candidate_false_alarms_low": 0.0, "candidate_false_alarms_high": 0.0}
    assert figures_of(stored)[0].candidate == share(0, 10)


def test_a_refusal_says_what_is_better_and_how_many_labels_it_could_not_judge() -> None:
    refused = gate(33, 12, (0.1, 0.9), (0.3, 0.1), passed=False, reason="Not promoted: false alarms rise.")
    words = verdict_of(refused, labels={"normal": 34, "anomalous": 12}).words
    found = "Finds 11 of 12 faulty repetitions of unseen videos (before: 1) and flags 10 of 33 good ones (before: 3)."
    unjudged = "Not in these figures, as they could not be judged: 1 of 34 normal repetitions."
    assert words == f"False alarms rise. {found} {unjudged}"


def test_a_remark_of_the_gate_stays() -> None:
    stored = gate(10, 2, (0.1, 1.0), (0.1, 1.0), reason="", remark="3 repetitions look anomalous.")
    assert verdict_of(stored).words.endswith(" But 3 repetitions look anomalous.")


def test_a_remark_that_an_earlier_release_stored_stays() -> None:
    reason = "Not worse on unseen videos: false alarms 0.10 -> 0.10. But 3 repetitions look anomalous."
    assert verdict_of(gate(10, 2, (0.1, 1.0), (0.1, 1.0), reason=reason)).words.endswith(
        "But 3 repetitions look anomalous."
    )


@pytest.mark.parametrize(("auroc", "doubt"), [(0.54, "better"), (0.5, "better"), (0.3, "worse"), (0.9, "")])
def test_an_auroc_that_guesses_may_have_or_that_is_lower_is_told(auroc: float, doubt: str) -> None:
    stored = gate(40, 12, (0.1, 0.9), (0.1, 0.9))
    stored["figures"] |= {"candidate_auroc": auroc, "current_auroc": 0.5}
    words = verdict_of(stored).words
    for kind in ("better", "worse"):
        assert (f"{kind} than chance would (AUROC {auroc:.2f}, " in words) == (kind == doubt)
    assert "chance would" not in verdict_of(stored | {"passed": False, "reason": "Not promoted: x."}).words


def test_a_curve_goes_from_nothing_found_to_everything() -> None:
    found = curve([(0.9, True), (0.8, False), (0.8, True), (0.1, False)])
    assert found is not None
    assert [(point.threshold, point.false_alarms, point.recall) for point in found.points] == [
        (1.0, 0.0, 0.0),
        (0.9, 0.0, 0.5),
        (0.8, 0.5, 1.0),
        (0.1, 1.0, 1.0),
    ]


def test_the_place_of_the_decision_is_on_the_curve() -> None:
    found = curve([(0.9, True), (0.6, False), (0.5, True), (0.4, True), (0.1, False)])
    assert found is not None
    assert (found.decision.false_alarms, found.decision.recall) == (0.5, pytest.approx(2 / 3))


def test_a_curve_of_many_scores_is_thinned_and_keeps_its_ends() -> None:
    found = curve([(n / 5000, n % 3 == 0) for n in range(5000)])
    assert found is not None
    assert len(found.points) <= 201
    assert (found.points[0].recall, found.points[-1].recall) == (0.0, 1.0)


def test_without_both_kinds_there_is_no_curve() -> None:
    assert curve([(0.9, True)]) is None


def test_what_a_model_learnt_from_is_of_the_videos_with_normal_repetitions() -> None:
    run = {"labels": {"normal": 23, "anomalous": 1, "videos": 7, "anomalous_videos": 1}}
    said = "21 normal repetitions of 4 videos, without 2 that could not be judged"
    assert learnt_words(run | {"metrics": {"normals": 21, "videos": 4}}) == said
    assert learnt_words(run) == "23 normal repetitions"
    assert judged_words(run) == "1 anomalous repetition of 1 video"
    assert judged_words({"labels": {"normal": 23, "anomalous": 14, "videos": 7}}) == "14 anomalous repetitions"
    assert (learnt_words({}), judged_words({})) == ("", "")


def test_figures_by_the_earlier_labels_stand_apart() -> None:
    figures = gate(20, 5, (0.1, 0.4), (0.1, 0.2))["figures"]
    earlier = {"normals": 15.0, "anomalies": 10.0, "candidate_misses": 1.0, "current_misses": 0.2}
    both = {"figures": figures | {f"earlier_{name}": value for name, value in earlier.items()}}
    assert [(one.title, one.n) for one in figures_of(both)] == [("False alarms", 20), ("Missed anomalies", 5)]
    (misses,) = earlier_figures_of(both)
    assert (misses.title, misses.n, misses.candidate.value, misses.current.value) == ("Missed anomalies", 10, 1.0, 0.2)
    assert earlier_figures_of({"figures": figures}) == ()


def test_what_a_model_flags_as_it_is_names_the_nominal_rate() -> None:
    kept: dict[str, Any] = {"confirmed": {"anomalous": 14, "flagged": 9, "flagged_before": 12}}
    flags = ": of 14 repetitions that people called anomalous it flags 9 (before: 12)."
    said = "As it is, made of these videos as well"
    assert (
        confirmed_words(kept | {"gate": {"rate": 0.025}})
        == f"{said}, at a nominal rate of false alarms of 2.5 %{flags}"
    )
    assert confirmed_words(kept) == f"{said}{flags}", "an earlier release stored no rate"


def test_a_model_before_that_had_learnt_faults_as_normal_is_told() -> None:
    kept = {"anomalous": 12, "flagged": 10, "flagged_before": 0}
    told = "The one before had learnt 2 of them as normal."
    assert confirmed_words({"confirmed": kept | {"learnt_as_normal": 2}}).endswith(told)
    for other in (kept, kept | {"learnt_as_normal": 0}):  # an earlier release did not look
        assert "as normal" not in confirmed_words({"confirmed": other})


def test_a_verdict_says_first_what_was_found_in_counts_of_repetitions() -> None:
    words = verdict_of(gate(37, 27, (0.3784, 0.8889), (0.0270, 0.5185))).words
    found = "Finds 13 of 27 faulty repetitions of unseen videos (before: 3) and flags 1 of 37 good ones (before: 14)"
    assert words.startswith(f"{found}: better in")
    assert "misses" not in words


def test_what_could_not_be_judged_is_said_where_it_is_known() -> None:
    stored = gate(40, 27, (0.1, 0.5), (0.1, 0.5))
    left = verdict_of(stored, labels={"normal": 48, "anomalous": 27}).words
    assert "Not in these figures, as they could not be judged: 8 of 48 normal repetitions." in left
    assert "could not be judged" not in verdict_of(stored, labels={"normal": 40, "anomalous": 27}).words
    assert "could not be judged" not in verdict_of(stored).words


def test_what_figures_of_two_models_may_differ_by_is_named() -> None:
    run = {"label_digest": "a", "config": "c", "gate": {"rate": 0.05}}
    assert unlike(run, dict(run)) == ""
    assert unlike(run, run | {"gate": {"rate": 0.2}}) == "different nominal rates of false alarms"
    both = unlike(run, run | {"label_digest": "b", "config": "d"})
    assert both == "different labels and different settings for poses (POSE_ENGINE)"


@pytest.mark.parametrize(("judged_at", "is_told"), [(0.2, True), (0.05, False), (None, False)])
def test_a_verdict_at_another_rate_than_that_of_now_says_so(
    tmp_path: Path, judged_at: float | None, is_told: bool
) -> None:
    registry = Registry(tmp_path, Model("base-0", None))
    run = {"gate": gate(20, 5, (0.1, 0.4), (0.1, 0.2)) | ({} if judged_at is None else {"rate": judged_at})}
    version = registry.publish(1, load_detector(), "", run, [])
    words = verdict_in(registry, 1, version).words
    assert ("All of that at a nominal rate of false alarms of 20 %, not the 5 % of now." in words) == is_told
    registry.choose_rate(1, 0.2)
    assert "not the 20 % of now" in verdict_in(registry, 1, version).words or judged_at != 0.05
