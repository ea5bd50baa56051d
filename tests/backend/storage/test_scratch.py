"""Folders for fetched videos: gone at the end, after a kill at the next use, never under somebody who uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.storage.scratch import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def age(folder: Path) -> None:
    os.utime(folder, (1.0, 1.0))


def test_a_folder_is_gone_at_the_end() -> None:
    with scratch() as folder:
        (folder / "a.mp4").write_bytes(b"video")
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "deadlift-video-left"
    left.mkdir()
    (left / "a.mp4").write_bytes(b"video")
    age(left)
    with scratch():
        assert not left.exists()


def test_what_another_process_uses_stays() -> None:
    with scratch() as used:
        age(used)
        with scratch():
            assert used.exists()


def test_what_was_made_just_now_stays(tmp_path: Path) -> None:
    new = tmp_path / "deadlift-video-new"
    new.mkdir()
    with scratch():
        assert new.exists()
