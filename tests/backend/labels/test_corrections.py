"""What people did with predictions, repetition by repetition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_data import DRAWN, fill_videos, label
from fakes import WITH_THIRD_LABEL, analysis

from backend.labels.corrections import LabelReport, called, report
from backend.storage import summaries
from backend.storage.jobs import Store
from pipeline.records import Rep, RepScore


@pytest.fixture
def reps(store: Store, tmp_path: Path) -> tuple[Rep, ...]:
    return fill_videos(store, tmp_path)


def found(store: Store) -> LabelReport:
    summaries.refresh(store.engine)
    return report(store.engine, store.labels.of_project(1))


def region(
    reps: tuple[Rep, ...], number: int, name: str = "", label: str = "", later: float = 0.0
) -> tuple[str, float, float, str]:
    """The prediction's repetition as Label Studio keeps it; the fourth one is predicted anomalous."""
    rep = reps[number - 1]
    said = label or ("anomalous" if number == 4 else "normal")
    return name or f"rep{number}", rep.start_s + later, rep.end_s + later, said


def kinds(store: Store) -> list[tuple[int, str]]:
    return [(one.number, one.kind) for one in found(store).corrections]


def test_what_stays_as_predicted_is_accepted(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, n) for n in range(1, 6)])
    assert kinds(store) == [(n, "accepted") for n in range(1, 6)]


def test_each_kind_of_correction_is_told(store: Store, reps: tuple[Rep, ...]) -> None:
    drawn = [region(reps, 1), region(reps, 2, later=0.4), region(reps, 4, label="normal"), ("new", 0.0, 0.6, "normal")]
    label(store, 1, DRAWN, drawn)
    assert sorted(kinds(store)) == [
        (0, "added"), (1, "accepted"), (2, "moved"), (3, "removed"), (4, "relabelled"), (5, "removed"),
    ]  # fmt: skip


def test_what_could_not_be_judged_has_no_score_and_is_no_predicted_anomaly(store: Store, tmp_path: Path) -> None:
    drawn = fill_videos(store, tmp_path, unjudged=4)
    label(store, 1, DRAWN, [region(drawn, 4, label="normal")])
    fourth = next(one for one in found(store).corrections if one.number == 4)
    assert (fourth.kind, fourth.predicted, fourth.score) == ("accepted", "normal", None)


def test_a_shift_is_as_far_as_the_boundary_went(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 2, later=0.4)])
    moved = next(one for one in found(store).corrections if one.kind == "moved")
    assert (moved.start_shift_s, moved.end_shift_s) == pytest.approx((0.4, 0.4), abs=0.03)


def test_a_region_with_an_id_of_another_prediction_is_the_one_that_it_lies_on(
    store: Store, reps: tuple[Rep, ...]
) -> None:
    label(store, 1, DRAWN, [region(reps, 3, name="rep9")])
    assert (3, "accepted") in kinds(store)


def test_what_was_drawn_anew_is_added_and_the_predicted_one_removed(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 3, name="drawn-again")])
    assert {(0, "added"), (3, "removed")} <= set(kinds(store))


def test_a_predicted_repetition_is_the_base_of_one_region_alone(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 3, name="rep9", later=-0.02), region(reps, 3)])
    assert [kind for number, kind in kinds(store) if number in (0, 3)] == ["added", "accepted"]


def test_a_draft_counts_by_what_its_task_had_when_it_was_begun(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1)], parent_prediction=None, updated_at="2999-01-02T00:00:00Z")
    assert (1, "accepted") in kinds(store)


def test_without_a_known_prediction_everything_is_added(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1)], parent_prediction=None)
    assert kinds(store) == [(0, "added")]
    assert found(store).work[0].accepted_share is None


def test_an_annotation_that_was_begun_empty_removes_nothing(store: Store, reps: tuple[Rep, ...]) -> None:
    drawn = [region(reps, 1, name="drawn")]
    label(store, 1, DRAWN, drawn, parent_prediction=None, updated_at="2999-01-02T00:00:00Z")
    assert kinds(store) == [(0, "added")]


