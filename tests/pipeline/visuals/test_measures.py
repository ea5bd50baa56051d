"""Measures of repetitions: tempo, angles, the way and the speed of the hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep
from pipeline.synthetic import LiftPlan, RepPlan, pose_of, reps_of
from pipeline.visuals.measures import measure, velocity_loss

PLAN = LiftPlan((RepPlan(pull_s=1.0, lowering_s=1.5), RepPlan(pull_s=2.0, lowering_s=1.5)))


@pytest.fixture(scope="module")
def pose() -> Pose:
    return pose_of(PLAN)


def test_a_slower_pull_takes_longer_and_is_slower(pose: Pose) -> None:
    quick, slow = measure(pose, reps_of(PLAN))
    assert quick is not None
    assert slow is not None
    assert slow.up_s == pytest.approx(2 * quick.up_s, rel=0.1)
    assert slow.speed == pytest.approx(quick.speed / 2, rel=0.1)
    assert slow.way == pytest.approx(quick.way, rel=0.02)


def test_the_parts_of_a_repetition_are_all_of_it(pose: Pose) -> None:
    for rep, found in zip(reps_of(PLAN), measure(pose, reps_of(PLAN)), strict=True):
        assert found is not None
        assert found.up_s + found.pause_s + found.down_s == pytest.approx(rep.duration_s, abs=0.03)


def test_the_body_is_bent_at_the_start_and_straight_at_lockout(pose: Pose) -> None:
    found = measure(pose, reps_of(PLAN))[0]
    assert found is not None
    assert found.start.hip < 120 < 160 < found.lockout.hip
    assert found.start.knee < found.lockout.knee
    assert found.lockout.back < 15 < found.start.back


def test_lengths_do_not_depend_on_the_size_of_the_picture(pose: Pose) -> None:
    small = replace(pose, image=pose.image / 2, width=pose.width // 2, height=pose.height // 2)
    one, other = measure(pose, reps_of(PLAN))[0], measure(small, reps_of(PLAN))[0]
    assert one is not None
    assert other is not None
    assert (other.way, other.speed) == pytest.approx((one.way, one.speed), rel=1e-3)


def test_nothing_is_measured_of_hidden_hands(pose: Pose) -> None:
    visibility = pose.visibility.copy()
    visibility[:, [INDEX["left_wrist"], INDEX["right_wrist"]]] = 0.0
    assert measure(replace(pose, visibility=visibility), reps_of(PLAN)) == (None, None)


def test_nothing_is_measured_where_nobody_was_found(pose: Pose) -> None:
    late = float(pose.time[-1]) + 5.0
    assert measure(pose, [Rep(late, late + 1, late + 2)]) == (None,)


@pytest.mark.parametrize(
    ("speeds", "loss"), [([1.0, 0.8], 20.0), ([0.8, 1.0, 0.9], 10.0), ([1.0, 1.2], 0.0), ([1.0], None), ([], None)]
)
def test_loss_is_from_the_fastest_to_the_last(speeds: list[float], loss: float | None) -> None:
    assert velocity_loss(speeds) == (loss if loss is None else pytest.approx(loss))


def test_the_path_begins_and_ends_low(pose: Pose) -> None:
    found = measure(pose, reps_of(PLAN))[0]
    assert found is not None
    height = -found.path[:, 1]
    assert np.argmax(height) not in (0, len(height) - 1)
