"""The folder of a dataset's versions: one export at a time, also beside a process of an earlier release."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from pipeline.datasets.versions import new_version
from pipeline.errors import DatasetError


def test_a_lock_of_an_earlier_release_counts(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetError, match="another export is writing"), new_version(tmp_path):
            pass


def test_a_lock_file_that_nobody_holds_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with new_version(tmp_path) as draft:
        assert draft.folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_where_nothing_can_be_made_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file/out: cannot be written to"), new_version(tmp_path / "file" / "out"):
        pass


def written(root: Path, **files: str) -> bool:
    """Whether a version of these files (folder__name) is a new one."""
    with new_version(root) as draft:
        for name, text in {"manifest.jsonl": "{}", **files}.items():
            path = draft.folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return draft.store().is_new


def test_clips_that_were_encoded_into_other_bytes_are_the_same_content(tmp_path: Path) -> None:
    assert written(tmp_path, clips__a="one", frames__b="one")
    assert not written(tmp_path, clips__a="other", frames__b="other")


def test_a_clip_that_was_not_there_is_new_content(tmp_path: Path) -> None:
    assert written(tmp_path, clips__a="one")
    assert written(tmp_path, clips__a="one", clips__b="one")
    assert written(tmp_path, landmarks__a="one")
    assert written(tmp_path, landmarks__a="other")
