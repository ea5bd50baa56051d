"""Annotated videos: what is drawn into a video."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media import canvas, reading
from pipeline.records import Analysis, Reason, Rep, RepScore
from pipeline.synthetic import LiftPlan, RepPlan, demo_plan, pose_of, reps_of
from pipeline.synthetic.drawing import render as draw_lifter
from pipeline.visuals import annotated_video, lettering

SHORT = LiftPlan((RepPlan(),), width=320, height=240, fps=15.0, stand_before_s=0.0, stand_after_s=0.0)
RED, GREEN = annotated_video.COLOURS["unusual"], annotated_video.COLOURS["normal"]


@pytest.fixture(scope="module")
def lift():
    plan = demo_plan(1)
    return plan, pose_of(plan)


@pytest.fixture
def analysis(lift) -> Analysis:
    plan, pose = lift
    reps = reps_of(plan)[:2]
    scores = (RepScore(0.1, 0.8, 1.0), RepScore(0.9, 0.01, 9.0, (Reason("hips", "pull", 0.6),)))
    info = video_info(pose, duration_s=float(pose.time[-1]))
    return Analysis(info, reps, scores, 0.9, "v", "c")


def video_info(pose, duration_s):
    from pipeline.records import VideoInfo

    return VideoInfo("x.mp4", duration_s, 30.0, pose.width, pose.height)


def drawn(pose, analysis, time_s, heats=()):
    """The picture of that moment on black, RGB."""
    picture = canvas.blank(pose.width, pose.height)
    annotated_video.Drawer(pose, analysis, heats).draw(picture, time_s)
    return picture.rgb()


def words(pose, analysis, number, time_s=0.0):
    return annotated_video.Drawer(pose, analysis).words(number, time_s)


def pixels_of(picture, colour) -> int:
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 24).sum())


def test_the_skeleton_has_the_colour_of_the_repetition(lift, analysis):
    _, pose = lift
    for rep, colour, other in zip(analysis.reps, (GREEN, RED), (RED, GREEN), strict=True):
        body = drawn(pose, analysis, rep.top_s)[pose.height // 4 : -pose.height // 10]
        assert pixels_of(body, colour) > 200
        assert pixels_of(body, other) == 0


def test_the_bar_shows_every_repetition_at_its_time(lift, analysis):
    _, pose = lift
    bar = drawn(pose, analysis, 0.0)[-4]
    for rep, colour in zip(analysis.reps, (GREEN, RED), strict=True):
        middle = round((rep.start_s + rep.end_s) / 2 / analysis.video.duration_s * pose.width)
        assert np.abs(bar[middle].astype(int) - colour).max() < 12


def test_the_panel_says_judgement_reason_tempo_and_angles(lift, analysis):
    _, pose = lift
    lines = words(pose, analysis, 1)
    assert lines[:2] == ("Repetition 2 of 2: unusual, 90% sure", "look at: hips on the way up")
    assert [line.split()[0] for line in lines[2:]] == ["up", "start:", "lockout:"]


@pytest.mark.parametrize(("width", "height"), [(360, 640), (720, 1280)])
def test_the_panel_hides_little_of_an_upright_picture(width, height):
    size = annotated_video._letters_px(canvas.blank(width, height))
    said = ("Repetition 2 of 5: unusual, 90% sure", "look at: hips and knees on the way up, back at the top")
    said = (*said, "start: hip 72°, knee 115°, back 58°", "lockout: hip 172°, knee 175°, back 88°")
    assert lettering.panel(said, RED, size, width).picture[..., 0].size < 0.11 * width * height


def test_what_was_not_judged_says_why_and_has_no_angles(lift, analysis):
    _, pose = lift
    hidden = replace(analysis.scores[0], reliable=False, hindrance="the legs are hidden")
    lines = words(pose, replace(analysis, scores=(hidden, analysis.scores[1])), 0)
    assert lines[:2] == ("Repetition 1 of 2: not judged", "the legs are hidden")
    assert not any("knee" in line for line in lines)


def test_the_way_of_the_hands_grows_through_a_repetition(lift, analysis):
    _, pose = lift
    rep = analysis.reps[0]
    early, late = (pixels_of(drawn(pose, analysis, moment), annotated_video._UP) for moment in (rep.start_s, rep.top_s))
    assert late > early + 30


def test_the_worst_moment_of_an_unusual_repetition_is_marked(lift, analysis):
    _, pose = lift
    heat = np.zeros((45, 48), np.float32)
    heat[3, 10] = 1.0
    heats = (heat, heat)
    first_s, worst_s = annotated_video.worst_moments(pose, analysis, heats)
    assert first_s is None
    assert analysis.reps[1].start_s < worst_s < analysis.reps[1].top_s
    edge = [pixels_of(drawn(pose, analysis, at, heats)[:, -2:], RED) for at in (worst_s, worst_s + 0.5)]
    assert edge[0] > pose.height
    assert edge[1] < 20


def test_slowed_repetitions_push_what_comes_later_back():
    times = [annotated_video.slowed_time(at, [(2.0, 3.0)], 2.0) for at in (1.0, 2.5, 3.0, 4.0)]
    assert times == [1.0, 3.0, 4.0, 5.0]


def test_landmarks_lie_in_between_two_poses(lift):
    _, pose = lift
    at = int(np.searchsorted(pose.time, 5.0))
    middle = (pose.time[at] + pose.time[at + 1]) / 2
    between = (pose.image[at] + pose.image[at + 1]) / 2
    found = annotated_video.landmarks_at(pose, middle)
    seen = np.isfinite(found[:, 0])
    assert seen.sum() > 20
    assert found[seen] == pytest.approx(between[seen], abs=1e-3)


def test_nobody_is_drawn_across_a_cut(lift):
    _, pose = lift
    at = int(np.searchsorted(pose.time, 5.0))
    cut = replace(pose, shot=(np.arange(len(pose.time)) > at).astype(np.int32))
    assert annotated_video.landmarks_at(cut, (pose.time[at] + pose.time[at + 1]) / 2) is None


def test_a_video_without_repetitions_says_so(lift, analysis):
    nothing = replace(analysis, reps=(), scores=(), nothing="nobody lifts")
    assert words(lift[1], nothing, None) == ("No repetition found: nobody lifts",)


def test_between_repetitions_those_that_are_done_are_counted(lift, analysis):
    rep: Rep = analysis.reps[0]
    assert words(lift[1], analysis, None, rep.end_s) == ("1 of 2 repetitions",)


def test_slowed_repetitions_last_longer_and_have_no_sound(tmp_path: Path):
    draw_lifter(SHORT, tmp_path / "v.mp4")
    info = reading.probe(tmp_path / "v.mp4")
    pose = pose_of(SHORT, np.arange(0.0, info.duration_s, 0.1))
    found = Analysis(info, (Rep(0.2, 0.5, 1.2),), (RepScore(0.9, 0.01, 2.0),), 0.9, "v", "c")
    annotated_video.render(tmp_path / "v.mp4", pose, found, tmp_path / "slow.mp4", slow=2.0)
    assert reading.probe(tmp_path / "slow.mp4").duration_s == pytest.approx(info.duration_s + 1.0, abs=0.1)
    with av.open(str(tmp_path / "slow.mp4")) as written:
        assert not written.streams.audio


@pytest.mark.parametrize("number", [0, 1])
def test_the_panel_says_that_the_back_looks_rounded(lift, analysis, number):
    """Of a normal repetition too, and before where to look."""
    _, pose = lift
    told = replace(analysis, scores=tuple(replace(score, back_bow=0.06) for score in analysis.scores))
    before, lines = words(pose, analysis, number), words(pose, told, number)
    assert lines == (before[0], "the back looks rounded", *before[1:])
