"""`deadlift render`: annotated videos, one by one or two beside each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_lifts import video as drawn_video
from typer.testing import CliRunner, Result
from video_files import Picture, write_video

from backend.cli import app
from backend.errors import BackendError
from backend.settings import Settings
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.reps import find_reps

_RATE = 5
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Calls the command beside two videos whose landmarks are known: a.mp4 of one repetition, b.mp4 of two."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    settings = Settings()
    for number, name in enumerate(("a", "b")):
        pose, _ = drawn_video(number, number + 1)
        file = write_video(tmp_path / f"{name}.mp4", count=round(float(pose.time[-1]) * _RATE), fps=_RATE, draw=_dark)
        PoseCache(settings.pose_dir).put(reading.digest(file), settings.pipeline_config().pose, pose)
    return lambda *arguments: CliRunner().invoke(
        app, ["render", "--out", str(tmp_path / "out"), *(str(argument) for argument in arguments)]
    )


def _dark(index: int, width: int, height: int) -> Picture:
    return np.full((height, width, 3), 20 + index % 8, np.uint8)


def _written(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "out").iterdir())


def test_every_frame_of_a_video_is_written_at_its_time(run: Run, tmp_path: Path) -> None:
    found = run(tmp_path / "a.mp4")
    assert (found.exit_code, found.stdout) == (0, f"{tmp_path / 'out' / 'a-annotated.mp4'}: 1 repetition\n")
    before, after = (
        [time for time, _ in reading.frames(file, max_side_px=16)]
        for file in (tmp_path / "a.mp4", tmp_path / "out" / "a-annotated.mp4")
    )
    assert after == pytest.approx(before, abs=1e-3)


def test_a_broken_video_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    found = run(tmp_path / "bad.mp4", tmp_path / "a.mp4")
    assert found.exit_code == 1
    assert "bad.mp4" in found.stderr
    assert _written(tmp_path) == ["a-annotated.mp4"]


def test_two_sets_stand_beside_each_other(run: Run, tmp_path: Path) -> None:
    found = run("--side-by-side", tmp_path / "a.mp4", tmp_path / "b.mp4")
    target = tmp_path / "out" / "a-beside-b.mp4"
    assert (found.exit_code, found.stdout) == (0, f"{target}: 1 repetition; 1 more of one of them left out\n")
    assert _written(tmp_path) == [target.name]
    (rep,) = find_reps(drawn_video(0, 1)[0])
    info = reading.probe(target)
    assert (info.width, info.height) == (2 * 64, 48)
    assert info.duration_s == pytest.approx(rep.duration_s, abs=1 / _RATE)


def test_an_option_is_not_taken_for_the_other_video(run: Run, tmp_path: Path) -> None:
    found = run("--side-by-side", tmp_path / "a.mp4", "--slow")
    assert str(found.exception) == f"Expected two videos behind --side-by-side, got {tmp_path / 'a.mp4'} and --slow."


def test_a_set_without_repetitions_is_not_shown_beside_another(run: Run, tmp_path: Path) -> None:
    nothing = write_video(tmp_path / "nothing.mp4", count=3)
    settings = Settings()
    pose, _ = drawn_video(0, 1)
    empty = replace(pose, image=np.full_like(pose.image, np.nan), visibility=np.zeros_like(pose.visibility))
    PoseCache(settings.pose_dir).put(reading.digest(nothing), settings.pipeline_config().pose, empty)
    found = run("--side-by-side", tmp_path / "a.mp4", nothing)
    assert isinstance(found.exception, BackendError)
    assert str(found.exception).startswith(f"{nothing}: no repetition was found")
    assert _written(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("c.mp4", "--side-by-side", "a.mp4", "b.mp4"), "Expected video files or --side-by-side A B"),
        ((), "Expected video files or --side-by-side A B"),
        (("--side-by-side", "a.mp4", "b.mp4", "--slow", "2"), "Expected --slow or --side-by-side"),
        (("a/x.mp4", "b/x.mp4"), "Two of the videos would be written to"),
    ],
)
def test_what_does_not_go_together_is_refused(run: Run, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in str(run(*arguments).exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("a.mp4",), ("--side-by-side", "a.mp4", "b.mp4")])
def test_a_single_result_goes_into_a_file_that_is_named(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    target = tmp_path / "out" / "mine.mp4"
    named = [tmp_path / one if one.endswith(".mp4") else one for one in arguments]
    found = run(*named, "--out", target)
    assert (found.exit_code, found.stdout.partition(":")[0]) == (0, str(target))
    assert _written(tmp_path) == ["mine.mp4"]


@pytest.mark.parametrize(
    ("videos", "out", "told"),
    [
        (("a.mp4", "b.mp4"), "mine.mp4", "is one file, for 2 results. Name a folder"),
        (("a.mp4",), "a.mp4", "would be written over"),
        (("a.mp4",), "mine.mov", "results are files as x.mp4"),
    ],
)
def test_a_file_that_cannot_be_the_result_is_refused(
    run: Run, tmp_path: Path, videos: tuple[str, ...], out: str, told: str
) -> None:
    before = (tmp_path / "a.mp4").read_bytes()
    found = run(*(tmp_path / video for video in videos), "--out", tmp_path / out)
    assert told in str(found.exception)
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert not (tmp_path / "mine.mp4").exists()
    assert not (tmp_path / "mine.mov").exists()
