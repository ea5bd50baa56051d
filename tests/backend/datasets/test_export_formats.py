"""What an export has for other tools: tables by split, COCO by split with pictures, and a README that says how."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import pytest
from labelled_project import LabelledProject
from video_files import grey, write_video

from backend.datasets import export as export_module
from backend.storage.jobs import Store
from pipeline.datasets import datasheet
from pipeline.datasets.coco import NAME, SPLIT_NAMES
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.parquet import FILE_KINDS, SCHEMA
from pipeline.datasets.verify import problems_of


@pytest.fixture
def project(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabelledProject:
    """Two videos with two repetitions each; their file is grey pictures of 60 seconds."""
    monkeypatch.setattr(datasheet, "_figures", lambda summary: {})
    video = write_video(
        tmp_path / "grey.mp4", times=[n / 10 for n in range(600)], draw=lambda n, w, h: grey(n % 30, w, h)
    )
    monkeypatch.setattr(export_module.MediaFetcher, "fetch", lambda *_: video)
    project = LabelledProject(store, tmp_path)
    for task in (1, 2):
        project.add_video(task, reps=2)
        project.label(task)
    return project


def test_an_export_is_whole_and_every_file_kind_has_a_column(project: LabelledProject) -> None:
    folder = project.export(clips=True, frames=True).stored.folder
    assert list(problems_of(folder)) == []
    assert {kind for row in rows_of(folder) for kind in row.files} == set(FILE_KINDS)
    files = pq.read_table(folder / "reps.parquet")["files"].to_pylist()
    assert files == [dict(row.files) for row in rows_of(folder)]


def test_coco_by_split_is_coco_of_all(project: LabelledProject) -> None:
    folder = project.export().stored.folder
    whole = json.loads((folder / NAME).read_text())
    parts = {split: json.loads((folder / name).read_text()) for split, name in SPLIT_NAMES.items()}
    for what in ("images", "annotations"):
        assert sorted(one["id"] for part in parts.values() for one in part[what]) == [o["id"] for o in whole[what]]
    assert all({image["split"] for image in part["images"]} <= {split} for split, part in parts.items())


def test_every_coco_image_has_its_picture_if_asked_for(project: LabelledProject) -> None:
    done = project.export(frames=True)
    images = json.loads((done.stored.folder / NAME).read_text())["images"]
    assert done.frames == len(images) > 0
    for image in images:
        path = done.stored.folder / "images" / image["split"] / image["file_name"]
        assert cv2.imread(str(path)) is not None
    assert done.missing_count == 0


def test_without_pictures_there_are_none(project: LabelledProject) -> None:
    assert [path.name for path in (project.export().stored.folder / "images").iterdir()] == ["README.txt"]


def test_the_readme_names_what_is_there(project: LabelledProject) -> None:
    text = (project.export(labels_only=True).stored.folder / "README.md").read_text()
    assert "splits/train.parquet" in text
    assert "fiftyone.json" in text
    assert "sleap" not in text
    assert "sleap" in (project.export().stored.folder / "README.md").read_text()


def test_another_release_of_a_library_makes_no_new_version(
    project: LabelledProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.export()
    monkeypatch.setattr("pipeline.datasets.parquet.SCHEMA", SCHEMA.with_metadata({"by": "another release"}))
    assert not project.export().stored.is_new
