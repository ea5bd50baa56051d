"""Copies that are uploaded for tasks: what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio
from video_files import write_video

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.predictions.playable import upload_copy


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://user:secret@clips.example/?X-Sig=secret", "video-h264.mp4"),
        (f"https://clips.example/{'x' * 300}.avi", f"{'x' * 60}-h264.mp4"),
    ],
)
def test_a_copy_is_called_by_the_name_that_an_address_ends_in(
    label_studio: FakeLabelStudio, client: LabelStudioClient, tmp_path: Path, address: str, name: str
) -> None:
    number = label_studio.add_task(address)
    task = Task(number, 1, {"video": address})
    assert upload_copy(client, task, parse_controls(CONFIG), write_video(tmp_path / "a.mkv", count=3), tmp_path)
    assert label_studio.tasks[number]["data"]["video"].endswith(f"-{name}")
