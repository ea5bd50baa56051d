"""Pictures that are drawn on as videos store them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from video_files import arrow, with_matrix, write_video

from pipeline.media import reading
from pipeline.media.canvas import Canvas, Overlay, blank
from pipeline.media.display import Display

RED, BLUE = (235, 64, 64), (40, 80, 220)


@pytest.mark.parametrize("standard", [1, 6])  # BT.709, BT.601
def test_what_is_drawn_has_its_colour_and_its_place(standard: int) -> None:
    frame = blank(64, 48).frame
    frame.colorspace = standard
    canvas = Canvas(frame)
    canvas.lay(Overlay(np.full((8, 8, 3), BLUE, np.uint8)), left=40, top=24)
    canvas.rectangle(8, 4, 16, 12, RED)
    picture = canvas.rgb().astype(int)
    assert np.abs(picture[8, 12] - RED).max() < 12
    assert picture[8, 24].max() < 6
    assert picture[20, 12].max() < 6
    assert np.abs(picture[28, 44] - BLUE).max() < 12  # by the other standard it is off by 20


@pytest.mark.parametrize(("height", "standard"), [(480, 5), (720, 1)])
def test_colours_of_a_file_that_does_not_say_how_are_meant_as_players_take_them(height: int, standard: int) -> None:
    frame = VideoFrame(64, height, "yuv420p")
    assert frame.colorspace == 2
    shown = Display(turns=1).canvas(frame, max_side_px=64)
    assert shown.frame.colorspace == standard


@pytest.mark.parametrize("side_px", [64, 0])
def test_what_is_drawn_into_the_full_range_of_values_has_its_colour(side_px: int) -> None:
    picture = VideoFrame.from_ndarray(np.full((96, 128, 3), BLUE, np.uint8), format="rgb24")
    canvas = Display().canvas(picture.reformat(format="yuv420p", dst_color_range=ColorRange.JPEG), side_px)
    canvas.rectangle(0, 0, 16, 16, RED)
    shown = canvas.rgb().astype(int)
    assert np.abs(shown[8, 8] - RED).max() < 8
    assert np.abs(shown[30, 30] - BLUE).max() < 8


def test_what_lies_outside_is_cut_off() -> None:
    canvas = blank(32, 32)
    canvas.rectangle(-8, 28, 100, 100, RED)
    canvas.rectangle(40, 40, 50, 50, RED)
    canvas.lay(Overlay(np.full((40, 40, 3), BLUE, np.uint8)), left=24, top=0)
    picture = canvas.rgb().astype(int)
    assert np.abs(picture[30, 4] - RED).max() < 12
    assert np.abs(picture[10, 28] - BLUE).max() < 12


def test_lines_and_dots_go_through_their_points() -> None:
    canvas = blank(64, 64)
    canvas.lines([np.array([[8.0, 32.0], [56.0, 32.0]])], RED, 6)
    canvas.dots(np.array([[32.0, 10.0]]), BLUE, 5)
    picture = canvas.rgb().astype(int)
    assert np.abs(picture[32, 30] - RED).max() < 16
    assert np.abs(picture[10, 32] - BLUE).max() < 16


def test_half_transparent_lies_between() -> None:
    canvas = blank(32, 32)
    canvas.rectangle(0, 0, 32, 32, (200, 200, 200), 0.5)
    assert canvas.rgb()[16, 16] == pytest.approx(np.full(3, 100), abs=6)


def test_pictures_are_those_that_others_read(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", count=5)
    for (time_s, canvas), (other_s, picture) in zip(reading.canvases(clip), reading.frames(clip), strict=True):
        assert time_s == other_s
        assert np.abs(canvas.rgb().astype(int) - picture).mean() < 3


def test_drawing_does_not_change_the_next_pictures(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", count=8)
    untouched = [canvas.rgb() for _, canvas in reading.canvases(clip)]
    for (_, canvas), picture in zip(reading.canvases(clip), untouched, strict=True):
        assert np.array_equal(canvas.rgb(), picture)
        canvas.rectangle(0, 0, canvas.width, canvas.height, RED)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, 1), (0, 1, 1, 0), (-1, 0, 0, -1)])
def test_turned_and_mirrored_videos_are_drawn_on_as_shown(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    clip = with_matrix(write_video(tmp_path / "v.mp4", count=2, draw=arrow, pixel_aspect=Fraction(2)), *matrix)
    for (_, canvas), (_, picture) in zip(reading.canvases(clip, 64), reading.frames(clip, max_side_px=64), strict=True):
        assert canvas.rgb().shape == picture.shape
        assert np.abs(canvas.rgb().astype(int) - picture).mean() < 8
