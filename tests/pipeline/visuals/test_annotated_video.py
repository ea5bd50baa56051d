"""Annotated videos and `deadlift render`: what is drawn into a video."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from backend.cli import app
from pipeline.media import reading
from pipeline.records import Analysis, Reason, Rep, RepScore
from pipeline.synthetic import LiftPlan, RepPlan, demo_plan, pose_of, reps_of
from pipeline.synthetic.drawing import render as draw_lifter
from pipeline.visuals import annotated_video

SHORT = LiftPlan((RepPlan(),), width=320, height=240, fps=15.0, stand_before_s=0.0, stand_after_s=0.0)
RED, GREEN = annotated_video._COLOURS["anomalous"], annotated_video._COLOURS["normal"]


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


def blank(pose):
    return np.zeros((pose.height, pose.width, 3), np.uint8)


def pixels_of(picture, colour) -> int:
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 12).sum())


def test_the_skeleton_has_the_colour_of_the_repetition(lift, analysis):
    _, pose = lift
    for rep, colour, other in zip(analysis.reps, (GREEN, RED), (RED, GREEN), strict=True):
        body = annotated_video.draw(blank(pose), pose, analysis, rep.top_s)[pose.height // 8 : -pose.height // 10]
        assert pixels_of(body, colour) > 200
        assert pixels_of(body, other) == 0


def test_the_bar_shows_every_repetition_at_its_time(lift, analysis):
    _, pose = lift
    bar = annotated_video.draw(blank(pose), pose, analysis, 0.0)[-4]
    for rep, colour in zip(analysis.reps, (GREEN, RED), strict=True):
        middle = round((rep.start_s + rep.end_s) / 2 / analysis.video.duration_s * pose.width)
        assert np.abs(bar[middle].astype(int) - colour).max() < 5


def test_the_panel_says_number_label_score_and_reason(analysis):
    assert annotated_video._words(analysis, 1, 0.0) == (
        "Repetition 2 of 2: anomalous, 0.90",
        "hips during the pull (60%)",
    )


def test_an_unreliable_score_asks_for_a_look(analysis):
    scores = (replace(analysis.scores[0], reliable=False), analysis.scores[1])
    assert annotated_video._words(replace(analysis, scores=scores), 0, 0.0)[1] == "hard to judge: please check"


def test_the_given_picture_is_not_changed(lift, analysis):
    _, pose = lift
    picture = blank(pose)
    annotated_video.draw(picture, pose, analysis, 1.0)
    assert picture.max() == 0


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


def test_the_command_writes_every_frame_of_the_video(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    source = tmp_path / "lift.mp4"
    draw_lifter(SHORT, source)
    result = CliRunner().invoke(app, ["render", str(source), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    before = [time for time, _ in reading.frames(source, max_side_px=16)]
    after = [time for time, _ in reading.frames(tmp_path / "out" / "lift-annotated.mp4", max_side_px=16)]
    assert after == pytest.approx(before, abs=1e-3)


def test_two_videos_of_one_name_are_refused(tmp_path: Path):
    result = CliRunner().invoke(app, ["render", "a/x.mp4", "b/x.mp4", "--out", str(tmp_path)])
    assert "x-annotated.mp4" in str(result.exception)


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "bad.mp4").write_text("no video")
    draw_lifter(SHORT, tmp_path / "good.mp4")
    result = CliRunner().invoke(
        app, ["render", str(tmp_path / "bad.mp4"), str(tmp_path / "good.mp4"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["good-annotated.mp4"]


def test_a_video_without_repetitions_says_so(analysis):
    assert annotated_video._words(replace(analysis, reps=(), scores=()), None, 1.0)[0] == "No repetition found"


def test_between_repetitions_those_that_are_done_are_counted(analysis):
    rep: Rep = analysis.reps[0]
    assert annotated_video._words(analysis, None, rep.end_s)[0] == "1 of 2 repetitions"
