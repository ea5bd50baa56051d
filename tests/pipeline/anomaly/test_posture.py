"""Joint angles and what faults of posture do to them, on drawn lifters."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.anomaly.posture import (
    ANGLE_PARTS,
    PostureModel,
    angle_cells,
    angles_of,
    fault_score,
    fit_posture_model,
    with_people,
)
from pipeline.config import EncodeConfig
from pipeline.records import Floats, Rep
from pipeline.skelemotion import encode
from pipeline.synthetic.fault_pairs import fault_pairs

CONFIG = EncodeConfig()


def angles(azimuth_deg: float = 45.0, fault: synthetic.FaultKind | None = None) -> Floats:
    plan = synthetic.LiftPlan((synthetic.RepPlan(fault=fault),), camera=synthetic.Camera(azimuth_deg), seed=1)
    pose = synthetic.pose_of(plan, np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1))
    return angles_of(pose, encode(pose, synthetic.reps_of(plan)[0], CONFIG), CONFIG)


@pytest.fixture(scope="module")
def sound() -> Floats:
    """Thirty repetitions around the angles of one lifter."""
    return angles() + np.random.default_rng(0).normal(0.0, 4.0, (30, len(ANGLE_PARTS), 12)).astype(np.float32)


@pytest.fixture(scope="module")
def posture(sound: Floats) -> PostureModel:
    change = angles(fault="early_hip_rise") - angles()
    return fit_posture_model(sound, [f"v{i % 6}" for i in range(30)], sound, change[None])


def test_angles_do_not_depend_on_the_camera() -> None:
    np.testing.assert_allclose(angles(0.0), angles(90.0), atol=6.0)


def test_trunk_is_upright_at_lockout_and_leans_at_the_floor() -> None:
    lean = angles()[ANGLE_PARTS.index("back")]
    assert lean[0] > 45.0
    assert lean[5] < 15.0


def test_hips_that_rise_early_straighten_the_knees_first() -> None:
    knees = ANGLE_PARTS.index("knees")
    assert (angles(fault="early_hip_rise") - angles())[knees, 1] > 5.0


def test_fault_is_beyond_sound_lifts(posture: PostureModel, sound: Floats) -> None:
    fault = fault_score(angles(fault="early_hip_rise")[None], posture)[0]
    assert fault > 2.0
    assert fault > fault_score(sound, posture).max()


def test_opposite_of_a_fault_is_not_one(posture: PostureModel) -> None:
    change = angles(fault="early_hip_rise") - angles()
    assert fault_score((angles() - change)[None], posture)[0] < 0.0


def test_lost_landmarks_do_not_outweigh_everything(posture: PostureModel) -> None:
    far, farther = (np.full((1, len(ANGLE_PARTS), 12), degrees, np.float32) for degrees in (1e4, 1e8))
    assert fault_score(far, posture)[0] == fault_score(farther, posture)[0]


def test_cells_add_up_where_a_part_moves_wrongly(posture: PostureModel) -> None:
    ((parts, cells),) = angle_cells(angles(fault="early_hip_rise"), posture)
    assert parts == ANGLE_PARTS
    assert parts[int(cells.sum(axis=1).argmax())] in ("knees", "hips", "back")


def test_further_people_move_the_mean_by_their_share(posture: PostureModel, sound: Floats) -> None:
    more = with_people(posture, sound[:3] + 7.0, ["new"] * 3)
    assert more.videos == posture.videos + 1
    expected = (posture.mean * posture.videos + (sound[:3] + 7.0).mean(axis=0)) / more.videos
    np.testing.assert_allclose(more.mean, expected, rtol=1e-5)


def test_pairs_differ_by_the_fault_alone() -> None:
    pair = fault_pairs(1, seed=0)[0]
    assert pair.fault in ("early_hip_rise", "incomplete_lockout")
    before = pair.clean.time < min(pair.clean_rep.start_s, pair.faulty_rep.start_s) - 0.5
    np.testing.assert_array_equal(pair.clean.world[before], pair.faulty.world[: len(before)][before])
    while_lifted = (pair.clean.time > pair.clean_rep.start_s) & (pair.clean.time < pair.clean_rep.end_s)
    assert np.abs(pair.clean.world[while_lifted] - pair.faulty.world[while_lifted]).max() > 0.02


def test_faults_that_change_nothing_cannot_be_learnt(sound: Floats) -> None:
    with pytest.raises(ValueError, match="Expected faults that change angles"):
        fit_posture_model(sound, ["v"] * 30, sound, np.zeros((1, len(ANGLE_PARTS), 12), np.float32))


def test_no_pose_no_angles() -> None:
    plan = synthetic.LiftPlan()
    pose, nowhere = synthetic.pose_of(plan), Rep(900.0, 901.0, 902.0)
    assert not angles_of(pose, encode(pose, nowhere, CONFIG), CONFIG).any()
