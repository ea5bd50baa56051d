"""What a detector says of repetitions that people have labelled."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn_lifts import samples

from pipeline.anomaly.detector import load_detector
from pipeline.learning import training
from pipeline.learning.on_labels import Confirmed, confirmed, figures_on, scores_of
from pipeline.records import LabelledRep


@pytest.fixture(scope="module")
def labelled() -> list[LabelledRep]:
    return samples(3, 1)


def test_scores_are_those_of_whole_videos_in_the_order_of_the_samples(labelled: list[LabelledRep]) -> None:
    base = load_detector()
    group = labelled[0].group
    mine = [sample for sample in labelled if sample.group == group]
    alone = base.score(mine[0].pose, [sample.rep for sample in mine])
    backwards = scores_of(labelled[::-1], base, base.config.false_alarm_rate)[::-1]
    assert [one.score for one in backwards[: len(mine)]] == pytest.approx([one.score for one in alone])


def test_it_counts_confirmed_anomalies_that_are_flagged_now_and_before(labelled: list[LabelledRep]) -> None:
    base = load_detector()
    misled, _ = training.train([replace(sample, label="normal") for sample in labelled], base=base)
    assert confirmed(labelled, misled, base, 0.05) == Confirmed(anomalous=3, flagged=0, flagged_before=3)
    assert confirmed(labelled, base, misled, 0.05) == Confirmed(anomalous=3, flagged=3, flagged_before=0)


def test_what_the_one_before_had_learnt_as_normal_is_counted_by_its_labels(labelled: list[LabelledRep]) -> None:
    base = load_detector()
    first = next(sample for sample in labelled if sample.label == "anomalous")
    earlier = [replace(one, label="normal") if one is first else one for one in labelled]
    elsewhere = [replace(one, label="normal", group="another video") for one in labelled]
    counts = [confirmed(labelled, base, base, 0.05, each).learnt_as_normal for each in (earlier, labelled, elsewhere)]
    assert counts == [1, 0, 0]


def test_figures_are_of_what_can_be_judged(labelled: list[LabelledRep]) -> None:
    base = load_detector()
    figures = figures_on(labelled, base, 0.5)
    scores = [
        (sample.label, one.score)
        for sample, one in zip(labelled, scores_of(labelled, base, 0.5), strict=True)
        if one.reliable
    ]
    assert figures["normals"] + figures["anomalies"] == len(scores)
    assert figures["misses"] == pytest.approx(
        sum(score < 0.5 for label, score in scores if label == "anomalous") / figures["anomalies"]
    )
    assert 0.0 <= figures["auroc"] <= 1.0
    normal = [replace(sample, label="normal") for sample in labelled]
    assert {"misses", "auroc"}.isdisjoint(figures_on(normal, base, 0.5))
