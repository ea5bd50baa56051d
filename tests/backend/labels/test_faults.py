"""Ticked faults beside the first reasons that were given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dashboard_data import DRAWN, fill_videos, label
from fakes import CONFIG, analysis

from backend.labels.faults import FaultAgreement, Ticked, fault_agreements, stands_for, ticked_for
from backend.storage.jobs import Store
from backend.storage.summaries import refresh

BACK = "Rounded back"
"""The fault that the first reason of the fourth repetition stands for: the others are normal."""


def ticked(store: Store, folder: Path, **faults: list[str]) -> list[FaultAgreement]:
    reps = fill_videos(store, folder)
    regions = [(f"rep{n}", rep.start_s, rep.end_s, "anomalous") for n, rep in enumerate(reps, start=1)]
    label(store, 1, DRAWN, regions, faults=faults)
    refresh(store.engine)
    return fault_agreements(store, store.labels.of_project(1))


def test_the_same_fault_is_agreement(store: Store, tmp_path: Path) -> None:
    assert ticked(store, tmp_path, rep4=[BACK]) == [FaultAgreement(BACK, 1, 1, 0, 0, 0)]


def test_another_fault_counts_for_both(store: Store, tmp_path: Path) -> None:
    assert ticked(store, tmp_path, rep4=["Hitching"]) == [
        FaultAgreement("Hitching", 1, 0, 1, 0, 0),
        FaultAgreement(BACK, 0, 0, 0, 0, 1),
    ]


def test_a_fault_of_a_repetition_without_a_reason(store: Store, tmp_path: Path) -> None:
    assert ticked(store, tmp_path, rep1=[BACK]) == [FaultAgreement(BACK, 1, 0, 0, 1, 0)]


def test_several_faults_agree_where_one_is_the_same(store: Store, tmp_path: Path) -> None:
    assert ticked(store, tmp_path, rep4=["Hitching", BACK]) == [
        FaultAgreement("Hitching", 1, 0, 1, 0, 0),
        FaultAgreement(BACK, 1, 1, 0, 0, 0),
    ]


def test_a_fault_that_stayed_ticked_where_somebody_says_normal_is_none(store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path)
    label(store, 1, DRAWN, [("rep4", reps[3].start_s, reps[3].end_s, "normal")], faults={"rep4": [BACK]})
    refresh(store.engine)
    assert fault_agreements(store, store.labels.of_project(1)) == []


def test_nothing_is_counted_where_nobody_ticks(store: Store, tmp_path: Path) -> None:
    assert ticked(store, tmp_path) == []


def test_what_was_ticked_for_a_video(store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path)
    label(store, 1, DRAWN, [("rep1", reps[0].start_s, reps[0].end_s, "anomalous")], faults={"rep1": [BACK]})
    shown = replace(analysis((0.1,) * len(reps)), reps=reps)
    assert ticked_for(store, 1, DRAWN, shown) == [Ticked(1, 3, (BACK,), "anomalous")]


def test_a_reason_stands_for_a_fault_of_the_labeling_config(store: Store) -> None:
    store.remember_project(1, CONFIG)
    assert stands_for(store, 1, analysis((0.1, 0.9))) == ("", BACK)


def test_a_rounded_back_stands_for_its_fault_also_in_what_is_summarized(store: Store, tmp_path: Path) -> None:
    """The reason of the anomalous repetition stands for no choice."""
    reps = fill_videos(store, tmp_path, "feet", bow=0.06)
    label(store, 1, DRAWN, [("rep4", reps[3].start_s, reps[3].end_s, "anomalous")], faults={"rep4": [BACK]})
    refresh(store.engine)
    assert fault_agreements(store, store.labels.of_project(1)) == [FaultAgreement(BACK, 1, 1, 0, 0, 0)]


def test_a_note_of_a_rounded_back_names_the_fault_of_a_normal_repetition_too(store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path)
    label(store, 1, DRAWN, [("rep2", reps[1].start_s, reps[1].end_s, "anomalous")], faults={"rep2": [BACK]})
    refresh(store.engine)
    assert fault_agreements(store, store.labels.of_project(1)) == [FaultAgreement(BACK, 1, 1, 0, 0, 0)]


def test_a_note_that_people_do_not_tick_is_no_fault_that_we_had_ticked(store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path)
    label(store, 1, DRAWN, [("rep2", reps[1].start_s, reps[1].end_s, "anomalous")], faults={"rep2": ["Hitching"]})
    refresh(store.engine)
    assert fault_agreements(store, store.labels.of_project(1)) == [FaultAgreement("Hitching", 1, 0, 1, 0, 0)]
