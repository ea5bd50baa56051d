"""The drawn lifter: the video has the frames, rate and times asked for, and shows what the plan says."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.landmarks import INDEX
from pipeline.synthetic import Camera, Cut, Lifter, LiftPlan, RepPlan, frame_times, pose_of, timeline_of
from pipeline.synthetic.drawing import draw, render

SHORT = LiftPlan(
    (RepPlan(pull_s=0.5, hold_s=0.1, lowering_s=0.4, floor_s=0.1),),
    width=320,
    height=240,
    fps=24000 / 1001,
    setup_s=0.0,
    stand_before_s=0.0,
    ready_s=0.2,
    leave_s=0.0,
    stand_after_s=0.0,
)


@pytest.fixture(scope="module")
def short_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "lift.mp4"
    render(SHORT, path)
    return path


def test_video_has_the_times_of_the_plan(short_video: Path) -> None:
    with av.open(short_video) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx(frame_times(SHORT).tolist(), abs=1e-4)


def test_video_has_the_rate_and_size_of_the_plan(short_video: Path) -> None:
    with av.open(short_video) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate or 0) == pytest.approx(24000 / 1001)
        assert (stream.width, stream.height) == (320, 240)


def test_video_is_what_browsers_play(short_video: Path) -> None:
    with av.open(short_video) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_video_shows_the_drawn_pictures(short_video: Path) -> None:
    with av.open(short_video) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    drawn = list(draw(SHORT))
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(shown, drawn, strict=True)]) < 6


def test_picture_does_not_depend_on_the_ones_before() -> None:
    time = frame_times(SHORT)
    assert np.array_equal(list(draw(SHORT))[12], next(draw(SHORT, time[12:13])))


def test_chest_has_the_colour_of_the_shirt() -> None:
    plan = LiftPlan(lifter=Lifter(shirt=(20, 200, 40)), camera=Camera(azimuth_deg=0.0))
    pose = pose_of(plan, np.array([0.1]))
    corners = pose.image[0, [INDEX[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]]
    x, y = corners.mean(axis=0)
    assert next(draw(plan, np.array([0.1])))[int(y) - 15, int(x)].tolist() == pytest.approx([20, 200, 40], abs=30)


def test_bar_is_drawn_higher_at_lockout() -> None:
    plan = LiftPlan(camera=Camera(azimuth_deg=0.0))
    rep = timeline_of(plan).reps[0]
    low, high = draw(plan, np.array([rep.start_s, rep.top_s]))
    red = [np.flatnonzero(((p[..., 0] > 150) & (p[..., 1] < 90))[:, :260].any(axis=1)).mean() for p in (low, high)]
    assert red[0] - red[1] > 80


def test_cut_changes_the_picture() -> None:
    plan = LiftPlan(cuts=(Cut(1.0, Camera(azimuth_deg=-70.0)),))
    before, after = draw(plan, np.array([0.99, 1.01]))
    assert np.abs(before.astype(int) - after).mean() > 5


def test_lifter_outside_the_picture_leaves_the_room_empty() -> None:
    plan = LiftPlan(walk_in_s=4.0, camera=Camera(size=0.8), width=320)
    first, second = draw(plan, np.array([0.0, 0.05]))
    assert np.array_equal(first, second)


# A spine that bends


@pytest.mark.parametrize("bow", [-0.11, 0.21, float("nan")])
def test_a_spine_bends_within_reason(bow: float) -> None:
    with pytest.raises(ValueError, match="bow of the back"):
        LiftPlan(back_bow=bow)


def test_a_spine_that_bends_moves_no_joint() -> None:
    straight, bent = pose_of(SHORT), pose_of(replace(SHORT, back_bow=0.1))
    np.testing.assert_array_equal(bent.image, straight.image)
    np.testing.assert_array_equal(bent.world, straight.world)


def test_the_more_a_spine_bends_the_more_of_the_shirt_is_seen_behind_it() -> None:
    """Of somebody bent; of somebody upright nothing changes."""
    plan = replace(SHORT, camera=Camera(azimuth_deg=90.0))
    (rep,) = timeline_of(plan).reps

    def shirt(bow: float, time_s: float) -> int:
        (picture,) = draw(replace(plan, back_bow=bow), np.array([time_s]))
        return int((picture.astype(int)[..., 2] - picture[..., 0] > 60).sum())

    hollow, slightly, much = (shirt(bow, rep.start_s) for bow in (-0.05, 0.02, 0.1))
    assert hollow < slightly < much
    assert shirt(0.1, rep.top_s) == pytest.approx(shirt(0.02, rep.top_s), rel=0.02)
