"""What runs in a worker process: fetch, set the frame rate, analyze."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio
from video_files import write_audio, write_video

from backend.errors import MediaNotFound, StorageFault
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import Access
from backend.models.detectors import cached_detector
from backend.predictions.worker import VideoJob, analyze_task
from pipeline.config import PipelineConfig, PoseConfig
from pipeline.errors import NotAVideo, VideoDamaged
from pipeline.media.playability import unplayable


def job(access: Access, folder: Path, media: str = "/data/upload/1/a.mp4", number: int = 1) -> VideoJob:
    config = PipelineConfig(pose=PoseConfig(poses_per_second=5))
    task = Task(number, 1, {"video": media})
    return VideoJob(task, media, parse_controls(CONFIG), access, None, folder / "poses", config)


@pytest.fixture
def empty_room(tmp_path: Path) -> bytes:
    """A video without people."""
    return write_video(tmp_path / "room.mp4", count=6, fps=25).read_bytes()


def test_a_video_without_people_has_no_repetitions_and_no_error(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes
) -> None:
    label_studio.files["1/a.mp4"] = empty_room
    found = analyze_task(job(access, tmp_path))
    assert found.reps == ()
    assert found.model_version == cached_detector(None).version


def test_the_frame_rate_is_told_before_the_analysis_is_done(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes
) -> None:
    number = label_studio.add_task()
    label_studio.files["1/a.mp4"] = empty_room
    analyze_task(job(access, tmp_path, number=number))
    assert label_studio.tasks[number]["data"]["fps"] == 25.0


def test_a_frame_rate_that_cannot_be_told_yet_does_not_fail_the_video(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes
) -> None:
    label_studio.files["1/a.mp4"] = empty_room
    assert analyze_task(job(access, tmp_path, number=404)).reps == ()


def test_the_analysis_names_the_video_by_its_address(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes
) -> None:
    label_studio.files["1/a.mp4"] = empty_room
    assert analyze_task(job(access, tmp_path)).video.path == "/data/upload/1/a.mp4"


def test_landmarks_are_kept(access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes) -> None:
    label_studio.files["1/a.mp4"] = empty_room
    analyze_task(job(access, tmp_path))
    assert len(list((tmp_path / "poses").rglob("*.npz"))) == 1


def test_a_video_that_browsers_do_not_play_gets_a_copy_that_they_do(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/0123abcd-a.mkv"] = write_video(tmp_path / "a.mkv", count=6, fps=25).read_bytes()
    address = "/data/upload/1/0123abcd-a.mkv"
    number = label_studio.add_task(address, lifter="Anna")
    work = replace(job(access, tmp_path, address, number), make_playable=True)
    found = analyze_task(work).video
    assert found.unplayable.startswith("Matroska")
    assert found.has_playable_copy
    data = label_studio.tasks[number]["data"]
    assert (data["deadlift_original"], data["lifter"], data["fps"]) == (address, "Anna", 25.0)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(label_studio.files[data["video"].removeprefix("/data/upload/")])
    assert data["video"].endswith("-a-h264.mp4")
    assert unplayable(copy) == ""
    assert work.controls.media_of(data) == address  # it is the same video to us
    again = analyze_task(work).video
    assert (again.path, again.has_playable_copy) == (address, True)
    assert label_studio.tasks[number]["data"] == data


def test_without_being_asked_to_no_copy_is_made(access: Access, label_studio: FakeLabelStudio, tmp_path: Path) -> None:
    label_studio.files["1/a.mkv"] = write_video(tmp_path / "a.mkv", count=6, fps=25).read_bytes()
    number = label_studio.add_task("/data/upload/1/a.mkv")
    analyze_task(job(access, tmp_path, "/data/upload/1/a.mkv", number))
    assert label_studio.tasks[number]["data"] == {"video": "/data/upload/1/a.mkv", "fps": 25.0}


def test_a_task_that_plays_a_copy_already_is_said_to(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/a.mkv"] = write_video(tmp_path / "a.mkv", count=6, fps=25).read_bytes()
    number = label_studio.add_task("/data/upload/1/a-h264.mp4", deadlift_original="/data/upload/1/a.mkv")
    work = job(access, tmp_path, "/data/upload/1/a.mkv", number)
    work = replace(work, task=replace(work.task, data=label_studio.tasks[number]["data"]))
    assert analyze_task(work).video.has_playable_copy


def test_a_copy_that_cannot_be_stored_does_not_fail_the_video(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/a.mkv"] = write_video(tmp_path / "a.mkv", count=6, fps=25).read_bytes()
    label_studio.refuses_uploads = True
    number = label_studio.add_task("/data/upload/1/a.mkv")
    work = replace(job(access, tmp_path, "/data/upload/1/a.mkv", number), make_playable=True)
    assert not analyze_task(work).video.has_playable_copy
    assert "deadlift_original" not in label_studio.tasks[number]["data"]


def test_a_missing_video_is_an_error(access: Access, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        analyze_task(job(access, tmp_path))


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>", b"just text " * 50])
def test_an_upload_that_is_no_video_is_an_error_that_names_it(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, content: bytes
) -> None:
    label_studio.files["1/a.mp4"] = content
    with pytest.raises(NotAVideo, match=r"^/data/upload/1/a\.mp4: "):
        analyze_task(job(access, tmp_path))


def test_an_upload_of_sound_is_an_error(access: Access, label_studio: FakeLabelStudio, tmp_path: Path) -> None:
    label_studio.files["1/a.mp4"] = write_audio(tmp_path / "a.m4a").read_bytes()
    with pytest.raises(NotAVideo, match="no video stream"):
        analyze_task(job(access, tmp_path))


def test_an_upload_that_was_cut_off_is_an_error(access: Access, label_studio: FakeLabelStudio, tmp_path: Path) -> None:
    content = write_video(tmp_path / "v.mp4", count=90, size=(320, 240), options={"movflags": "faststart"}).read_bytes()
    label_studio.files["1/a.mp4"] = content[: content.index(b"mdat") + 8]
    with pytest.raises(VideoDamaged, match=r"^/data/upload/1/a\.mp4: "):
        analyze_task(job(access, tmp_path))


def test_a_job_that_is_shown_shows_no_secret(access: Access, tmp_path: Path) -> None:
    shown = repr(job(access, tmp_path, "https://host/a.mp4?X-Amz-Signature=hunter2"))
    assert "hunter2" not in shown
    assert access.api_key.get_secret_value() not in shown


def test_the_model_is_loaded_once() -> None:
    assert cached_detector(None) is cached_detector(None)


def test_a_folder_that_cannot_be_written_is_named_and_may_be_mended(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path, empty_room: bytes
) -> None:
    label_studio.files["1/a.mp4"] = empty_room
    (tmp_path / "poses").touch()
    with pytest.raises(StorageFault, match=r"poses.*: .+\. Make room, or correct the permissions"):
        analyze_task(job(access, tmp_path))
