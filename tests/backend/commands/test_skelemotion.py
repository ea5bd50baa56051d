"""`deadlift skelemotion`: arrays and pictures of every repetition, and where it is unusual."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_lifts import video as drawn_video
from typer.testing import CliRunner, Result
from video_files import write_video

from backend.cli import app
from backend.errors import BackendError
from pipeline.config import PoseConfig
from pipeline.media import reading
from pipeline.original.pictures import load_pictures
from pipeline.pose.cache import PoseCache

REPS = 3
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video whose landmarks are known: three drawn repetitions."""
    (tmp_path / "clips").mkdir()
    file = write_video(tmp_path / "clips" / "set.mp4", count=6)
    pose, _ = drawn_video(0, REPS)
    for sampling in (PoseConfig(), PoseConfig(poses_per_second=0.0)):
        PoseCache(tmp_path / "poses").put(reading.digest(file), sampling, pose)
    return file


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*arguments: object) -> Result:
        folders = ["--out", tmp_path / "out", "--poses", tmp_path / "poses"]
        return CliRunner().invoke(app, ["skelemotion", *map(str, [*arguments, *folders])])

    return call


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("orientation", (18, 45, 48)), ("magnitude", (2, 45, 48)), ("tsrji", (12, 89, 48)), ("original", (45, 100, 3))],
)
def test_every_repetition_gets_an_array(
    run: Run, clip: Path, tmp_path: Path, kind: str, shape: tuple[int, ...]
) -> None:
    assert run(clip, "--type", kind, "--scales", "0.2,0.5").exit_code == 0
    arrays = sorted((tmp_path / "out").glob("*.npy"))
    assert [file.name for file in arrays] == [f"set_rep_{number}_{kind}.npy" for number in range(1, REPS + 1)]
    assert np.load(arrays[0]).shape == shape


def test_every_repetition_gets_a_picture(run: Run, clip: Path, tmp_path: Path) -> None:
    run(clip, "--scales", "0.2,0.5")
    picture = cv2.imread(str(tmp_path / "out" / "set_rep_1_orientation.png"))
    assert picture is not None
    assert picture.shape == (90, 48, 3)


def test_pictures_of_the_original_can_be_evaluated(run: Run, clip: Path, tmp_path: Path) -> None:
    run(clip, "--type", "original", "--heat")
    assert load_pictures(tmp_path / "out").groups == ("set",) * REPS


def test_heat_is_drawn_for_every_repetition(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run(clip, "--heat").exit_code == 0
    assert len(list((tmp_path / "out" / "heat").glob("set_rep_*_heat.png"))) == REPS


def test_a_folder_means_all_videos_in_it_and_below(run: Run, clip: Path, tmp_path: Path) -> None:
    (clip.parent / "more").mkdir()
    shutil.copy(clip, clip.parent / "more" / "other.mov")
    assert run(clip.parent).exit_code == 0
    assert {file.name.split("_")[0] for file in (tmp_path / "out").glob("*.npy")} == {"set", "other"}


def test_videos_of_one_name_keep_apart(run: Run, clip: Path, tmp_path: Path) -> None:
    (clip.parent / "side").mkdir()
    shutil.copy(clip, clip.parent / "side" / "set.mp4")
    run(clip.parent)
    names = {file.name.split("_rep_")[0] for file in (tmp_path / "out").glob("*.npy")}
    assert names == {"clips_set", "side_set"}


def test_a_broken_video_does_not_sink_the_others(run: Run, clip: Path, tmp_path: Path) -> None:
    (clip.parent / "broken.mp4").write_bytes(b"not a video")
    result = run(clip.parent)
    assert result.exit_code == 1
    assert "broken.mp4" in result.stderr
    assert len(list((tmp_path / "out").glob("set_*.npy"))) == REPS


def test_an_empty_folder_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    result = run(tmp_path / "nothing")
    assert isinstance(result.exception, BackendError)


@pytest.mark.parametrize("scales", ["", "0", "-1", "0.2;0.3", "nan", "inf"])
def test_scales_are_positive_seconds(run: Run, clip: Path, scales: str) -> None:
    assert run(clip, "--scales", scales).exit_code == 2
