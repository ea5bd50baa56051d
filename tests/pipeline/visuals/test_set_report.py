"""The page about a set: what it says, what it never does, and what is stored to compare with."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.records import Analysis, Pose, Reason, RepScore, VideoInfo
from pipeline.synthetic import demo_plan, pose_of, reps_of
from pipeline.visuals.set_report import RepLine, SetReport, page, report_of, summary
from pipeline.visuals.words import where

BAD_NAME = "<script>alert(1)</script> & 'x'.mp4"


@pytest.fixture(scope="module")
def pose() -> Pose:
    return pose_of(demo_plan(1), np.arange(0.0, 20.0, 0.1))


@pytest.fixture
def analysis(pose: Pose) -> Analysis:
    scores = (
        RepScore(0.1, 0.8, 1.0),
        RepScore(0.9, 0.01, 9.0, (Reason("hips", "pull", 0.4), Reason("back", "pull", 0.3))),
        RepScore(0.2, 0.8, 1.0, reliable=False, hindrance="the legs are hidden"),
    )
    info = VideoInfo("x.mp4", 20.0, 30.0, pose.width, pose.height)
    return Analysis(info, reps_of(demo_plan(1))[:3], scores, 0.9, "base-1", "c")


def line(number: int, speed: float | None, verdict: str = "normal") -> RepLine:
    return RepLine(number, 0.0, 1.0, 2.0, 0.1, verdict, speed=speed)


def test_the_page_needs_no_other_file_and_no_script(pose: Pose, analysis: Analysis) -> None:
    html = page(*report_of(pose, analysis, "a.mp4", "Ann"))
    assert "<svg" in html
    assert not re.search(r"<script|<link|<img|@import|url\(|href=|src=", html)


def test_names_are_escaped(pose: Pose, analysis: Analysis) -> None:
    html = page(*report_of(pose, analysis, BAD_NAME, BAD_NAME))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_repetitions_are_told_in_words(pose: Pose, analysis: Analysis) -> None:
    said = summary(report_of(pose, analysis, "a.mp4")[0])
    assert said[:3] == [
        "3 repetitions: 1 normal, 1 unusual, 1 not judged.",
        "Number 2: look at hips and back on the way up.",
        "Not judged: 3 (the legs are hidden).",
    ]


def test_nothing_is_measured_of_what_was_not_judged(pose: Pose, analysis: Analysis) -> None:
    judged, _, hidden = report_of(pose, analysis, "a.mp4")[0].reps
    assert judged.up_s is not None
    assert judged.start_knee is not None
    assert (hidden.up_s, hidden.speed, hidden.start_knee) == (None, None, None)


def test_a_set_without_repetitions_says_why(pose: Pose, analysis: Analysis) -> None:
    nothing = replace(analysis, reps=(), scores=(), nothing="nobody lifts")
    html = page(*report_of(pose, nothing, "a.mp4"))
    assert "No repetition was found: nobody lifts." in html
    assert "<table" not in html


def test_the_loss_is_told_and_compared() -> None:
    before = SetReport("one.mp4", (line(1, 1.0), line(2, 0.9)))
    now = SetReport("two.mp4", (line(1, 0.8), line(2, 1.0), line(3, 0.75), line(4, None, "not judged")))
    assert summary(now, [before])[-2:] == [
        "Number 2 was the fastest; number 3, the last measured, was 25 % slower.",
        "In the set before (one.mp4) the last measured was 10 % slower.",
    ]
    single = SetReport("middle.mp4", (line(1, 1.0),))
    assert summary(now, [before, single])[-1].startswith("In an earlier set (one.mp4)")
    html = page(now, "", "", [before])
    assert html.index("one.mp4</td>") < html.index("two.mp4 (this one)")


def test_backs_that_look_rounded_are_told(pose: Pose, analysis: Analysis) -> None:
    first, second, third = analysis.scores
    told = replace(analysis, scores=(replace(first, back_bow=0.05), replace(second, back_bow=0.06), third))
    report, paths, speeds = report_of(pose, told, "a.mp4")
    assert summary(report)[1] == "Numbers 1, 2: the back looks rounded."
    html = page(report, paths, speeds)
    assert '<span class="normal">normal</span>: the back looks rounded</td>' in html
    assert ">unusual</span>: the back looks rounded; hips and back on the way up</td>" in html
    assert "rounded" not in page(*report_of(pose, analysis, "a.mp4"))


def test_a_report_of_an_earlier_release_says_nothing_of_backs(pose: Pose, analysis: Analysis) -> None:
    values = asdict(report_of(pose, analysis, "a.mp4")[0])
    for rep in values["reps"]:
        del rep["back"]
    assert [rep.back for rep in TypeAdapter(SetReport).validate_python(values).reps] == ["", "", ""]


def test_repetitions_with_one_thing_to_look_at_are_told_together() -> None:
    odd = [replace(line(number, 1.0, "unusual"), why="knees on the way up") for number in (1, 2, 3, 5, 6)]
    other = replace(line(4, 1.0, "unusual"), why="back at the top")
    reps = tuple(sorted([*odd, other], key=lambda rep: rep.number))
    assert summary(SetReport("a.mp4", reps))[1:3] == [
        "Numbers 1 to 3, 5, 6: look at knees on the way up.",
        "Number 4: look at back at the top.",
    ]


def test_what_to_look_at_in_a_head_is_said() -> None:
    assert where([Reason("head", "pull", 0.4), Reason("back", "pull", 0.3)]) == (
        "how the head is held and back on the way up"
    )
