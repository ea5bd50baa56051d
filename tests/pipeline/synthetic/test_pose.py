"""The synthetic lifter: exact truth, rigid bones and bar, and faults where the table says that they are."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep
from pipeline.synthetic import (
    FAULT_KINDS,
    FAULTS,
    VISIBLE_M,
    Camera,
    Cut,
    FaultKind,
    LiftPlan,
    RepPlan,
    add_jitter,
    demo_plan,
    drop_poses,
    frame_times,
    occlude,
    pose_of,
    random_plan,
    reps_of,
    skeleton_of,
    timeline_of,
)
from pipeline.synthetic.body import PLATE_RADIUS_M
from pipeline.synthetic.motion import Array

BONES = [
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("ankle", "foot_index"),
        ("shoulder", "elbow"), ("elbow", "wrist"),
    )),
    ("left_hip", "right_hip"),
    ("left_shoulder", "right_shoulder"),
    ("left_ear", "right_ear"),
]  # fmt: skip
PARTS = {
    "shoulders": ("shoulder",),
    "arms": ("elbow", "wrist"),
    "hips": ("hip",),
    "knees": ("knee",),
    "feet": ("ankle", "foot_index"),
}


def plan_with_everything() -> LiftPlan:
    return LiftPlan(
        tuple(RepPlan(fault=kind, stand_s=1.0 if kind == "jerk" else 0.0) for kind in FAULT_KINDS),
        walk_in_s=3.0,
        hand_raise_s=2.0,
        unloaded_bends=1,
        walk_out_s=3.0,
    )


def loaded(plan: LiftPlan) -> NDArray[np.bool_]:
    time = frame_times(plan)
    inside = np.zeros(len(time), dtype=bool)
    for rep in timeline_of(plan).reps:
        inside |= (time >= rep.start_s) & (time < rep.end_s)
    return inside


def phases(rep: Rep, hold_s: float) -> dict[str, Array]:
    """The times of a repetition's phases, as many in each repetition: lockout is half a second around the hold."""
    return {
        "pull": np.linspace(rep.start_s, rep.top_s, 40),
        "lockout": np.linspace(rep.top_s, rep.top_s + hold_s, 20),
        "lowering": np.linspace(rep.top_s + hold_s, rep.end_s, 40, endpoint=False),
    }


def deviation(kind: FaultKind, magnitude: float = 1.0) -> dict[tuple[str, str], float]:
    """Mean distance in metres between a faulty repetition and the same without the fault, per body part and phase."""
    faulty, normal = (LiftPlan((RepPlan(fault=fault, magnitude=magnitude),)) for fault in (kind, None))
    spans = [phases(timeline_of(plan).reps[0], plan.reps[0].hold_s) for plan in (faulty, normal)]
    result = {}
    for phase in ("pull", "lockout", "lowering"):
        a, b = (skeleton_of(plan, span[phase]).landmarks for plan, span in zip((faulty, normal), spans, strict=True))
        apart = np.linalg.norm(a - b, axis=2).mean(axis=0)
        for part, joints in PARTS.items():
            rows = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in joints]
            result[part, phase] = float(apart[rows].mean())
    return result


def test_reps_last_as_long_as_planned() -> None:
    plan = LiftPlan((RepPlan(pull_s=1.1, hold_s=0.4, lowering_s=0.9),))
    rep = timeline_of(plan).reps[0]
    assert (rep.top_s - rep.start_s, rep.end_s - rep.start_s) == pytest.approx((1.1, 2.4))


def test_rushed_lowering_is_in_the_true_end() -> None:
    rep = timeline_of(LiftPlan((RepPlan(lowering_s=1.0, fault="rushed_lowering", magnitude=1.0),))).reps[0]
    assert rep.end_s - rep.top_s == pytest.approx(0.5 + 0.45)


def test_next_rep_starts_after_the_floor_pause() -> None:
    first, second = timeline_of(LiftPlan((RepPlan(floor_s=0.7), RepPlan()))).reps
    assert second.start_s - first.end_s == pytest.approx(0.7)


def test_true_reps_begin_and_end_when_the_load_is_seen_to_move() -> None:
    plan = plan_with_everything()
    for rep in reps_of(plan):
        height = skeleton_of(plan, np.array([rep.start_s, rep.end_s])).bar[:, 1]
        assert height - PLATE_RADIUS_M == pytest.approx([VISIBLE_M, VISIBLE_M], abs=0.01)


def test_true_tops_are_just_below_the_highest() -> None:
    plan = plan_with_everything()
    for rep in reps_of(plan):
        highest = skeleton_of(plan, np.arange(rep.start_s, rep.end_s, 0.01)).bar[:, 1].max()
        assert highest - skeleton_of(plan, np.array([rep.top_s])).bar[0, 1] == pytest.approx(VISIBLE_M, abs=0.01)


def test_true_reps_lie_within_the_planned_moves() -> None:
    plan = plan_with_everything()
    for rep, move in zip(reps_of(plan), timeline_of(plan).reps, strict=True):
        assert move.start_s < rep.start_s < rep.top_s < move.top_s < rep.end_s < move.end_s


