"""SkeleMotion images of exact synthetic motion: what must change them, and what must not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.config import EncodeConfig
from pipeline.landmarks import MIRRORED
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import CHANNELS, WALK, encode, phase_of_column
from pipeline.visuals.representations import representation

CONFIG = EncodeConfig()
PLAN = synthetic.LiftPlan((synthetic.RepPlan(), synthetic.RepPlan(hold_s=1.5)))
REPS = synthetic.reps_of(PLAN)


def sampled(per_second: float, plan: synthetic.LiftPlan = PLAN) -> Pose:
    return synthetic.pose_of(plan, np.arange(0.0, synthetic.timeline_of(plan).duration_s, 1.0 / per_second))


def image_of(pose: Pose, rep: Rep = REPS[0]) -> Floats:
    return encode(pose, rep, CONFIG).image


def moved(pose: Pose, scale: float, shift: float) -> Pose:
    return replace(pose, image=pose.image * np.float32(scale) + np.float32(shift), depth=pose.depth * np.float32(scale))


@pytest.fixture(scope="module")
def pose() -> Pose:
    return sampled(30.0)


def test_image_has_a_row_for_every_step_of_the_walk(pose: Pose) -> None:
    assert image_of(pose).shape == (len(CHANNELS), 45, CONFIG.length)


def test_walk_goes_from_joint_to_neighbouring_joint_and_back() -> None:
    assert WALK[0] == WALK[-1] == 0
    assert all(a != b for a, b in pairwise(WALK))


def test_place_and_size_in_the_picture_do_not_show(pose: Pose) -> None:
    np.testing.assert_allclose(image_of(moved(pose, 2.5, 300.0)), image_of(pose), atol=2e-3)


def test_sampling_rate_hardly_shows() -> None:
    positions = slice(CHANNELS.index("x"), None)
    difference = np.abs(image_of(sampled(10.0))[positions] - image_of(sampled(60.0))[positions])
    assert difference.mean() < 0.01


def test_length_of_the_hold_does_not_show(pose: Pose) -> None:
    positions = slice(CHANNELS.index("x"), None)
    assert np.abs(image_of(pose, REPS[0])[positions] - image_of(pose, REPS[1])[positions]).mean() < 0.03


def test_lifter_who_faces_left_is_mirrored() -> None:
    side = synthetic.LiftPlan(PLAN.reps, camera=synthetic.Camera(azimuth_deg=80.0))
    pose = sampled(30.0, side)
    flipped = pose.image[:, list(MIRRORED)].copy()
    flipped[..., 0] = pose.width - flipped[..., 0]
    mirrored = replace(pose, image=flipped, depth=pose.depth[:, list(MIRRORED)])
    np.testing.assert_allclose(image_of(mirrored), image_of(pose), atol=2e-3)


def test_resting_joint_has_no_motion_and_no_direction(pose: Pose) -> None:
    image = image_of(pose)
    ankle = WALK.index(27)
    assert image[CHANNELS.index("yx_motion"), ankle].max() < 0.05
    assert np.abs(image[CHANNELS.index("yx_cos"), ankle]).max() < 0.2


def test_shoulders_go_up_in_the_pull_and_down_in_the_lowering(pose: Pose) -> None:
    up = image_of(pose)[CHANNELS.index("yx_sin"), WALK.index(11)]
    phases = np.array(phase_of_column(CONFIG.length))
    assert up[phases == "pull"].mean() > 0.5
    assert up[phases == "lowering"].mean() < -0.5


def test_end_of_the_repetition_is_not_static(pose: Pose) -> None:
    middle_of_lowering, end = 36, CONFIG.length - 2
    motion = image_of(pose)[CHANNELS.index("yx_motion"), WALK.index(11)]
    assert motion[end] > 0.3 * motion[middle_of_lowering]


def test_repetition_that_never_stands_up_is_as_large_as_one_that_does() -> None:
    # Seen from the front, a trunk that stays inclined is short in the picture.
    faults = (None, "incomplete_lockout", None)
    plan = synthetic.LiftPlan(
        tuple(synthetic.RepPlan(fault=fault) for fault in faults), camera=synthetic.Camera(azimuth_deg=0.0)
    )
    feet = [
        image_of(sampled(30.0, plan), rep)[CHANNELS.index("x"), WALK.index(27)].mean()
        for rep in synthetic.reps_of(plan)
    ]
    assert feet[1] == pytest.approx(feet[0], rel=0.01)


def test_visibility_is_mirrored_with_the_lifter() -> None:
    left, right = 15, 16
    for azimuth, hidden in ((-60.0, left), (60.0, right)):
        plan = synthetic.LiftPlan(PLAN.reps, camera=synthetic.Camera(azimuth_deg=azimuth))
        seen = encode(synthetic.occlude(sampled(30.0, plan), ("left_wrist",), 0.2), REPS[0], CONFIG).seen
        assert seen[hidden] == pytest.approx(0.2)
        assert seen[left + right - hidden] > 0.2


def test_repetition_without_poses_has_no_coverage(pose: Pose) -> None:
    nobody = synthetic.drop_poses(pose, np.ones(len(pose.time), dtype=bool))
    assert encode(nobody, REPS[0], CONFIG).coverage == 0.0


def test_missing_poses_lower_the_coverage(pose: Pose) -> None:
    half = synthetic.drop_poses(pose, np.arange(len(pose.time)) % 2 == 0)
    assert encode(half, REPS[0], CONFIG).coverage == pytest.approx(0.5, abs=0.05)


def test_coverage_counts_time_where_samples_are_denser_while_somebody_is_lost() -> None:
    dense = sampled(10.0)
    middle = (REPS[0].start_s + REPS[0].end_s) / 2
    lost = (dense.time > middle - 0.5) & (dense.time < middle + 0.5)
    every_other = lost | (np.arange(len(dense.time)) % 2 == 0)
    rows = {
        name: getattr(dense, name)[every_other] for name in ("image", "world", "depth", "visibility", "time", "shot")
    }
    sparse = replace(dense, **rows, back_bow=dense.back_bow[every_other])
    seen = [
        encode(synthetic.drop_poses(p, w), REPS[0], CONFIG).coverage
        for p, w in ((dense, lost), (sparse, lost[every_other]))
    ]
    assert seen[1] == pytest.approx(seen[0], abs=0.05)


def test_repetition_outside_the_video_has_no_coverage(pose: Pose) -> None:
    assert encode(pose, Rep(900.0, 901.0, 902.0), CONFIG).coverage == 0.0


def test_orientation_has_nine_channels_for_every_scale(pose: Pose) -> None:
    array, picture = representation(pose, REPS[0], "orientation", (0.2, 0.5), CONFIG)
    assert array.shape == (18, 45, CONFIG.length)
    assert picture.shape == (90, CONFIG.length, 3)


def test_magnitude_is_faster_for_a_faster_lift() -> None:
    fast = synthetic.LiftPlan((synthetic.RepPlan(pull_s=0.6, lowering_s=0.6),))
    slow_array, _ = representation(sampled(30.0), REPS[0], "magnitude", (0.33,), CONFIG)
    fast_array, _ = representation(sampled(30.0, fast), synthetic.reps_of(fast)[0], "magnitude", (0.33,), CONFIG)
    assert fast_array.mean() > 1.5 * slow_array.mean()


def test_tsrji_puts_the_reference_joint_between_the_joints_of_the_walk(pose: Pose) -> None:
    array, picture = representation(pose, REPS[0], "tsrji", (), CONFIG)
    assert array.shape == (12, 89, CONFIG.length)
    assert picture.shape == (4 * 89, CONFIG.length, 3)
    walk = image_of(pose)[[CHANNELS.index("x"), CHANNELS.index("y")]]
    for number, landmark in enumerate((11, 12, 23, 24)):
        of_reference = array[3 * number : 3 * number + 2]
        np.testing.assert_allclose(of_reference[:, 0::2], walk, atol=1e-5)
        np.testing.assert_allclose(
            of_reference[:, 1::2], np.repeat(walk[:, [WALK.index(landmark)]], 44, axis=1), atol=1e-5
        )
