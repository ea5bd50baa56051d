"""The demo knows which videos its project already has, and what is in its way before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import cast

import pytest

from backend.errors import BackendError
from backend.local_labelstudio import demo
from backend.local_labelstudio.demo import check_videos, is_upload_of
from backend.local_labelstudio.server import LabelStudioServer
from backend.settings import Settings
from backend.storage.folder_locks import served


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


class Ended:
    """Stands for a Label Studio that must not be started."""

    def __enter__(self) -> None:
        raise AssertionError("it is started")


def test_a_taken_port_of_the_backend_is_told_before_label_studio_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=taken.getsockname()[1])
        with pytest.raises(BackendError, match="choose another port"):
            demo.running(cast(LabelStudioServer, Ended()), settings, []).__enter__()


def test_a_second_demo_in_the_same_folder_is_told_before_label_studio_is_started(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, backend_port=0)
    with served(tmp_path), pytest.raises(BackendError, match="Another server already works"):
        demo.running(cast(LabelStudioServer, Ended()), settings, []).__enter__()