def test_bar_lies_still_on_its_plates_outside_the_reps() -> None:
    plan = plan_with_everything()
    bar = skeleton_of(plan, frame_times(plan)).bar[~loaded(plan)]
    assert np.ptp(bar, axis=0) == pytest.approx([0, 0, 0])
    assert bar[0, 1] == PLATE_RADIUS_M


def test_bar_is_off_the_floor_inside_the_reps() -> None:
    plan = plan_with_everything()
    for rep in timeline_of(plan).reps:
        bar = skeleton_of(plan, np.linspace(rep.start_s + 0.12, rep.end_s - 0.06, 50)).bar
        assert bar[:, 1].min() > PLATE_RADIUS_M + 0.001


def test_bar_moves_without_a_jump_at_the_boundaries() -> None:
    plan = plan_with_everything()
    bar = skeleton_of(plan, np.arange(0, timeline_of(plan).duration_s, 0.002)).bar
    assert np.abs(np.diff(bar, axis=0)).max() < 0.008


def test_bar_is_highest_at_the_top_of_a_normal_rep() -> None:
    plan = LiftPlan()
    for rep in timeline_of(plan).reps:
        way = skeleton_of(plan, np.linspace(rep.start_s, rep.top_s, 60)).bar[:, 1]
        assert np.all(np.diff(way) > 0)


def test_bar_of_a_normal_rep_rises_straight() -> None:
    plan = LiftPlan()
    bar = skeleton_of(plan, frame_times(plan)).bar
    assert np.ptp(bar[:, [0, 2]], axis=0).max() < 0.03
    assert 0.45 < np.ptp(bar[:, 1]) < 0.7


def test_fists_hold_the_bar_while_it_is_loaded() -> None:
    plan = plan_with_everything()
    skeleton = skeleton_of(plan, frame_times(plan))
    for sign, side in ((1, "left"), (-1, "right")):
        fist = skeleton.bar + sign * skeleton.bar_axis * plan.lifter.grip_m / 2
        apart = np.linalg.norm(skeleton.landmarks[:, INDEX[f"{side}_wrist"]] - fist, axis=1)[loaded(plan)]
        assert np.ptp(apart) < 1e-9


def test_feet_stay_put_while_the_bar_is_loaded() -> None:
    plan = plan_with_everything()
    feet = skeleton_of(plan, frame_times(plan)).landmarks[loaded(plan), INDEX["left_ankle"] :]
    assert np.ptp(feet, axis=0).max() < 1e-9


@pytest.mark.parametrize("bone", BONES)
def test_bones_are_rigid(bone: tuple[str, str]) -> None:
    plan = plan_with_everything()
    points = skeleton_of(plan, frame_times(plan)).landmarks
    length = np.linalg.norm(points[:, INDEX[bone[0]]] - points[:, INDEX[bone[1]]], axis=1)
    assert np.ptp(length) < 1e-9


def test_no_joint_moves_faster_than_a_person() -> None:
    plan = plan_with_everything()
    points = skeleton_of(plan, np.arange(0, timeline_of(plan).duration_s, 0.01)).landmarks
    assert np.linalg.norm(np.diff(points, axis=0), axis=2).max() < 0.08


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_fault_moves_a_part_of_the_table_most_in_its_phase(kind: FaultKind) -> None:
    parts, phase = FAULTS[kind]
    apart = deviation(kind)
    worst = max(apart, key=lambda key: apart[key])
    assert worst[0] in parts
    assert worst[1] == phase
    assert apart[worst] > 0.02


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_fault_grows_with_its_magnitude(kind: FaultKind) -> None:
    assert max(deviation(kind, 0.5).values()) < max(deviation(kind, 1.0).values())


def test_fault_leaves_the_other_reps_as_they_were() -> None:
    faulty = LiftPlan((RepPlan(), RepPlan(fault="early_hip_rise"), RepPlan()))
    normal = LiftPlan((RepPlan(),) * 3)
    for rep in (timeline_of(normal).reps[0], timeline_of(normal).reps[2]):
        time = np.linspace(rep.start_s, rep.end_s, 50)
        assert np.array_equal(skeleton_of(faulty, time).landmarks, skeleton_of(normal, time).landmarks)


def test_normal_reps_agree_within_three_centimetres() -> None:
    plan = LiftPlan((RepPlan(),) * 5)
    time = np.linspace(0, 1, 60)
    ways = [skeleton_of(plan, rep.start_s + time * rep.duration_s).landmarks for rep in timeline_of(plan).reps]
    assert np.linalg.norm(ways - np.mean(ways, axis=0), axis=3).mean() < 0.03


def test_another_seed_varies_the_motion() -> None:
    plan = LiftPlan()
    assert not np.array_equal(pose_of(plan).image, pose_of(replace(plan, seed=1)).image)


def test_same_plan_gives_the_same_pose() -> None:
    assert np.array_equal(pose_of(demo_plan()).image, pose_of(demo_plan()).image, equal_nan=True)


def test_pose_at_chosen_times_equals_the_pose_of_the_frames() -> None:
    plan = LiftPlan()
    whole = pose_of(plan)
    assert np.array_equal(pose_of(plan, whole.time[10:20]).image, whole.image[10:20])


