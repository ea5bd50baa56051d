"""Two videos beside each other, aligned by the phases of their repetitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from video_files import write_video

from pipeline.media import reading
from pipeline.media.canvas import Canvas
from pipeline.records import Analysis, Pose, Rep, RepScore
from pipeline.synthetic import demo_plan, pose_of
from pipeline.visuals.annotated_video import Drawer
from pipeline.visuals.side_by_side import _joined, aligned_time, render_beside


def test_phases_come_at_the_same_moment() -> None:
    shown, other = Rep(1.0, 2.0, 4.0), Rep(10.0, 14.0, 15.0)
    assert [aligned_time(at, shown, other) for at in (1.0, 1.5, 2.0, 3.0, 4.0)] == [10.0, 12.0, 14.0, 14.5, 15.0]


@pytest.fixture(scope="module")
def pose() -> Pose:
    return pose_of(demo_plan(1), np.arange(0.0, 2.0, 0.2))


def test_pictures_stand_beside_each_other_for_every_pair_of_repetitions(tmp_path: Path, pose: Pose) -> None:
    clip = write_video(tmp_path / "a.mp4", count=20)
    info = reading.probe(clip)
    rate = round(info.fps)
    step = 1 / rate
    reps = (Rep(2 * step, 4 * step, 6 * step), Rep(8 * step, 10 * step, 14 * step))
    scores = (RepScore(0.1, 0.8, 1.0),) * 2
    analysis = Analysis(info, reps, scores, 0.9, "v", "c")
    one = replace(analysis, reps=reps[:1], scores=scores[:1])
    drawers = (Drawer(pose, analysis), Drawer(pose, one))
    assert render_beside(clip, clip, drawers, tmp_path / "both.mp4") == 1
    shown = list(reading.frames(tmp_path / "both.mp4"))
    assert len(shown) == 4
    assert shown[0][1].shape[1] == 2 * info.width


@pytest.mark.parametrize("colour", [(220, 40, 40), (40, 200, 60), (250, 250, 250), (20, 20, 20)])
def test_colours_of_different_standards_and_ranges_stay_what_they_are(colour: tuple[int, int, int]) -> None:
    def stored(standard: Colorspace, range_: ColorRange) -> Canvas:
        picture = VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="rgb24")
        return Canvas(picture.reformat(format="yuv420p", dst_colorspace=standard, dst_color_range=range_))

    left = stored(Colorspace.ITU601, ColorRange.JPEG)
    right = stored(Colorspace.ITU709, ColorRange.MPEG)
    shown = _joined(left, right).rgb()
    for place in (shown[20, 20], shown[20, -20]):
        assert np.abs(place.astype(int) - colour).max() <= 8  # rounding; another standard or range is off by 15
