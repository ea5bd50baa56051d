"""Rows of a dataset: their names, their splits, and what of them is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from dataset_rows import ROW

from pipeline.datasets.filters import Filters, Funnel
from pipeline.datasets.rows import (
    CSV_COLUMNS,
    ExportedRep,
    dataset_digest,
    from_json,
    split_of,
    to_csv,
    to_json,
    video_name,
)
from pipeline.errors import DatasetError


def kept(filters: Filters, *rows: ExportedRep) -> list[bool]:
    funnel = Funnel(filters)
    return [funnel.passes(row) for row in rows]


def test_a_row_comes_back_from_its_line() -> None:
    assert from_json(to_json(ROW), "manifest") == ROW


def test_what_a_later_release_adds_is_passed_over() -> None:
    assert from_json(to_json(ROW)[:-1] + ', "weather": "fair"}', "manifest") == ROW


@pytest.mark.parametrize("line", ["", "[]", "3", "{}", to_json(ROW).replace('"normal"', '"odd"')])
def test_a_line_that_is_no_row_is_named(line: str) -> None:
    with pytest.raises(DatasetError, match="line 3"):
        from_json(line, "manifest.jsonl, line 3")


def test_faults_are_one_cell_of_the_table() -> None:
    assert dict(zip(CSV_COLUMNS, to_csv(ROW), strict=True))["faults"] == "Hitching;Rounded back"


@pytest.mark.parametrize("changes", [{"start_s": 3.0}, {"label": "odd"}, {"origin": "odd"}, {"split": "odd"}])
def test_what_is_no_repetition_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        replace(ROW, **changes)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my_lift.v2.mp4", "my_lift-v2"),
        ("monday set.mov", "monday-set"),
        ("Zugübung.mp4", "Zug-bung"),
        ("lift", "lift"),
        ("%.mp4", "video"),
    ],
)
def test_files_are_named_after_the_video(file: str, name: str) -> None:
    assert video_name(file) == name


def test_a_group_stays_in_its_split() -> None:
    assert [split_of(f"lifter {n}") for n in range(6)] == ["train", "train", "val", "test", "val", "train"]


def test_splits_have_their_shares() -> None:
    counts = Counter(split_of(f"video {n}") for n in range(2000))
    assert [counts[split] / 2000 for split in ("train", "val", "test")] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)


def test_the_lifter_counts_before_the_video() -> None:
    assert replace(ROW, lifter="anna").group == replace(ROW, lifter="anna", digest="e").group != ROW.group


def test_the_digest_does_not_depend_on_the_order() -> None:
    labels = [("a", 1.0, 2.0, "normal"), ("b", 1.0, 2.0, "normal")]
    assert dataset_digest(labels) == dataset_digest(labels[::-1]) != dataset_digest(labels[:1])


@pytest.mark.parametrize("note", ['=HYPERLINK("http://x")', "+1", "-1", "@x"])
def test_no_cell_of_the_table_is_a_formula(note: str) -> None:
    assert dict(zip(CSV_COLUMNS, to_csv(replace(ROW, note=note)), strict=True))["note"] == f"'{note}"


def test_without_filters_everything_passes() -> None:
    assert kept(Filters(), ROW) == [True]


@pytest.mark.parametrize(
    ("filters", "changes"),
    [
        (Filters(labels=("normal",)), {"label": "anomalous"}),
        (Filters(annotators=(7, 8)), {"annotator": 9}),
        (Filters(annotators=(7,)), {"annotator": None}),
        (Filters(origins=("untouched", "changed")), {"origin": "manual"}),
    ],
)
def test_a_filter_keeps_what_it_names(filters: Filters, changes: dict[str, Any]) -> None:
    assert kept(filters, ROW, replace(ROW, **changes)) == [True, False]


def test_ground_truth_alone() -> None:
    assert kept(Filters(ground_truth=True), ROW, replace(ROW, ground_truth=True)) == [False, True]


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(), [True, True, True, True]),
        (Filters(ground_truth=True), [True, False, True, False]),
        (Filters(since="2026-02-01"), [False, False, False, True]),
        (Filters(until="2026-02-01"), [True, True, True, False]),
        (Filters(annotators=(7,)), [True, True, False, False]),
        (Filters(annotators=(9,), ground_truth=True), [False, False, True, False]),
    ],
)
def test_an_annotation_passes_where_its_repetitions_do(filters: Filters, passing: list[bool]) -> None:
    of_annotations = [
        (7, "2026-01-02T03:04:05Z", True),
        (7, "2026-01-02T03:04:05Z", False),
        (9, "2026-01-02T03:04:05Z", True),
        (9, "2026-02-03T04:05:06Z", False),
    ]
    assert [filters.of_annotation(*one) for one in of_annotations] == passing
    rows = [replace(ROW, annotator=who, labeled_at=when, ground_truth=truth) for who, when, truth in of_annotations]
    assert kept(filters, *rows) == passing


def test_agreement_needs_others() -> None:
    rows = [replace(ROW, agreement=value) for value in (None, 0.4, 0.5, 1.0)]
    assert kept(Filters(agreement=0.5), *rows) == [False, False, True, True]


def test_confidence_needs_a_proposal() -> None:
    rows = [replace(ROW, confidence=value) for value in (None, 0.7, 0.8)]
    assert kept(Filters(min_confidence=0.8), *rows) == [False, False, True]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-01-31", "2026-01-31", True),
        ("2026-01-31", "", True),
        ("2026-02-01", "", False),
        ("", "2026-01-30", False),
        ("", "2026-01-31", True),
    ],
)
def test_days_are_whole(since: str, until: str, expected: bool) -> None:
    assert kept(Filters(since=since, until=until), ROW) == [expected]


def test_the_funnel_says_what_each_filter_removed() -> None:
    funnel = Funnel(Filters(labels=("normal",), origins=("manual",)))
    for row in (ROW, replace(ROW, label="anomalous"), replace(ROW, origin="manual")):
        funnel.passes(row)
    assert funnel.lines() == ["--label normal removed 1 of 3", "--origin manual removed 1 of 2"]
