"""`deadlift playable`: copies of videos that browsers do not play."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner
from video_files import write_video

from backend.cli import app


def test_what_is_not_playable_gets_a_copy_and_the_rest_none(tmp_path: Path) -> None:
    old, fine = write_video(tmp_path / "old.mkv", 5), write_video(tmp_path / "fine.mp4", 5)
    said = CliRunner().invoke(app, ["playable", str(old), str(fine)])
    assert said.exit_code == 0
    assert "Matroska, a kind of file that not all browsers play; wrote" in said.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine.mp4", "old.mkv", "old.mkv-h264.mp4"]


def test_checking_writes_nothing(tmp_path: Path) -> None:
    old = write_video(tmp_path / "old.mkv", 5)
    assert CliRunner().invoke(app, ["playable", "--check", str(old)]).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["old.mkv"]


def test_a_file_that_is_no_video_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("no video")
    old = write_video(tmp_path / "old.mkv", 5)
    said = CliRunner().invoke(app, ["playable", str(tmp_path / "a.avi"), str(old), "--out", str(tmp_path / "copies")])
    assert said.exit_code == 1
    assert "not a readable media file" in said.output
    assert (tmp_path / "copies" / "old.mkv-h264.mp4").is_file()


def test_one_copy_is_not_said_to_be_that_of_two_videos(tmp_path: Path) -> None:
    videos = []
    for name in "ab":
        (tmp_path / name).mkdir()
        videos.append(str(write_video(tmp_path / name / "lift.mkv", 5)))
    said = CliRunner().invoke(app, ["playable", *videos, "--out", str(tmp_path / "copies")])
    assert said.exit_code == 1
    assert f"{videos[1]}: {tmp_path / 'copies' / 'lift.mkv-h264.mp4'} is the copy of {videos[0]}" in said.output
