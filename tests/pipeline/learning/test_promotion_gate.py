"""The gate: honest labels pass, and doubtful ones are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_lifts import samples

from pipeline.anomaly.detector import load_detector
from pipeline.config import TrainConfig
from pipeline.learning import promotion_gate, training
from pipeline.learning.rates import RATES
from pipeline.records import LabelledRep


def judged(
    labelled: list[LabelledRep], earlier: list[LabelledRep], seed: int, rate: float | None = None
) -> promotion_gate.Verdict:
    """The verdict on what is learnt from labels, beside the shipped model or one of earlier labels."""
    base = load_detector()
    candidate = training.fit(labelled, base, TrainConfig(), seed)
    return promotion_gate.judge(labelled, earlier, base, candidate, rate=rate)


@pytest.mark.parametrize("earlier", [0, 5])
def test_honest_labels_pass(earlier: int) -> None:
    before = samples(earlier, 1) if earlier else []
    assert judged(samples(6, 1), before, seed=0).passed


def test_of_honest_labels_nothing_is_remarked() -> None:
    verdict = judged(samples(16, 1), [], seed=0)
    assert (verdict.passed, verdict.reason, verdict.remark, verdict.doubtful) == (True, "", "", ())


def test_a_refusal_says_how_few_repetitions_it_rests_on() -> None:
    verdict = judged(samples(6, 1, honest=False), samples(6, 1), seed=0)
    assert not verdict.passed
    counts = f"{verdict.figures['normals']:.0f} normal and {verdict.figures['anomalies']:.0f} anomalous repetitions"
    assert verdict.reason.endswith(f". That is by few of unseen videos: {counts}.")


def test_faults_called_normal_are_named_without_earlier_labels() -> None:
    verdict = judged(samples(30, 1, honest=False), [], seed=0)
    assert verdict.passed  # without earlier labels a rare lift cannot be distinguished from a fault: people decide
    assert "look anomalous beside the other normal ones" in verdict.remark
    assert verdict.doubtful


@pytest.mark.parametrize("is_in_use", [True, False])
def test_a_video_of_faults_that_is_called_normal_is_told_whatever_the_figures_say(is_in_use: bool) -> None:
    # Held out it is judged by what has not learnt it; the model that is used has.
    video = samples(1, 5, first=20)
    before = samples(6, 1) + video
    labelled = samples(6, 1) + [replace(sample, label="normal") for sample in video]
    base = load_detector()
    candidate = training.fit(labelled, base, TrainConfig(), 0)
    verdict = promotion_gate.judge(labelled, before if is_in_use else [], base, candidate, newest=before)
    assert "5 repetitions that earlier labels call anomalous are called normal" in verdict.reason + verdict.remark
    assert "video-20" in verdict.doubtful


def test_intervals_are_over_videos() -> None:
    # Of six videos one alone has false alarms, in all its repetitions.
    names = np.repeat([f"video-{number}" for number in range(6)], 5)
    alone = np.where(names == "video-3", 0.9, 0.1)
    odd = np.tile([False] * 4 + [True], 6)
    scores = promotion_gate._UnseenScores(names, odd, alone, np.full(30, 0.1), np.zeros((30, 0)))
    figures = promotion_gate._figures(scores, 0)
    assert figures["candidate_false_alarms"] == pytest.approx(1 / 6, abs=1e-4)
    assert figures["candidate_false_alarms_low"] == 0.0
    assert figures["candidate_false_alarms_high"] == pytest.approx(0.5, abs=0.1)
    assert (figures["current_false_alarms_low"], figures["current_false_alarms_high"]) == (0.0, 0.0)


def test_labels_are_searched_for_faults_beside_a_base_that_knows_settings() -> None:
    people = TrainConfig()
    labelled = samples(30, 1, honest=False)
    trained = training.fit(samples(5, 2), load_detector(), people, 0).detector()[0]
    assert trained.references
    candidate = training.fit(labelled, trained, people, 0)
    verdict = promotion_gate.judge(labelled, [], trained, candidate)
    assert verdict.figures["suspects"] > 0
    assert verdict.doubtful


def test_a_gate_of_equal_input_judges_equally() -> None:
    found = [judged(samples(3, 1), [], seed=1) for _ in range(2)]
    assert found[0] == found[1]


def test_the_candidate_is_shown_at_several_rates_and_judged_at_the_wanted_one() -> None:
    labelled = samples(3, 1)
    rates = (0.02, 0.4)
    verdicts = [judged(labelled, [], 0, rate) for rate in rates]
    for rate, verdict in zip(rates, verdicts, strict=True):
        assert [one.rate for one in verdict.rates] == sorted({*RATES, rate})
        assert verdict.rates[0].normals == verdict.figures["normals"]
        assert verdict.rates[0].anomalies == verdict.figures["anomalies"]
        alarms = [one.false_alarms or 0.0 for one in verdict.rates]
        assert alarms == sorted(alarms)
        judged_at = next(one for one in verdict.rates if one.rate == rate)
        assert judged_at.recall == pytest.approx(1 - verdict.figures["candidate_misses"])
    few, many = (verdict.figures["current_misses"] for verdict in verdicts)
    assert few > many


def test_few_videos_are_held_out_one_by_one_more_by_twelfths_and_many_by_quarters() -> None:
    for count, sizes, most in ((5, {1}, 12), (12, {1}, 12), (13, {1, 2}, 12), (48, {4}, 12), (60, {15}, 4)):
        quarters = {f"{number}": number % 4 for number in range(count)}
        folds = promotion_gate._folds(quarters)
        assert sorted(video for fold in folds for video in fold) == sorted(quarters)
        assert {len(fold) for fold in folds} == sizes
        assert len(folds) == min(count, most)
        assert all(len({quarters[video] for video in fold}) == 1 for fold in folds)