def test_pose_has_the_times_of_the_frames() -> None:
    plan = LiftPlan(fps=24.0)
    assert np.allclose(np.diff(pose_of(plan).time), 1 / 24)


def test_world_is_hip_centred_metres() -> None:
    pose = pose_of(LiftPlan())
    hips = pose.world[:, [INDEX["left_hip"], INDEX["right_hip"]]]
    assert np.abs(hips.mean(axis=1)).max() < 1e-6
    assert np.linalg.norm(hips[:, 0] - hips[:, 1], axis=1) == pytest.approx(0.118 * 1.76, abs=1e-5)


def test_front_view_shows_the_left_side_on_the_right() -> None:
    image = pose_of(LiftPlan(camera=Camera(azimuth_deg=0.0))).image
    assert np.all(image[:, INDEX["left_shoulder"], 0] > image[:, INDEX["right_shoulder"], 0])


def test_left_side_view_has_the_left_shoulder_nearer() -> None:
    depth = pose_of(LiftPlan(camera=Camera(azimuth_deg=90.0))).depth
    assert np.all(depth[:, INDEX["left_shoulder"]] < depth[:, INDEX["right_shoulder"]])


def test_figure_has_the_asked_size_in_the_picture() -> None:
    pose = pose_of(LiftPlan(camera=Camera(azimuth_deg=0.0, size=0.5), height=480))
    standing = np.ptp(pose.image[0, :, 1])
    assert 0.40 * 480 < standing < 0.5 * 480


def test_plates_hide_the_ankles_from_the_side() -> None:
    pose = pose_of(LiftPlan(camera=Camera(azimuth_deg=90.0)))
    before = pose.time < timeline_of(LiftPlan()).reps[0].start_s
    assert np.all(pose.visibility[before][:, INDEX["left_ankle"]] < 0.5)


def test_nothing_is_hidden_from_the_front() -> None:
    assert pose_of(LiftPlan(camera=Camera(azimuth_deg=0.0))).visibility.min() == 1.0


def test_lifter_outside_the_picture_is_missing() -> None:
    pose = pose_of(LiftPlan(walk_in_s=4.0, camera=Camera(size=0.8), width=320))
    assert not pose.detected[0]
    assert pose.detected[-1]


def test_cut_begins_a_new_shot_with_another_view() -> None:
    plan = LiftPlan(cuts=(Cut(2.0, Camera(azimuth_deg=-30.0)),))
    pose = pose_of(plan)
    assert pose.shot.tolist() == [0] * 60 + [1] * (len(pose.time) - 60)
    assert np.array_equal(pose.image[:60], pose_of(replace(plan, cuts=())).image[:60])
    assert not np.allclose(pose.image[60:], pose_of(replace(plan, cuts=())).image[60:])


def test_demo_has_six_reps_of_which_two_are_faulty() -> None:
    plan = demo_plan()
    assert [rep.fault is not None for rep in plan.reps].count(True) == 2
    assert len(plan.reps) == 6
    assert 25.0 <= timeline_of(plan).duration_s <= 32.0


def test_random_plans_are_all_valid_and_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        plan = random_plan(rng, FAULT_KINDS)
        pose = pose_of(plan)
        assert np.all(pose.detected[loaded(plan)])


def test_random_plan_without_faults_is_normal() -> None:
    rng = np.random.default_rng(0)
    assert all(rep.fault is None for _ in range(20) for rep in random_plan(rng).reps)


@pytest.fixture
def short_pose() -> Pose:
    return pose_of(LiftPlan(reps=(RepPlan(),)))


def test_dropped_poses_are_not_detected(short_pose: Pose) -> None:
    missing = np.arange(len(short_pose.time)) % 3 == 0
    told = replace(short_pose, back_bow=np.ones(len(missing), np.float32))
    dropped = drop_poses(told, missing)
    assert np.array_equal(dropped.detected, ~missing)
    assert np.array_equal(np.isfinite(dropped.back_bow), ~missing)


def test_occluded_landmarks_lose_visibility_only_they(short_pose: Pose) -> None:
    seen = occlude(short_pose, ("left_ankle",)).visibility
    changed = (seen != short_pose.visibility).any(axis=0)
    assert np.flatnonzero(changed).tolist() == [INDEX["left_ankle"]]


def test_jitter_is_as_large_as_asked(short_pose: Pose) -> None:
    tall = np.ptp(short_pose.image[:, :, 1], axis=1).max()
    noise = add_jitter(short_pose, 0.01).image - short_pose.image
    assert noise.std() == pytest.approx(0.01 * tall, rel=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RepPlan(pull_s=0.0),
        lambda: RepPlan(magnitude=1.5),
        lambda: LiftPlan(fps=0.0),
        lambda: LiftPlan(width=641),
        lambda: LiftPlan(setup_s=0.0),
        lambda: LiftPlan(cuts=(Cut(2.0, Camera()), Cut(1.0, Camera()))),
        lambda: Camera(size=0.0),
    ],
)
def test_impossible_plans_are_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match="Expected"):
        wrong()
