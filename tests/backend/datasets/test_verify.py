"""Checking a dataset: whatever happens to one is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from label_studio_api import FakeLabelStudio
from labelled_project import LabelledProject
from typer.testing import CliRunner, Result

from backend.cli import app
from backend.errors import LabelConfigError, NotInLabelStudio
from backend.storage.jobs import Store
from pipeline.datasets.verify import problems_of
from pipeline.datasets.versions import MANIFEST, SUMS, file_sum, files_of, version_at
from pipeline.errors import DatasetError


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a dataset with two videos, by name."""
    folder = tmp_path_factory.mktemp("export")
    store = Store(f"sqlite:///{folder / 'backend.sqlite3'}")
    project = LabelledProject(store, folder)
    for task in (1, 2):
        project.add_video(task, reps=2)
        project.label(task)
    version = project.export().stored.folder
    store.close()
    return {path.relative_to(version).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}


@pytest.fixture
def dataset(exported: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in exported.items():
        path = tmp_path / "out" / "v0001" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "out" / "v0001"


def forge(dataset: Path, name: str, change: Callable[[str], str]) -> list[str]:
    """Change a file and its sum, as somebody who edits a dataset by hand might; returns what is found wrong."""
    path = dataset / name
    path.write_text(change(path.read_text()))
    sums = "".join(f"{file_sum(one)}  {one.relative_to(dataset).as_posix()}\n" for one in files_of(dataset))
    (dataset / SUMS).write_text(sums)
    return list(problems_of(dataset))


def test_a_whole_dataset_has_no_problems(dataset: Path) -> None:
    assert list(problems_of(dataset)) == []


def test_the_datasheet_has_its_pictures(dataset: Path) -> None:
    assert len(list((dataset / "plots").glob("*.png"))) == 4


def test_a_changed_file_is_named(dataset: Path) -> None:
    path = dataset / "reps.csv"
    path.write_text(path.read_text() + "\n")
    assert "reps.csv was changed: its SHA-256 is another one" in list(problems_of(dataset))


def test_a_missing_file_is_named(dataset: Path) -> None:
    (dataset / "skeleton" / "squad-1_rep_1.skeleton").unlink()
    found = list(problems_of(dataset))
    assert "skeleton/squad-1_rep_1.skeleton is missing" in found
    assert "squad-1_rep_1: skeleton/squad-1_rep_1.skeleton is not there" in found


def test_an_added_file_is_named(dataset: Path) -> None:
    (dataset / "notes.txt").write_text("mine")
    assert list(problems_of(dataset)) == [f"notes.txt is not in {SUMS}: it was added later"]


@pytest.mark.parametrize("name", [SUMS, "manifest.jsonl", "dataset.json"])
def test_without_what_says_what_it_is_nothing_can_be_told(dataset: Path, name: str) -> None:
    (dataset / name).unlink()
    with pytest.raises(DatasetError, match=name):
        list(problems_of(dataset))


def test_a_forged_label_is_found(dataset: Path) -> None:
    found = forge(dataset, "manifest.jsonl", lambda text: text.replace('"normal"', '"anomalous"', 1))
    assert found == ["the labels of manifest.jsonl have another digest than dataset.json tells"]


def test_a_forged_time_is_found(dataset: Path) -> None:
    def later(text: str) -> str:
        first, rest = text.split("\n", 1)
        row = json.loads(first)
        return json.dumps(row | {"end_s": row["end_s"] + 1.0}) + "\n" + rest

    found = forge(dataset, "manifest.jsonl", later)
    assert "squad-1_rep_1: its frames are not its seconds" in found
    assert "squad-1_rep_1: its landmarks are of another time" in found


def test_a_group_in_two_splits_is_found(dataset: Path) -> None:
    def elsewhere(text: str) -> str:
        first, rest = text.split("\n", 1)
        row = json.loads(first)
        return json.dumps(row | {"split": "val" if row["split"] != "val" else "test"}) + "\n" + rest

    assert any("is in" in problem for problem in forge(dataset, "manifest.jsonl", elsewhere))


def test_a_repetition_that_is_there_twice_is_found(dataset: Path) -> None:
    found = forge(dataset, "manifest.jsonl", lambda text: text + text.split("\n", 1)[0] + "\n")
    assert "squad-1_rep_1 is twice in manifest.jsonl" in found
    assert "dataset.json tells of 4 repetitions, manifest.jsonl has 5" in found


def test_a_table_that_lacks_a_repetition_is_found(dataset: Path) -> None:
    found = forge(dataset, "reps.csv", lambda text: text.rstrip().rpartition("\n")[0] + "\n")
    assert found == ["reps.csv does not have the repetitions of manifest.jsonl"]


def test_an_elan_document_that_lacks_a_repetition_is_found(dataset: Path) -> None:
    found = forge(dataset, "elan/squad-1.eaf", lambda text: text.replace("ALIGNABLE_ANNOTATION", "NOTHING"))
    assert found == ["elan/squad-1.eaf has 0 repetitions, manifest.jsonl has 2"]


def test_a_label_studio_file_with_other_frames_is_found(dataset: Path) -> None:
    found = forge(dataset, "label_studio.json", lambda text: text.replace('"start": ', '"start": 1', 1))
    assert found == ["label_studio.json does not have the repetitions of manifest.jsonl"]


def test_the_newest_version_below_a_folder_is_meant(dataset: Path) -> None:
    (dataset.parent / "v0010").mkdir()
    (dataset.parent / "v0009").mkdir()
    assert version_at(dataset.parent).name == "v0010"


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no exported dataset"):
        version_at(tmp_path)


def test_the_command_says_what_is_wrong(dataset: Path) -> None:
    (dataset / "reps.csv").unlink()
    result = CliRunner().invoke(app, ["export", "--verify", str(dataset.parent)])
    assert result.exit_code == 1
    assert "reps.csv is missing" in result.output


def test_the_command_says_that_a_dataset_is_whole(dataset: Path) -> None:
    result = CliRunner().invoke(app, ["export", "--verify", str(dataset)])
    assert (result.exit_code, "whole, digest" in result.output) == (0, True)


@pytest.fixture
def export_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label_studio: FakeLabelStudio
) -> Callable[[int], Result]:
    """Runs `deadlift export` of a project of the small Label Studio, of which nothing is known here yet."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.refresh_token)
    return lambda project: CliRunner().invoke(app, ["export", f"--project={project}", "--out", str(tmp_path / "out")])


def test_a_project_that_label_studio_does_not_have_is_named(export_of: Callable[[int], Result]) -> None:
    result = export_of(99)
    assert isinstance(result.exception, NotInLabelStudio)
    assert str(result.exception).startswith("Label Studio does not have project 99.")


def test_a_project_whose_labeling_config_does_not_fit_is_told_what_is_missing(
    export_of: Callable[[int], Result], label_studio: FakeLabelStudio
) -> None:
    label_studio.label_config = "<View><Image name='image' value='$image'/></View>"
    result = export_of(1)
    assert isinstance(result.exception, LabelConfigError)
    assert "not known here" not in str(result.exception)


@pytest.mark.parametrize("date", ["..", "2026-02-30", "2026-01-31T11:00", "2026-02-01..2026-01-31", "yesterday"])
def test_what_is_no_range_of_days_is_refused(tmp_path: Path, date: str) -> None:
    result = CliRunner().invoke(app, ["export", "--project=1", "--out", str(tmp_path), "--date", date])
    assert result.exit_code == 2
    assert date in result.output


@pytest.mark.parametrize("date", ["20260131", "2026-01-31", "2026-01-01..", "..2026-01-31"])
def test_ranges_of_days_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["export", "--project=1", "--out", str(tmp_path), "--date", date])
    assert isinstance(result.exception, LabelConfigError)  # no such project, which is looked for after the filters


def test_the_command_checks_all_exports_below_a_folder(dataset: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(dataset, tmp_path / "exports" / name / "v0001")
    (tmp_path / "exports" / "two" / "v0001" / "reps.csv").unlink()
    result = CliRunner().invoke(app, ["export", "--verify", str(tmp_path / "exports")])
    assert result.exit_code == 1
    assert f"{tmp_path / 'exports' / 'one' / 'v0001'}: whole" in result.output
    assert "reps.csv is missing" in result.output


@pytest.mark.parametrize("lost", [(SUMS,), (MANIFEST,), (SUMS, MANIFEST)])
@pytest.mark.parametrize("given", ["exports", "exports/one"])
def test_a_version_that_cannot_be_read_is_told_and_the_others_are_checked(
    dataset: Path, tmp_path: Path, lost: tuple[str, ...], given: str
) -> None:
    export = tmp_path / "exports" / "one"
    for number in (1, 2, 3):
        shutil.copytree(dataset, export / f"v{number:04d}")
    for name in lost:
        (export / "v0002" / name).unlink()
    result = CliRunner().invoke(app, ["export", "--verify", str(tmp_path / given)])
    assert result.exit_code == 1
    assert str(export / "v0002") in result.output
    assert [line.partition(": ")[0] for line in result.output.splitlines() if ": whole" in line] == [
        str(export / "v0001"), str(export / "v0003"),
    ]  # fmt: skip
