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
