"""Names of files, as Label Studio is given them and as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.labelstudio.file_names import (
    copy_upload_name,
    copy_upload_names,
    file_name,
    is_copy_upload,
    name_for_files,
    upload_name,
)

_DIGEST = "0f1e2d3c" * 8


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("/data/upload/1/0123abcd-my lift.mp4", "my lift.mp4"),
        ("/data/upload/1/0123abcd-my-lift.mp4", "my-lift.mp4"),
        ("/data/local-files/?d=set%201/lift.mp4", "lift.mp4"),
        ("/label-studio/data/local-files/?d=set/lift.avi", "lift.avi"),
        ("https://clips.example/a/lift-1.mp4?signature=secret", "lift-1.mp4"),
        ("https://clips.example/lift.mp4?d=other", "lift.mp4"),
        ("https://clips.example/", "https://clips.example/"),
        ("https://user:secret@clips.example/", "https://clips.example/"),
        ("https://user:secret@clips.example?token=secret", "https://clips.example"),
        ("https://user:secret@clips.example/lift.mp4", "lift.mp4"),
        ("/?token=secret", "/"),
        ("", ""),
        ("s3://bucket/folder/Zug%C3%BCbung.mp4", "Zugübung.mp4"),
        ("deadbeef-mine.mp4", "deadbeef-mine.mp4"),
        ("s3://bucket/lift.mp4", "lift.mp4"),
        ("http://user:secret@[", "The video's address"),
    ],
)
def test_the_name_of_a_file(media: str, name: str) -> None:
    assert file_name(media) == name


@pytest.mark.parametrize(
    "media", ["https://me:secret@clips.example/", "https://clips.example?token=secret", "?token=secret", "http://[", ""]
)
def test_files_of_an_address_without_a_name_are_of_a_video(media: str) -> None:
    assert name_for_files(media) == "video"


@pytest.mark.parametrize(
    ("name", "expected"), [("a b.MP4", "a_b.MP4"), ("?.mp4", "video.mp4"), ("x" * 90 + ".mp4", "x" * 60 + ".mp4")]
)
def test_names_are_those_that_label_studio_leaves_alone(name: str, expected: str) -> None:
    assert upload_name(Path(name)) == expected


@pytest.mark.parametrize(
    ("original", "shown"),
    [
        ("lift.avi", "lift.avi"),
        ("set 1, 20240131.MOV", "set_1_20240131.MOV"),
        ("lift", "lift"),
        ("x" * 90 + ".mts", "x" * 40 + ".mts"),
        ("cam.1-20240131.webm", "cam.1-20240131.webm"),
    ],
)
def test_a_copy_is_known_by_the_name_of_its_original(original: str, shown: str) -> None:
    uploaded = copy_upload_name(Path("/archive") / original, _DIGEST)
    address = f"/data/upload/1/0123abcd-{uploaded}"
    assert len(uploaded) <= 64
    assert file_name(address) == shown
    assert is_copy_upload(address, _DIGEST)
    assert not is_copy_upload(address, "f" * 64)


def test_a_copy_of_an_earlier_build_is_known_by_the_stem_of_its_original() -> None:
    assert copy_upload_names(Path("/archive/lift.avi"), _DIGEST)[1] == "lift-0f1e2d3c-h264.mp4"
    assert file_name("/data/upload/1/0123abcd-lift-0f1e2d3c-h264.mp4") == "lift"


@pytest.mark.parametrize(
    "name",
    [
        "lift-h264.mp4",
        "lift-20240131-h264.mp4",
        "lift.avi-h264.mp4",
        "cam.1-20240131-h264.mp4",
        "cam.no2-20240131-h264.mp4",
        "20240131-h264.mp4",
    ],
)
def test_a_file_that_is_only_called_like_one_keeps_its_name(name: str) -> None:
    assert file_name(f"/data/upload/1/0123abcd-{name}") == name
