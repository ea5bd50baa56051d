"""The way back: what an export's Label Studio JSON has, and that its import is exported alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from labelled_project import RATE, LabelledProject, without_ids_and_times

from backend.labelstudio.format import Json
from backend.storage.jobs import Store
from pipeline.datasets import datasheet
from pipeline.datasets.filters import Filters
from pipeline.datasets.frames import to_frames
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.datasets.verify import problems_of


@pytest.fixture
def project(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabelledProject:
    """Two videos with three repetitions each, left as they were predicted; exports are made without plots."""
    monkeypatch.setattr(datasheet, "_figures", lambda summary: {})
    project = LabelledProject(store, tmp_path)
    for task in (1, 2):
        project.add_video(task)
        project.label(task)
    return project


def rows(lab: LabelledProject, **how: Any) -> list[ExportedRep]:
    return list(rows_of(lab.export(**how).stored.folder))


def imported(project: LabelledProject, filters: Filters | None = None) -> list[Json]:
    tasks: list[Json] = json.loads((project.export(filters).stored.folder / "label_studio.json").read_text())
    return tasks


def test_an_imported_export_is_exported_alike(project: LabelledProject, tmp_path: Path) -> None:
    cut = project.analyses[1].reps
    project.label(
        1,
        project.region(cut[0], "rep0", "Anomalous rep", origin="prediction-changed"),
        project.region(cut[1], "rep1", later=7),
        project.region(cut[2], "mine", origin="manual"),
        number=9,
        ground_truth=True,
    )
    project.label(1, number=10, completed_by=8)
    before = rows(project)
    project.import_again(imported(project))
    after = rows(project, project=2, out=tmp_path / "again")
    assert [without_ids_and_times(row) for row in after] == [without_ids_and_times(row) for row in before]


def test_it_imports_everything_that_was_said_of_a_region(project: LabelledProject) -> None:
    (result,) = [one["result"] for task in imported(project)[:1] for one in task["annotations"]]
    rep = project.analyses[1].reps[0]
    start, end = to_frames(rep.start_s, rep.end_s, RATE, 1000.0)
    assert result[0]["value"] == {"ranges": [{"start": start, "end": end}], "timelinelabels": ["Normal rep"]}
    assert result[0]["meta"]["deadlift"]["proposal"]["score"] == 0.3


def test_an_import_names_no_user_that_another_label_studio_lacks(project: LabelledProject) -> None:
    assert all("completed_by" not in one for task in imported(project) for one in task["annotations"])


def test_an_import_is_ground_truth_only_where_it_was(project: LabelledProject) -> None:
    assert [one["ground_truth"] for task in imported(project) for one in task["annotations"]] == [False, False]


def test_a_filter_holds_for_what_is_imported(project: LabelledProject) -> None:
    tasks = imported(project, Filters(min_confidence=0.75))
    assert [len(task["annotations"][0]["result"]) for task in tasks] == [2, 2]


def test_labels_of_earlier_releases_are_written_anew(project: LabelledProject) -> None:
    with project.store.engine.begin() as connection:
        connection.exec_driver_sql("delete from annotation_sources")
    tasks = imported(project)
    assert [[one["id"] for one in task["annotations"][0]["result"]] for task in tasks] == [["rep0", "rep1", "rep2"]] * 2
    assert tasks[0]["annotations"][0]["result"][0]["value"]["timelinelabels"] == ["Normal rep"]


def test_without_any_word_of_the_frame_rate_nothing_is_guessed(project: LabelledProject) -> None:
    project.add_video(3, is_predicted=False)
    project.label(3)
    with project.store.engine.begin() as connection:
        connection.exec_driver_sql("delete from annotation_sources where annotation_id = 3")
    done = project.export()
    assert [row.start_frame for row in rows_of(done.stored.folder) if row.task == 3] == [None] * 3
    assert any("frame rate is not known" in why for _, why in done.missing)


def test_what_others_wrote_into_meta_is_no_provenance(project: LabelledProject) -> None:
    odd = project.region(project.analyses[1].reps[0], "rep0") | {"meta": {"deadlift": {"proposal": "yes"}}}
    project.label(1, odd, number=9, parent_prediction=None)
    row = rows(project)[0]
    assert (row.origin, row.score) == ("untouched", None)


@pytest.mark.parametrize("name", ["", "same"])
def test_regions_that_cannot_be_told_apart_by_id_are_written_anew(project: LabelledProject, name: str) -> None:
    first, second, third = project.analyses[1].reps
    project.label(
        1,
        project.region(first, name),
        project.region(second, name, "Anomalous rep"),
        project.region(third, name),
        {**project.region(third, name), "type": "choices", "from_name": "fault", "value": {"choices": ["Hitching"]}},
        number=9,
    )
    folder = project.export(Filters(labels=("anomalous",))).stored.folder
    (task,) = json.loads((folder / "label_studio.json").read_text())
    (result, fault) = task["annotations"][0]["result"]
    start, end = to_frames(second.start_s, second.end_s, RATE, 1000.0)
    assert result["value"] == {"ranges": [{"start": start, "end": end}], "timelinelabels": ["Anomalous rep"]}
    assert result["meta"]["deadlift"]["proposal"]["score"] == 0.2
    assert (fault["id"], fault["value"]["choices"]) == (result["id"], ["Hitching"])
    assert list(problems_of(folder)) == []
    assert len({one["id"] for task in imported(project) for one in task["annotations"][0]["result"]}) == 6
