"""Repetitions as intervals: FiftyOne's temporal detections and subtitles; and the README that names all formats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from dataset_rows import ROW

from pipeline.datasets.fiftyone import NAME, FiftyOneLabels
from pipeline.datasets.readme import write_readme
from pipeline.datasets.rows import to_json
from pipeline.datasets.versions import MANIFEST
from pipeline.datasets.webvtt import write_webvtt

REP = replace(ROW, start_frame=9, end_frame=60, frame_rate=24.0, confidence=0.75)


def fiftyone(folder: Path, *videos: tuple[str, int | None]) -> Path:
    labels = FiftyOneLabels(folder)
    rows = [replace(REP, name=name, rep=f"{name}_rep_0", start_frame=start) for name, start in videos]
    for row in rows:
        labels.add(row, None, None)
    labels.close()
    (folder / MANIFEST).write_text("".join(f"{to_json(row)}\n" for row in rows))
    return folder / NAME


def test_fiftyone_has_frames_labels_and_attributes(tmp_path: Path) -> None:
    content = json.loads(fiftyone(tmp_path, ("squad", 9), ("hall", 9)).read_text())
    (one,) = content["labels"]["squad"]
    assert content["classes"][one["label"]] == "normal"
    assert (one["support"], one["confidence"]) == ([9, 60], 0.75)
    assert one["attributes"]["faults"] == ["Hitching", "Rounded back"]
    assert list(content["labels"]) == ["squad", "hall"]


def test_fiftyone_without_repetitions_is_whole(tmp_path: Path) -> None:
    assert json.loads(fiftyone(tmp_path, ("squad", None)).read_text())["labels"] == {}


def test_fiftyone_is_checked(tmp_path: Path) -> None:
    fiftyone(tmp_path, ("squad", 9), ("hall", None))
    assert list(FiftyOneLabels.problems(tmp_path)) == []
    (tmp_path / MANIFEST).write_text(to_json(replace(REP, end_frame=61)))
    assert list(FiftyOneLabels.problems(tmp_path)) == [f"{NAME} does not have the repetitions of {MANIFEST}"]


@pytest.mark.parametrize("content", ["", "[]", '{"labels": [1]}', '{"labels": {"a": [{}]}}'])
def test_damaged_fiftyone_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    (found,) = FiftyOneLabels.problems(tmp_path)
    assert found.startswith(f"{NAME} cannot be read (")


def test_subtitles_are_in_order_of_time(tmp_path: Path) -> None:
    later = replace(ROW, rep="squad_rep_1", start_s=3723.0015, end_s=3725.0, faults=())
    write_webvtt(tmp_path / "a.vtt", [later, ROW])
    assert (tmp_path / "a.vtt").read_text() == (
        "WEBVTT\n\n"
        "squad_rep_0\n00:00:00.333 --> 00:00:02.500\nnormal\nHitching\nRounded back\n\n"
        "squad_rep_1\n01:02:03.002 --> 01:02:05.000\nnormal\n"
    )


def test_what_people_write_does_not_end_a_subtitle(tmp_path: Path) -> None:
    write_webvtt(tmp_path / "a.vtt", [replace(ROW, faults=("a\n\n<b> --> & c",))])
    assert (tmp_path / "a.vtt").read_text().endswith("normal\na &lt;b&gt; --&gt; &amp; c\n")


def test_readme_names_the_tables_of_the_splits_that_have_rows(tmp_path: Path) -> None:
    write_readme(tmp_path, "Lifts", {"train": 3, "val": 0, "test": 1}, ["reps.parquet"])
    _, head, text = (tmp_path / "README.md").read_text().split("---\n", 2)
    assert [line.split()[-1] for line in head.splitlines() if "path:" in line] == [
        "splits/train.parquet",
        "splits/test.parquet",
    ]
    assert "read_parquet" in text
    assert "ELAN" not in text
