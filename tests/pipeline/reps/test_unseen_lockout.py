"""Lifters who are lost at lockout (the head out of the picture, a plate before the trunk) and seen at the floor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.analyze import landmarks_of
from pipeline.anomaly.detector import load_detector
from pipeline.config import SegmentConfig
from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep
from pipeline.reps import find_reps, segment
from pipeline.synthetic import LiftPlan, RepPlan

CONFIG = SegmentConfig()
PLAN = LiftPlan(reps=(RepPlan(floor_s=1.5),), walk_in_s=0.0)
REP = synthetic.reps_of(PLAN)[0]
POSE = synthetic.pose_of(PLAN)


def from_the_floor(pose: Pose) -> Pose:
    """Without whatever is before the set-up, when the lifter stands upright in the picture."""
    return synthetic.drop_poses(pose, (pose.time < REP.start_s - 0.3) | (pose.time > REP.end_s + 1.0))


def lost(pose: Pose, rep: Rep, from_share: float = 0.4, until_share: float = 0.1) -> Pose:
    """Nobody is found once the shoulders are above a share of their way up, until they are below another one again."""
    height = -pose.image[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]], 1].mean(axis=1)
    floor, top = (float(np.interp(at, pose.time, height)) for at in (rep.start_s, rep.top_s))
    share = (height - floor) / (top - floor)
    gone = np.where(pose.time < rep.top_s, share > from_share, share > until_share)
    return synthetic.drop_poses(pose, gone & (pose.time > rep.start_s) & (pose.time < rep.end_s))


def test_a_lockout_that_nobody_saw_is_one() -> None:
    (found,) = find_reps(lost(from_the_floor(POSE), REP), CONFIG)
    assert (found.start_s, found.end_s) == pytest.approx((REP.start_s, REP.end_s), abs=0.15)
    assert found.top_s == pytest.approx(REP.top_s, abs=0.3)


def test_its_confidence_is_low() -> None:
    pose = from_the_floor(POSE)
    assert segment(lost(pose, REP), CONFIG).confidence < 0.5 * segment(pose, CONFIG).confidence


def test_its_score_is_not_reliable() -> None:
    pose = lost(from_the_floor(POSE), REP)
    (score,) = load_detector().score(pose, find_reps(pose, CONFIG))
    assert not score.reliable


def test_somebody_who_is_lost_at_the_floor_did_not_lift() -> None:
    assert find_reps(lost(from_the_floor(POSE), REP, from_share=0.05), CONFIG) == ()


def test_somebody_who_does_not_come_back_down_is_not_guessed_to() -> None:
    pose = lost(from_the_floor(POSE), REP, until_share=0.7)
    up = synthetic.drop_poses(pose, pose.time > REP.end_s - 0.5)
    assert find_reps(up, CONFIG) == ()


def test_clips_in_which_the_head_leaves_the_picture_or_a_plate_hides_the_trunk(shared_data: Path) -> None:
    folder = shared_data / "videos-2"
    truth = json.loads((folder / "groundtruth.json").read_text())
    deadlifts = [clip for clip in truth if clip["reps"]]
    found = {clip["file"]: find_reps(landmarks_of(folder / clip["file"])[2], CONFIG) for clip in deadlifts}
    assert {file: len(reps) for file, reps in found.items()} == {clip["file"]: len(clip["reps"]) for clip in deadlifts}
