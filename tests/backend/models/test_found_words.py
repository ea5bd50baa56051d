"""Counts of repetitions in words."""

from __future__ import annotations

from backend.models.found_words import found_words


def test_without_faulty_repetitions_what_is_flagged_of_good_ones_is_said() -> None:
    figures = {"normals": 20.0, "anomalies": 0.0, "candidate_false_alarms": 0.05, "current_false_alarms": 0.1}
    said = "Flags 1 of 20 good repetitions of unseen videos (before: 2); no faulty one "
    assert found_words(figures) == f"{said}is labelled"
    assert found_words(figures, {"anomalous": 5}) == f"{said}could be judged"


def test_without_figures_nothing_is_claimed() -> None:
    assert found_words({}) == "No figures are stored of it"
    assert found_words({"normals": 0.0}) == "No good repetition of an unseen video could be judged"
