"""A judgement needs the joints that it rests on: what a plate hides is guessed, and guesses look sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_lifts import video

from pipeline.anomaly.detector import load_detector
from pipeline.anomaly.visibility import hidden
from pipeline.landmarks import INDEX
from pipeline.pose.tracks import pixels_per_metre
from pipeline.records import Pose, Rep

KNEES = [INDEX["left_knee"], INDEX["right_knee"]]
FEET = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("ankle", "heel", "foot_index")]


@pytest.fixture(scope="module")
def lift() -> tuple[Pose, tuple[Rep, ...]]:
    return video(1, 3)


def _seen_at(pose: Pose, joint: str, visibility: float) -> Pose:
    values = pose.visibility.copy()
    values[:, [INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]]] = visibility
    return replace(pose, visibility=values)


def _guessed_legs(pose: Pose, shrunk: float = 0.4, wander_m: float = 0.5) -> Pose:
    """The knees put too near to the hips and the feet moved about, while their visibility stays as it was."""
    image = pose.image.copy()
    hips = image[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1, keepdims=True)
    image[:, KNEES] = hips + shrunk * (image[:, KNEES] - hips)
    scale = float(np.nanmedian(pixels_per_metre(pose)))
    image[:, FEET, 0] += (wander_m * scale * np.sin(2.0 * pose.time))[:, None]
    return replace(pose, image=image)


def test_a_lifter_in_full_view_hides_nothing(lift: tuple[Pose, tuple[Rep, ...]]) -> None:
    pose, reps = lift
    assert [hidden(pose, rep) for rep in reps] == [""] * len(reps)


@pytest.mark.parametrize(
    ("joint", "words"),
    [
        ("knee", "the legs are hidden"),
        ("ankle", "the legs are hidden"),
        ("hip", "the trunk is hidden"),
        ("shoulder", "the trunk is hidden"),
        ("wrist", ""),
    ],
)
def test_what_the_estimator_calls_hidden_is(lift: tuple[Pose, tuple[Rep, ...]], joint: str, words: str) -> None:
    pose, (rep, *_) = lift
    assert hidden(_seen_at(pose, joint, 0.3), rep) == words


def test_legs_that_no_body_has_are_guesses_however_sure_they_look(lift: tuple[Pose, tuple[Rep, ...]]) -> None:
    pose, (rep, *_) = lift
    assert hidden(_guessed_legs(pose), rep) == "the legs are hidden"


@pytest.mark.parametrize(("shrunk", "wander_m"), [(0.4, 0.0), (1.0, 0.5)])
def test_short_thighs_or_wandering_feet_alone_are_no_proof(
    lift: tuple[Pose, tuple[Rep, ...]], shrunk: float, wander_m: float
) -> None:
    pose, (rep, *_) = lift
    assert hidden(_guessed_legs(pose, shrunk, wander_m), rep) == ""


def test_of_hardly_any_poses_nothing_is_said(lift: tuple[Pose, tuple[Rep, ...]]) -> None:
    pose, (rep, *_) = lift
    assert hidden(_seen_at(pose, "knee", 0.0), Rep(rep.start_s, rep.start_s + 0.01, rep.start_s + 0.02)) == ""


def test_a_repetition_with_hidden_legs_is_not_judged_and_says_so(lift: tuple[Pose, tuple[Rep, ...]]) -> None:
    pose, reps = lift
    scores = load_detector().score(_seen_at(pose, "knee", 0.3), reps)
    assert {(one.reliable, one.hindrance) for one in scores} == {(False, "the legs are hidden")}
    assert {(one.reliable, one.hindrance) for one in load_detector().score(pose, reps)} == {(True, "")}
