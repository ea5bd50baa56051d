"""Figures of anomaly scores, and how well the default method separates the original project's pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DatasetError
from pipeline.evaluation import anomaly as evaluation
from pipeline.evaluation.plots import save_plots
from pipeline.original.pictures import load_pictures


def judged(normal: list[float], odd: list[float], groups: list[str] | None = None) -> evaluation.Judged:
    names = groups or ["a"] * len(normal) + ["b"] * len(odd)
    truth = np.array([False] * len(normal) + [True] * len(odd))
    return evaluation.Judged(np.array(normal + odd), truth, tuple(names))


def test_perfect_scores_have_an_auroc_of_one() -> None:
    assert evaluation.figures(judged([0.1, 0.2], [0.8, 0.9])).auroc == 1.0


def test_confusion_matrix_is_at_one_half() -> None:
    result = evaluation.figures(judged([0.1, 0.6, 0.2], [0.5, 0.4]))
    assert (result.true_negative, result.false_positive, result.false_negative, result.true_positive) == (2, 1, 1, 1)


def test_false_alarms_are_counted_for_every_video() -> None:
    result = evaluation.figures(judged([0.9, 0.1, 0.1, 0.1], [0.9], ["a", "a", "b", "b", "c"]))
    assert result.false_alarms == {"a": 0.5, "b": 0.0}
    assert result.false_alarm_mean == 0.25


def test_repetitions_too_little_of_which_is_seen_are_counted_by_label() -> None:
    every = replace(judged([0.1, 0.6, 0.2], [0.5, 0.4]), hidden=np.array([True, False, True, True, False]))
    result = evaluation.figures(every)
    assert (result.hidden_normals, result.hidden_anomalies) == (2, 1)
    assert (result.true_negative, result.true_positive) == (2, 1)


def test_interval_holds_the_auroc() -> None:
    rng = np.random.default_rng(0)
    groups = [f"n{i % 5}" for i in range(50)] + [f"a{i % 5}" for i in range(50)]
    result = evaluation.figures(judged(list(rng.normal(0, 1, 50)), list(rng.normal(1, 1, 50)), groups))
    assert result.auroc_interval[0] < result.auroc < result.auroc_interval[1]


def test_one_kind_of_label_is_a_dataset_error() -> None:
    with pytest.raises(DatasetError, match="only one kind"):
        evaluation.figures(judged([0.1], []))


def test_default_method_separates_pictures_of_unseen_videos(shared_data: Path) -> None:
    folder = shared_data / "seed" / "skelemotion"
    normal, odd = load_pictures(folder / "normal"), load_pictures(folder / "anomaly")
    judged_at = evaluation.judge_pictures(normal, odd, (0.05, 0.1))
    result = evaluation.figures(judged_at[0.1])
    assert result.auroc >= 0.92
    assert result.false_alarm_mean <= 0.10
    strict, usual = evaluation.at_rates(judged_at)
    assert (strict.rate, usual.rate) == (0.05, 0.1)
    assert strict.false_alarms <= 0.05
    assert strict.recall < usual.recall == result.recall
    assert usual.accuracy == result.accuracy


def test_pictures_are_judged_by_a_reference_alone(shared_data: Path) -> None:
    folder = shared_data / "seed" / "skelemotion"
    normal, odd = load_pictures(folder / "normal"), load_pictures(folder / "anomaly")
    is_first = np.array([group < "deadlift2" for group in normal.groups])
    known, rest = normal.rows(is_first), normal.rows(~is_first)
    judged_at = evaluation.judge_pictures(rest, odd, (0.1,), reference=known)[0.1]
    assert judged_at.groups == rest.groups + odd.groups
    assert evaluation.figures(judged_at).auroc >= 0.8
    again = evaluation.judge_pictures(rest.rows(np.arange(5)), odd, (0.1,), reference=known)[0.1]
    np.testing.assert_allclose(again.scores[:5], judged_at.scores[:5], atol=1e-5)  # what is judged teaches nothing


def test_plots_are_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    some = judged(list(rng.random(8)), list(rng.random(8)))
    files = save_plots(some, rng.normal(size=(16, 5)).astype(np.float32), tmp_path)
    assert [file.name for file in files] == ["roc.png", "confusion.png", "pca.png", "tsne.png"]
    assert all(file.stat().st_size > 1000 for file in files)
