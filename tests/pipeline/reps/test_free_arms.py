"""Bends without a load: where the hands are in depth is a guess of the estimator, but a load stretches the elbows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.analyze import landmarks_of
from pipeline.config import SegmentConfig
from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep
from pipeline.reps import find_reps
from pipeline.synthetic import Camera, LiftPlan, RepPlan
from pipeline.synthetic.drawing import render

PLAN = LiftPlan(reps=(RepPlan(),) * 3)
TRUTH = synthetic.reps_of(PLAN)


def with_bent_elbows(pose: Pose, rep: Rep, degrees: float) -> Pose:
    """Elbows moved aside in the picture until they are bent by so much, during one repetition."""
    image = pose.image.copy()
    during = (pose.time > rep.start_s - 0.3) & (pose.time < rep.end_s + 0.3)
    for side in ("left", "right"):
        shoulder, wrist = (image[during, INDEX[f"{side}_{joint}"]] for joint in ("shoulder", "wrist"))
        arm = wrist - shoulder
        aside = np.stack([-arm[:, 1], arm[:, 0]], axis=1) / 2 * np.tan(np.radians(degrees) / 2)
        image[during, INDEX[f"{side}_elbow"]] = (shoulder + wrist) / 2 + aside
    return replace(pose, image=image)


def test_a_rise_with_bent_arms_among_lifts_with_straight_ones_is_none() -> None:
    pose = with_bent_elbows(synthetic.pose_of(PLAN), TRUTH[0], 20.0)
    assert [rep.top_s for rep in find_reps(pose, SegmentConfig())] == pytest.approx(
        [rep.top_s for rep in TRUTH[1:]], abs=0.1
    )


def test_elbows_differ_a_little_from_lift_to_lift() -> None:
    pose = with_bent_elbows(synthetic.pose_of(PLAN), TRUTH[0], 8.0)
    assert len(find_reps(pose, SegmentConfig())) == 3


def test_a_lifter_who_always_bends_the_arms_lifts_all_the_same() -> None:
    pose = synthetic.pose_of(PLAN)
    for rep in TRUTH:
        pose = with_bent_elbows(pose, rep, 20.0)
    assert len(find_reps(pose, SegmentConfig())) == 3


def test_two_lifts_with_straighter_arms_are_not_what_is_usual() -> None:
    plan = LiftPlan(reps=(RepPlan(),) * 8)
    pose = synthetic.pose_of(plan)
    for rep in synthetic.reps_of(plan)[2:]:
        pose = with_bent_elbows(pose, rep, 20.0)
    assert len(find_reps(pose, SegmentConfig())) == 8


def test_arms_that_are_hidden_say_nothing() -> None:
    arms = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist"))
    pose = synthetic.occlude(with_bent_elbows(synthetic.pose_of(PLAN), TRUTH[0], 20.0), arms)
    assert len(find_reps(pose, SegmentConfig())) == 3


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0])
def test_drawn_bends_without_a_load_are_no_repetitions(tmp_path: Path, azimuth_deg: float) -> None:
    """ExerSights#66 (counted while getting into position), VBT-PROTOTYPE#27 (ghost repetitions)."""
    plan = LiftPlan(
        reps=(RepPlan(),) * 2, unloaded_bends=2, walk_in_s=2.4, camera=Camera(azimuth_deg), seed=int(azimuth_deg)
    )
    render(plan, tmp_path / "bends.mp4")
    _, _, pose = landmarks_of(tmp_path / "bends.mp4")
    assert [rep.top_s for rep in find_reps(pose, SegmentConfig())] == pytest.approx(
        [rep.top_s for rep in synthetic.reps_of(plan)], abs=0.3
    )
