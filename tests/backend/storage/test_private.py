"""Who may read the data folder: its user alone, also what an earlier release wrote for everybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.storage.database import open_database
from backend.storage.private import close_to_others, private


@pytest.fixture
def left_open(tmp_path: Path) -> Path:
    """A data folder of an earlier release."""
    folder = tmp_path / "data"
    (folder / "models" / "3" / "v0001").mkdir(parents=True)
    (folder / "poses" / "ab").mkdir(parents=True)
    for name in (
        "backend.sqlite3",
        "backend.sqlite3-wal",
        "server.lock",
        "models/3/v0001/model.json",
        "poses/ab/c.npz",
    ):
        (folder / name).touch()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def open_to_others(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077)


def test_what_an_earlier_release_left_open_is_closed(left_open: Path) -> None:
    close_to_others(left_open)
    assert open_to_others(left_open) == []


def test_what_is_not_ours_is_left_as_it_is(left_open: Path) -> None:
    (left_open / "thesis.txt").touch(0o644)
    close_to_others(left_open)
    assert open_to_others(left_open) == ["data", "thesis.txt"]


def test_a_link_out_of_the_folder_closes_nothing(left_open: Path, tmp_path: Path) -> None:
    outside = tmp_path / "shared"
    outside.mkdir()
    outside.chmod(0o755)
    (left_open / "x.lock").symlink_to(outside)
    close_to_others(left_open)
    assert outside.stat().st_mode & 0o777 == 0o755


def test_processes_that_are_started_meanwhile_write_for_their_user_alone(tmp_path: Path) -> None:
    with private(tmp_path):
        script = "open('poses.lock', 'w'); import os; os.mkdir('poses')"
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert open_to_others(tmp_path) == []


def test_afterwards_files_are_as_before(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with private(tmp_path):
            pass
        (tmp_path / "dataset.csv").touch()
        assert (tmp_path / "dataset.csv").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_new_database_and_its_folder_are_for_their_user_alone(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'data' / 'backend.sqlite3'}")
    with engine.connect():
        assert open_to_others(tmp_path / "data") == []
    engine.dispose()
