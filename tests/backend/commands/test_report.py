"""`deadlift report`: pages about sets, and the stored sets that later ones are compared with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_lifts import video as drawn_video
from typer.testing import CliRunner, Result
from video_files import write_video

from backend.cli import app
from backend.settings import Settings
from pipeline.media import reading
from pipeline.pose.cache import PoseCache

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Calls the command beside two videos whose landmarks are known: a.mp4 and b.mp4."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    settings = Settings()
    for number, name in enumerate(("a", "b")):
        file = write_video(tmp_path / f"{name}.mp4", count=6 + number)
        pose, _ = drawn_video(number, 3)
        PoseCache(settings.pose_dir).put(reading.digest(file), settings.pipeline_config().pose, pose)
    return lambda *arguments: CliRunner().invoke(
        app, ["report", "--out", str(tmp_path / "out"), *(str(argument) for argument in arguments)]
    )


def test_later_sets_are_beside_earlier_ones(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "a.mp4", "--lifter", "Ann").exit_code == 0
    stored = tmp_path / "out" / "a-report.json"
    assert len(json.loads(stored.read_text())["reps"]) == 3
    assert "Beside earlier sets" not in (tmp_path / "out" / "a-report.html").read_text()
    assert run(tmp_path / "b.mp4", "--lifter", "Ann", "--earlier", stored).exit_code == 0
    html = (tmp_path / "out" / "b-report.html").read_text()
    assert "<h1>Ann</h1>" in html
    assert "a.mp4</td>" in html


def test_an_earlier_set_is_not_written_over(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "a.mp4")
    stored = tmp_path / "out" / "a-report.json"
    before = stored.read_bytes()
    said = str(run(tmp_path / "b.mp4", "--earlier", stored, "--out", stored.with_suffix(".html")).exception)
    assert f"{stored} would be written over" in said
    assert stored.read_bytes() == before


def test_sets_of_somebody_else_are_refused(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "a.mp4", "--lifter", "Ann")
    stored = tmp_path / "out" / "a-report.json"
    said = str(run(tmp_path / "b.mp4", "--lifter", "Ben", "--earlier", stored).exception)
    assert "is of Ann, not of Ben" in said


@pytest.mark.parametrize("content", ["", "[]", '{"video": "x"}', '{"video": "x", "reps": [{"number": "one"}]}'])
def test_other_files_are_no_earlier_sets(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.json").write_text(content)
    said = str(run(tmp_path / "a.mp4", "--earlier", tmp_path / "odd.json").exception)
    assert "odd.json is no report of a set" in said
    assert not (tmp_path / "out").exists()


def test_a_broken_video_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    result = run(tmp_path / "bad.mp4", tmp_path / "a.mp4")
    assert result.exit_code == 1
    assert "bad.mp4" in result.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a-report.html", "a-report.json"]
