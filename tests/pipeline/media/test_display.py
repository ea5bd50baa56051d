"""Pictures as players show them: turned, mirrored, with square pixels, and as networks want their rows."""

from __future__ import annotations

from fractions import Fraction
from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest
from video_files import arrow, rotate, with_matrix, write_video

from pipeline.media import reading
from pipeline.media.clips import cut
from pipeline.media.display import Display


def sides(path: Path) -> tuple[str, str]:
    """Where red and where the bright half of `arrow` are in the first picture; stored left and top."""
    picture = next(reading.frames(path))[1].astype(float)
    height, width = picture.shape[:2]
    halves = {
        "top": picture[: height // 2],
        "bottom": picture[height // 2 :],
        "left": picture[:, : width // 2],
        "right": picture[:, width // 2 :],
    }
    red = max(halves, key=lambda name: (halves[name][:, :, 0] - halves[name][:, :, 1]).mean())
    return red, max(halves, key=lambda name: halves[name].mean())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", draw=arrow)


# Matrices (a, b, c, d) of all the ways to put a picture on a screen. (zoneminder#4915, mpv#16090, ffms2#317, PyAV#570)
@pytest.mark.parametrize(
    ("matrix", "red", "bright"),
    [
        ((1, 0, 0, 1), "left", "top"),
        ((0, 1, -1, 0), "top", "right"),
        ((-1, 0, 0, -1), "right", "bottom"),
        ((0, -1, 1, 0), "bottom", "left"),
        ((-1, 0, 0, 1), "right", "top"),
        ((1, 0, 0, -1), "left", "bottom"),
        ((0, 1, 1, 0), "top", "left"),
        ((0, -1, -1, 0), "bottom", "right"),
    ],
)
def test_pictures_are_turned_and_mirrored(clip: Path, matrix: tuple[int, ...], red: str, bright: str) -> None:
    with_matrix(clip, *matrix)
    assert sides(clip) == (red, bright)
    info = reading.probe(clip)
    assert next(reading.frames(clip))[1].shape == (info.height, info.width, 3)
    assert info.mirrored == (matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0)


@pytest.mark.parametrize(
    ("degrees", "red", "bright"), [(7, "left", "top"), (85, "top", "right"), (200, "right", "bottom")]
)
def test_an_odd_angle_is_the_nearest_quarter_turn(clip: Path, degrees: int, red: str, bright: str) -> None:
    turn = radians(degrees)
    assert sides(with_matrix(clip, cos(turn), sin(turn), -sin(turn), cos(turn))) == (red, bright)


def test_a_matrix_that_shows_nothing_is_passed_over(clip: Path) -> None:
    assert sides(with_matrix(clip, 0, 0, 0, 0)) == ("left", "top")


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts"])
@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (85, 48)), (Fraction(2, 1), (128, 48)), (Fraction(10, 11), (64, 53))]
)
def test_pixels_are_made_square(tmp_path: Path, name: str, aspect: Fraction, size: tuple[int, int]) -> None:
    """HDV and AVCHD, half-width recorders, NTSC DVDs. (jasna#125, zou#1111, omxplayer#3)"""
    path = write_video(tmp_path / name, draw=arrow, pixel_aspect=aspect)
    info = reading.probe(path)
    assert (info.width, info.height) == size
    assert info.pixel_aspect == pytest.approx(float(aspect))
    assert next(reading.frames(path))[1].shape == (*size[::-1], 3)
    assert max(next(reading.frames(path, max_side_px=32))[1].shape) == 32
    assert sides(path) == ("left", "top")


def test_a_turned_picture_is_as_wide_as_its_pixels_are_high(tmp_path: Path) -> None:
    path = rotate(write_video(tmp_path / "v.mp4", draw=arrow, pixel_aspect=Fraction(2)), 90)
    info = reading.probe(path)
    assert (info.width, info.height) == (48, 128)
    assert sides(path) == ("top", "right")


def test_a_part_is_one_of_the_shown_picture(clip: Path) -> None:
    sample = next(iter(reading.samples(with_matrix(clip, -1, 0, 0, 1))))
    red, green, _ = sample.part(0.6, 0.0, 1.0, 1.0).mean(axis=(0, 1))
    assert red > green + 50


@pytest.mark.parametrize("matrix", [(-1, 0, 0, 1), (1, 0, 0, -1)])
def test_a_clip_of_a_mirrored_video_needs_no_mirroring(clip: Path, tmp_path: Path, matrix: tuple[int, ...]) -> None:
    before = sides(with_matrix(clip, *matrix))
    cut(clip, tmp_path / "clip.mp4", 0.0, 1.0)
    assert sides(tmp_path / "clip.mp4") == before
    assert not reading.probe(tmp_path / "clip.mp4").mirrored


def test_a_clip_has_square_pixels(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", pixel_aspect=Fraction(4, 3), size=(48, 48))
    cut(source, tmp_path / "clip.mp4", 0.0, 1.0)
    info = reading.probe(tmp_path / "clip.mp4")
    assert (info.width, info.height, info.pixel_aspect) == (64, 48, 1.0)


@pytest.mark.parametrize("size", [(360, 640), (540, 96), (64, 48)])
@pytest.mark.parametrize("max_side_px", [0, 90])
def test_rows_follow_each_other_without_a_gap(tmp_path: Path, size: tuple[int, int], max_side_px: int) -> None:
    path = write_video(tmp_path / "v.mp4", count=1, size=size)
    for sample in reading.samples(path):
        for picture in (sample.shrunk(max_side_px), sample.part(0.1, 0.1, 0.6, 0.7, max_side_px)):
            assert picture.flags["C_CONTIGUOUS"]
            assert picture.dtype == np.uint8


def test_no_side_of_a_picture_gets_smaller() -> None:
    assert Display(pixel_aspect=0.5).size(100, 60) == (100, 120)
    assert Display(turns=1, pixel_aspect=2.0).size(100, 60) == (60, 200)


def test_a_shape_of_pixels_that_no_camera_has_is_not_believed(tmp_path: Path) -> None:
    info = reading.probe(write_video(tmp_path / "v.mp4", pixel_aspect=Fraction(1, 100)))
    assert (info.width, info.height) == (64, 48)
