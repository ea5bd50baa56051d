"""Which videos a bulk command is about: folders, lists, patterns, addresses, and the tasks of a project."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio

from backend.archives.sources import files, tasks
from backend.errors import BadRequest, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import parse_controls


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with videos at two levels, and with what is none."""
    for name in ("b.mp4", "a.MOV", "below/c.mkv", "notes.pdf", ".hidden.mp4", ".trash/d.mp4"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path / "archive"


def names(*given: object, base: Path) -> list[str]:
    return [str(Path(source.name).relative_to(base)) for source in files(str(one) for one in given)]


def test_a_folder_is_its_videos_and_those_below(archive: Path) -> None:
    assert names(archive, base=archive) == ["a.MOV", "b.mp4", "below/c.mkv"]


# (photoprism#2899, stash#4524, immich#3300)
CAMERAS = "00001.m2ts b.MTS VTS_01_1.VOB MOV001.MOD M2U.TOD a.m4v b.3gp c.webm d.ogv e.wmv f.mpg g.ts h.flv i.qt j.mpeg"


@pytest.mark.parametrize("name", CAMERAS.split())
def test_what_cameras_write_is_found_in_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"1")
    assert names(tmp_path, base=tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.m4a", "a.jpg", "a.heic", "a.srt", "a.m3u8", "a.txt", "a.avif", "a"])
def test_what_is_no_video_is_counted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"1")
    passed_over: Counter[str] = Counter()
    assert list(files([str(tmp_path)], passed_over)) == []
    assert passed_over == {Path(name).suffix: 1}


def test_only_in_folders_files_are_passed_over(archive: Path) -> None:
    passed_over: Counter[str] = Counter()
    assert len(list(files([str(archive), str(archive / "notes.pdf")], passed_over))) == 4
    assert passed_over == {".pdf": 1}


def test_a_pattern_is_what_it_matches(archive: Path) -> None:
    assert names(archive / "**" / "*.m*", base=archive) == ["b.mp4", "below/c.mkv"]


def test_a_file_may_be_called_anything(archive: Path) -> None:
    assert names(archive / "notes.pdf", base=archive) == ["notes.pdf"]


def test_a_list_names_files_folders_patterns_and_addresses(archive: Path) -> None:
    (archive / "list.txt").write_text("# remark\n\nb.mp4\nbelow\n*.MOV\nhttps://example.com/x.mp4\n")
    found = [source.name for source in files([str(archive / "list.txt")])]
    assert found == [
        *(str(archive / name) for name in ("b.mp4", "below/c.mkv", "a.MOV")),
        "https://example.com/x.mp4",
    ]


def test_what_a_list_names_in_vain_is_a_video_that_cannot_be_read(archive: Path) -> None:
    (archive / "list.txt").write_text("gone.mp4\nb.mp4\n")
    assert names(archive / "list.txt", base=archive) == ["gone.mp4", "b.mp4"]


def test_nothing_is_named_twice(archive: Path) -> None:
    assert names(archive, archive / "b.mp4", archive / ".." / "archive" / "*.mp4", base=archive) == [
        "a.MOV",
        "b.mp4",
        "below/c.mkv",
    ]


def test_a_changed_file_has_another_fingerprint(archive: Path) -> None:
    before = next(files([str(archive / "b.mp4")]))
    (archive / "b.mp4").write_bytes(b"longer than it was")
    assert next(files([str(archive / "b.mp4")])).fingerprint != before.fingerprint


@pytest.mark.parametrize("given", ["gone.mp4", "*.avi"])
def test_what_is_not_there_is_an_error(archive: Path, given: str) -> None:
    with pytest.raises(BadRequest, match=given.replace("*", r"\*")):
        list(files([str(archive / given)]))


def of_project(client: LabelStudioClient, which: str) -> list[str]:
    return [source.name for source in tasks(client, 1, parse_controls(CONFIG), which)]


def test_all_tasks_with_a_video(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    label_studio.add_task(task_id=1)
    label_studio.add_task("", task_id=2)
    assert of_project(client, "all") == ["task 1"]


def test_unlabelled_tasks(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    label_studio.add_task(task_id=1)
    label_studio.add_task(task_id=2)
    label_studio.tasks[1]["total_annotations"] = 1
    assert of_project(client, "unlabelled") == ["task 2"]


def test_the_tasks_of_a_view(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    label_studio.views[7] = [label_studio.add_task(task_id=number) for number in (1, 2, 3)][:2]
    assert of_project(client, "view:7") == ["task 1", "task 2"]


@pytest.mark.parametrize("which", ["some", "view:", "view:x"])
def test_an_unknown_choice_of_tasks_is_an_error(client: LabelStudioClient, which: str) -> None:
    with pytest.raises(BadRequest, match="unlabelled"):
        of_project(client, which)


def test_an_unknown_project_is_an_error(client: LabelStudioClient) -> None:
    with pytest.raises(NotInLabelStudio):
        list(tasks(client, 2, parse_controls(CONFIG), "all"))


def test_a_name_in_another_encoding_is_a_video_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / os.fsdecode(b"h\xe9.mp4")).write_bytes(b"1")
    (tmp_path / "z.mp4").write_bytes(b"1")
    assert names(tmp_path, base=tmp_path) == ["h\\xe9.mp4", "z.mp4"]
    assert "not in UTF-8. Rename it." in caplog.text


def test_a_folder_that_cannot_be_read_is_warned_of(
    archive: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path.endswith("below"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # permissions do not bind the user that tests may run as
    assert names(archive, base=archive) == ["a.MOV", "b.mp4"]
    assert "below cannot be read (Permission denied)" in caplog.text


def test_linked_folders_are_entered_once(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.mp4").write_bytes(b"1")
    (archive / "link").symlink_to(tmp_path / "elsewhere")
    (archive / "below" / "up").symlink_to(archive)
    (archive / "below" / "further-up").symlink_to(tmp_path)
    (archive / "again").symlink_to(tmp_path / "elsewhere")
    (archive / "a-latest").symlink_to(archive / "below")
    (tmp_path / "elsewhere" / "round").symlink_to(archive / "link")
    assert names(archive, base=archive) == ["a.MOV", "b.mp4", "below/c.mkv", "again/e.mp4"]


def test_a_pattern_may_be_in_a_folder_whose_name_looks_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive [2024]"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"1")
    (folder / "list.txt").write_text("*.mp4\n")
    monkeypatch.chdir(folder)
    assert names("*.mp4", base=folder) == names("list.txt", base=folder) == ["a.mp4"]


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.mp4", encoding="utf-16")
    with pytest.raises(BadRequest, match="UTF-8"):
        list(files([str(tmp_path / "list.txt")]))


def test_too_long_a_name_is_no_file() -> None:
    with pytest.raises(BadRequest, match="no such file"):
        list(files(["a" * 5000]))
