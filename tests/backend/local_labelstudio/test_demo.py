"""The demo knows which videos its project already has, and what is in its way before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import cast

import pytest
from label_studio_api import FakeLabelStudio
from video_files import write_video

from backend.errors import BackendError, UploadRefused
from backend.labelstudio.client import LabelStudioClient
from backend.local_labelstudio import demo
from backend.local_labelstudio.demo import is_upload_of, upload_new, usable
from backend.local_labelstudio.server import LabelStudioServer
from backend.settings import Settings
from backend.storage.folder_locks import served


def test_an_upload_is_known_by_its_name() -> None:
    assert is_upload_of("/data/upload/1/c581d76f-my_set.mp4", Path("videos/my set.mp4"))


def test_an_upload_with_an_encoded_name_is_known() -> None:
    assert is_upload_of("/data/upload/1/c581d76f-%C3%9Cbung.mp4", Path("Übung.mp4"))


def test_a_name_that_ends_alike_is_another_video() -> None:
    assert not is_upload_of("/data/upload/1/c581d76f-a-b.mp4", Path("b.mp4"))


def test_where_no_file_can_be_used_all_are_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(BackendError) as raised:
        usable([tmp_path / "no-such.mp4", tmp_path / "notes.mp4"], pytest.fail)
    missing, unreadable = str(raised.value).splitlines()
    assert "no-such.mp4: no such video file" in missing
    assert "notes.mp4" in unreadable


def test_a_file_that_cannot_be_used_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    good, other = write_video(tmp_path / "a.MP4", count=3), write_video(tmp_path / "b.mkv", count=3)
    told: list[str] = []
    assert usable([tmp_path / "notes.mp4", good, other], told.append) == [good]
    assert "notes.mp4: not a readable media file" in told[0]
    assert (
        "b.mkv: Label Studio takes uploads that end in .mp4 or .webm. Give b.mkv-h264.mp4, which `deadlift" in told[1]
    )
    assert f"playable {other}` writes." in told[1]


def test_a_file_that_browsers_play_needs_another_name_alone(tmp_path: Path) -> None:
    played = write_video(tmp_path / "a.mp4", count=3).rename(tmp_path / "a.mov")
    with pytest.raises(BackendError, match="Browsers play it: give it a name that ends so"):
        usable([played], pytest.fail)


def test_without_videos_nothing_is_wrong() -> None:
    assert usable([], pytest.fail) == []


def test_an_upload_that_is_refused_stops_no_other(
    client: LabelStudioClient, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    for name in ("a.avi", "b.mp4"):
        (tmp_path / name).write_bytes(b"1")
    told: list[str] = []
    upload_new(client, 1, [tmp_path / "a.avi", tmp_path / "b.mp4"], [], told.append)
    assert len(label_studio.tasks) == 1
    assert [text.partition(": ")[0] for text in told] == [str(tmp_path / "a.avi")]


def test_a_demo_without_any_video_ends(
    client: LabelStudioClient, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    label_studio.refuses_uploads = True
    with pytest.raises(UploadRefused):
        upload_new(client, 1, [tmp_path / "a.mp4"], [], lambda why: None)
    upload_new(client, 1, [tmp_path / "a.mp4"], ["/data/upload/1/0123abcd-b.mp4"], lambda why: None)


@pytest.mark.parametrize(
    ("given", "there", "uploaded"),
    [(["a.mp4"], [], ["a.mp4"]), ([], ["/data/upload/1/b.mp4"], []), ([], [], ["drawn"])],
)
def test_a_video_is_drawn_for_a_project_that_has_none(given: list[str], there: list[str], uploaded: list[str]) -> None:
    chosen = demo.videos_or_drawn([Path(name) for name in given], there, lambda: Path("drawn"))
    assert list(map(str, chosen)) == uploaded


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
