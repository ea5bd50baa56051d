"""The demo knows which videos its project already has."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import BackendError
from backend.local_labelstudio.demo import check_videos, is_upload_of


def test_an_upload_is_known_by_its_name() -> None:
    assert is_upload_of("/data/upload/1/c581d76f-my_set.mp4", Path("videos/my set.mp4"))


def test_an_upload_with_an_encoded_name_is_known() -> None:
    assert is_upload_of("/data/upload/1/c581d76f-%C3%9Cbung.mp4", Path("Übung.mp4"))


def test_a_name_that_ends_alike_is_another_video() -> None:
    assert not is_upload_of("/data/upload/1/c581d76f-a-b.mp4", Path("b.mp4"))


def test_every_file_that_is_no_video_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(BackendError) as raised:
        check_videos([tmp_path / "no-such.mp4", tmp_path / "notes.mp4"])
    missing, unreadable = str(raised.value).splitlines()
    assert "no-such.mp4: no such video file" in missing
    assert "notes.mp4" in unreadable