def test_work_is_counted_by_person_and_model(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, n) for n in range(1, 6)])
    label(store, 2, DRAWN, [region(reps, 1, label="anomalous")], annotator=9)
    assert [(one.annotator, one.counts["accepted"], one.accepted_share) for one in found(store).work] == [
        (3, 5, 1.0),
        (9, 0, 0.0),
    ]


def test_who_annotated_a_task_twice_labelled_one_video(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1), region(reps, 2)], updated_at="2026-01-03T00:00:00Z")
    label(store, 2, DRAWN, [region(reps, 1, label="anomalous")])
    label(store, 3, DRAWN, [region(reps, 1)], annotator=9)
    assert [(one.annotator, one.annotations, one.counts["relabelled"]) for one in found(store).work] == [
        (3, 1, 0),
        (9, 1, 0),
    ]
    assert [one.annotators for one in found(store).agreements] == [(3, 9)]


def test_annotations_of_nobody_known_are_not_one_person_s(store: Store, reps: tuple[Rep, ...]) -> None:
    for number in (1, 2):
        label(store, number, DRAWN, [region(reps, 1)], completed_by=None)
    assert [one.annotations for one in found(store).work] == [2]
    assert [one.both for one in found(store).agreements] == [1]


def test_two_people_are_compared(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1), region(reps, 2), region(reps, 3)])
    label(store, 2, DRAWN, [region(reps, 1), region(reps, 2, label="anomalous", later=0.1)], annotator=9)
    (one,) = found(store).agreements
    assert (one.both, one.only_first, one.only_second, one.same_label) == (2, 1, 0, 1)
    assert one.boundary_s == pytest.approx(0.05, abs=0.02)
    assert one.most_s == pytest.approx(0.1, abs=0.03)
    second, third = one.differences
    assert (second.start_s, second.labels) == (pytest.approx(reps[1].start_s, abs=0.03), ("normal", "anomalous"))
    assert (third.start_s, third.labels) == (pytest.approx(reps[2].start_s, abs=0.03), ("normal", ""))


def test_a_boundary_that_two_people_drew_elsewhere_is_listed(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1)])
    label(store, 2, DRAWN, [region(reps, 1, later=0.3), region(reps, 3)], annotator=9)
    (one,) = found(store).agreements
    first, second = one.differences
    assert (first.labels, first.is_moved, first.apart_s) == (("normal", "normal"), True, pytest.approx(0.3, abs=0.05))
    assert (second.labels, second.is_of_both, second.is_moved) == (("", "normal"), False, False)
    assert (one.same_label, one.only_second) == (1, 1)


def test_what_people_called_repetitions_is_found_also_by_another_models_prediction(
    store: Store, reps: tuple[Rep, ...]
) -> None:
    label(store, 1, DRAWN, [region(reps, 1), region(reps, 2, label="anomalous"), region(reps, 3, name="a5Xk")])
    scores = tuple(RepScore(0.1, 0.5, 1.0) for _ in reps)
    other = replace(analysis(()), reps=reps, scores=scores, model_version="another")
    assert [(one.number, one.annotator, one.label) for one in called(other, store.labels.of_project(1))] == [
        (1, 3, "normal"),
        (2, 3, "anomalous"),
        (3, 3, "normal"),
    ]


def test_labels_that_somebody_skipped_or_deleted_do_not_count(store: Store, reps: tuple[Rep, ...]) -> None:
    label(store, 1, DRAWN, [region(reps, 1)], was_cancelled=True)
    label(store, 2, DRAWN, [region(reps, 1)])
    store.labels.delete_annotations([2])
    assert found(store).work == ()


def test_what_somebody_gave_a_label_that_is_not_used_was_not_removed(store: Store, reps: tuple[Rep, ...]) -> None:
    store.remember_project(1, WITH_THIRD_LABEL)
    label(store, 1, DRAWN, [region(reps, 1), region(reps, 2, label="Unsure"), region(reps, 4, "new", "Unsure")])
    assert kinds(store) == [(1, "accepted"), (3, "removed"), (4, "removed"), (5, "removed")]
