"""Repetitions cut from synthetic motion with exact truth, and how the cut answers to changes of the motion."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import synthetic
from pipeline.config import SegmentConfig
from pipeline.landmarks import INDEX, MIRRORED
from pipeline.pose.tracks import is_plausible, tracks
from pipeline.records import Pose, Rep
from pipeline.reps import find_reps, segment
from pipeline.reps.confidence import confidence
from pipeline.reps.criteria import turning_points
from pipeline.reps.proposals import proposals
from pipeline.synthetic import LiftPlan, RepPlan

CONFIG = SegmentConfig()
BASE = LiftPlan(reps=(RepPlan(),) * 3, walk_in_s=2.5, unloaded_bends=1)


def posed(plan: LiftPlan, rate: float = 10.0) -> Pose:
    frames = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 1.0 / rate)
    return synthetic.add_jitter(synthetic.pose_of(plan, frames), 0.004, seed=1)


def cut(pose: Pose) -> tuple[Rep, ...]:
    return find_reps(pose, CONFIG)


def times(reps: tuple[Rep, ...]) -> NDArray[np.float64]:
    return np.array([(rep.start_s, rep.top_s, rep.end_s) for rep in reps])


def moved(pose: Pose, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0), pace: float = 1.0) -> Pose:
    image = pose.image * np.float32(scale) + np.array(shift, np.float32)
    return replace(pose, image=image, depth=pose.depth * np.float32(scale), time=pose.time * pace)


def joined(first: Pose, second: Pose, pause_s: float = 0.1, same_shot: bool = False) -> Pose:
    shot = second.shot + first.shot[-1] + (0 if same_shot else 1)
    return replace(
        first,
        image=np.concatenate([first.image, second.image]),
        world=np.concatenate([first.world, second.world]),
        depth=np.concatenate([first.depth, second.depth]),
        visibility=np.concatenate([first.visibility, second.visibility]),
        time=np.concatenate([first.time, second.time - second.time[0] + first.time[-1] + pause_s]),
        shot=np.concatenate([first.shot, shot]).astype(np.int32),
        back_bow=np.concatenate([first.back_bow, second.back_bow]),
    )


def with_wrists(pose: Pose, image: NDArray[np.float32], world: NDArray[np.float32]) -> Pose:
    """The pose with both wrists at the given places [T, 2] and [T, 3]."""
    rows = [INDEX["left_wrist"], INDEX["right_wrist"]]
    new_image, new_world = pose.image.copy(), pose.world.copy()
    new_image[:, rows], new_world[:, rows] = image[:, None], world[:, None]
    return replace(pose, image=new_image, world=new_world)


@pytest.fixture(scope="module")
def pose() -> Pose:
    return posed(BASE)


@pytest.fixture(scope="module")
def reps(pose: Pose) -> tuple[Rep, ...]:
    return cut(pose)


def test_every_repetition_is_found_once(reps: tuple[Rep, ...]) -> None:
    truth = synthetic.reps_of(BASE)
    assert [any(t.start_s < rep.top_s < t.end_s for t in truth) for rep in reps] == [True] * len(truth)


def test_boundaries_lie_within_the_lift_and_near_its_ends(reps: tuple[Rep, ...]) -> None:
    difference = times(reps) - times(synthetic.reps_of(BASE))
    assert np.all(np.abs(difference) < 0.3)


def test_repetitions_do_not_overlap(reps: tuple[Rep, ...]) -> None:
    assert all(a.end_s <= b.start_s for a, b in pairwise(reps))


def test_no_pose_no_repetition(pose: Pose) -> None:
    assert cut(synthetic.drop_poses(pose, np.ones(len(pose.time), bool))) == ()


def test_an_empty_recording_has_no_repetition(pose: Pose) -> None:
    nothing = replace(
        pose,
        image=pose.image[:0],
        world=pose.world[:0],
        depth=pose.depth[:0],
        visibility=pose.visibility[:0],
        time=pose.time[:0],
        shot=pose.shot[:0],
        back_bow=pose.back_bow[:0],
    )
    assert cut(nothing) == ()


def test_walking_and_bending_without_the_load_is_no_repetition() -> None:
    plan = replace(BASE, unloaded_bends=2)
    before = np.arange(0.0, synthetic.timeline_of(plan).setups[0][1], 0.1)
    assert cut(synthetic.pose_of(plan, before)) == ()


def test_standing_up_without_the_load_between_singles_is_no_repetition() -> None:
    plan = LiftPlan(reps=(RepPlan(stand_s=2.0),) * 3)
    assert len(cut(posed(plan))) == 3


def test_a_lift_not_seen_to_the_floor_is_left_out() -> None:
    plan = LiftPlan(reps=(RepPlan(),) * 2)
    last = synthetic.reps_of(plan)[-1]
    before_lowering = np.arange(0.0, last.top_s + 0.3, 0.1)
    assert len(cut(synthetic.pose_of(plan, before_lowering))) == 1


def test_hands_at_the_shoulders_are_no_deadlift(pose: Pose) -> None:
    rows = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
    squatting = with_wrists(pose, pose.image[:, rows].mean(axis=1), pose.world[:, rows].mean(axis=1))
    assert cut(squatting) == ()


def test_hands_resting_on_the_floor_are_no_deadlift(pose: Pose) -> None:
    rows = [INDEX["left_heel"], INDEX["right_heel"]]
    pressing = with_wrists(pose, pose.image[:, rows].mean(axis=1), pose.world[:, rows].mean(axis=1))
    assert cut(pressing) == ()


def rows_at(azimuth_deg: float, count: int) -> Pose:
    """A load is lifted to half the way up, rowed to the belly `count` times, and put back."""
    plan = LiftPlan(reps=(RepPlan(),), camera=synthetic.Camera(azimuth_deg=azimuth_deg))
    line = synthetic.timeline_of(plan)
    times = np.arange(0.0, line.duration_s, 0.01)
    shoulder = synthetic.skeleton_of(plan, times).landmarks[:, INDEX["left_shoulder"], 1]
    move, lower = line.reps[0], line.holds_end[0]
    half = np.mean(shoulder[[np.searchsorted(times, move.start_s), np.searchsorted(times, move.top_s)]])
    up = move.start_s + 0.01 * int(np.argmax(shoulder[times >= move.start_s] > half))
    down = lower + 0.01 * int(np.argmax(shoulder[times >= lower] < half))
    held = synthetic.pose_of(plan, np.linspace(up, up + 1e-6, 16 * count))
    hands = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("wrist", "index", "pinky", "thumb")]
    share = (0.425 - 0.425 * np.cos(np.arange(len(held.time)) * 2 * np.pi / 16))[:, None, None]
    for points in (held.image, held.world):
        belly = 0.45 * points[:, [11, 12]].mean(axis=1) + 0.55 * points[:, [23, 24]].mean(axis=1)
        points[:, hands] += (share * (belly - points[:, [15, 16]].mean(axis=1))[:, None]).astype(np.float32)
    held = replace(held, time=np.arange(len(held.time)) / 10)
    before, after = np.arange(0.0, up, 0.1), np.arange(down, line.duration_s, 0.1)
    rowed = joined(synthetic.pose_of(plan, before), held, same_shot=True)
    return synthetic.add_jitter(joined(rowed, synthetic.pose_of(plan, after), same_shot=True), 0.004, seed=1)


@pytest.mark.parametrize("azimuth_deg", [0.0, 45.0, 90.0])
@pytest.mark.parametrize("count", [2, 3, 6, 12])
def test_rows_are_no_deadlift(azimuth_deg: float, count: int) -> None:
    assert cut(rows_at(azimuth_deg, count)) == ()


@pytest.mark.parametrize("azimuth_deg", [0.0, 45.0, 90.0, -90.0])
def test_every_view_gives_the_same_count(azimuth_deg: float) -> None:
    plan = replace(BASE, camera=synthetic.Camera(azimuth_deg=azimuth_deg))
    assert len(cut(posed(plan))) == 3


def test_touch_and_go_and_dead_stop_are_counted_alike() -> None:
    plan = LiftPlan(reps=(RepPlan(floor_s=0.05),) * 3 + (RepPlan(floor_s=6.0),) * 2)
    assert len(cut(posed(plan))) == 5


def test_fifty_repetitions() -> None:
    assert len(cut(posed(LiftPlan(reps=(RepPlan(floor_s=0.2),) * 50)))) == 50


def test_a_change_of_view_between_repetitions_loses_none() -> None:
    plan = replace(BASE, reps=(RepPlan(),) * 4)
    after_second = synthetic.reps_of(plan)[1].end_s + 0.05
    plan = replace(plan, cuts=(synthetic.Cut(after_second, synthetic.Camera(azimuth_deg=90.0)),))
    assert len(cut(posed(plan))) == 4


def test_a_person_lost_at_lockout_is_bridged(pose: Pose) -> None:
    lost = np.zeros(len(pose.time), bool)
    for rep in synthetic.reps_of(BASE):
        lost |= (pose.time > rep.top_s - 0.2) & (pose.time < rep.top_s + 0.5)
    assert len(cut(synthetic.drop_poses(pose, lost))) == 3


def test_a_glance_at_a_bystander_is_passed_over(pose: Pose) -> None:
    image = pose.image.copy()
    glance = (pose.time > 8.0) & (pose.time < 8.5)
    image[glance] = image[glance] * np.float32(0.4) + np.array([500.0, 100.0], np.float32)
    assert len(cut(replace(pose, image=image))) == 3


def test_sprawled_guesses_are_not_plausible(pose: Pose) -> None:
    world = pose.world.copy()
    world[20] = world[20][:, [1, 0, 2]]
    rows = [INDEX["left_wrist"], INDEX["right_wrist"]]
    world[20, rows] = world[20, [INDEX["left_shoulder"]]] + np.array([[0.5, 0.0, 0.0]], np.float32)
    assert not is_plausible(replace(pose, world=world))[20]


def test_a_long_absence_parts_the_tracks(pose: Pose) -> None:
    later = joined(pose, pose, pause_s=20.0, same_shot=True)
    assert len(list(tracks(later, CONFIG.max_gap_s))) == 2 * len(list(tracks(pose, CONFIG.max_gap_s)))


def test_turning_points_alternate_and_pass_over_small_waves() -> None:
    height = np.array([0.0, 0.5, 0.45, 1.0, 0.0, 0.1, 0.02, 1.0])
    assert turning_points(height, 0.3) == [0, 3, 4, 7]


def test_every_accepted_proposal_meets_all_cues(pose: Pose) -> None:
    assert all(cue.margin >= 0 for p in proposals(pose, CONFIG) if p.accepted for cue in p.cues)


@settings(max_examples=15, deadline=None)
@given(
    scale=st.floats(0.2, 4.0),
    x=st.floats(-500.0, 500.0),
    y=st.floats(-500.0, 500.0),
)
def test_place_and_size_in_the_picture_change_nothing(scale: float, x: float, y: float) -> None:
    pose = posed(BASE)
    assert times(cut(moved(pose, scale, (x, y)))) == pytest.approx(times(cut(pose)), abs=0.02)


def test_a_mirrored_recording_is_cut_alike(pose: Pose, reps: tuple[Rep, ...]) -> None:
    rows = list(MIRRORED)
    image = np.stack([pose.width - pose.image[:, rows, 0], pose.image[:, rows, 1]], axis=2)
    mirrored = replace(pose, image=image, world=pose.world[:, rows] * np.array([-1, 1, 1], np.float32))
    assert times(cut(mirrored)) == pytest.approx(times(reps), abs=0.02)


@settings(max_examples=10, deadline=None)
@given(pace=st.floats(0.8, 2.5))
def test_slow_motion_stretches_the_repetitions(pace: float) -> None:
    pose = posed(BASE)
    assert times(cut(moved(pose, pace=pace))) == pytest.approx(pace * times(cut(pose)), abs=0.08 * pace)


@settings(max_examples=10, deadline=None)
@given(shift_s=st.floats(0.0, 5000.0))
def test_a_later_beginning_shifts_the_repetitions(shift_s: float) -> None:
    pose = posed(BASE)
    later = replace(pose, time=pose.time + shift_s)
    assert times(cut(later)) == pytest.approx(times(cut(pose)) + shift_s, abs=0.02)


def test_a_higher_frame_rate_changes_nothing() -> None:
    assert times(cut(posed(BASE, 60.0))) == pytest.approx(times(cut(posed(BASE, 15.0))), abs=0.08)


def test_uneven_frame_times_change_nothing(reps: tuple[Rep, ...]) -> None:
    rng = np.random.default_rng(0)
    uneven = np.cumsum(rng.uniform(0.03, 0.17, int(synthetic.timeline_of(BASE).duration_s / 0.1)))
    assert times(cut(synthetic.pose_of(BASE, uneven))) == pytest.approx(times(reps), abs=0.1)


def test_joined_recordings_have_the_repetitions_of_both(pose: Pose, reps: tuple[Rep, ...]) -> None:
    both = cut(joined(pose, pose))
    second = pose.time[-1] + 0.1 - pose.time[0]
    assert times(both) == pytest.approx(np.concatenate([times(reps), times(reps) + second]), abs=0.02)


@settings(max_examples=8, deadline=None)
@given(floor_s=st.floats(0.1, 8.0), hold_s=st.floats(0.2, 4.0))
def test_pauses_change_no_count(floor_s: float, hold_s: float) -> None:
    plan = LiftPlan(reps=(RepPlan(floor_s=floor_s, hold_s=hold_s),) * 3)
    assert len(cut(posed(plan))) == 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_dropped_poses_change_no_count(seed: int) -> None:
    pose = posed(BASE)
    lost = np.random.default_rng(seed).random(len(pose.time)) < 0.25
    assert len(cut(synthetic.drop_poses(pose, lost))) == 3


def test_a_segmentation_has_the_same_repetitions(pose: Pose, reps: tuple[Rep, ...]) -> None:
    assert segment(pose, CONFIG).reps == reps


def test_confidence_is_high_for_a_clear_recording(pose: Pose) -> None:
    assert segment(pose, CONFIG).confidence > 0.8


def test_confidence_falls_with_missing_poses(pose: Pose) -> None:
    lost = np.random.default_rng(0).random(len(pose.time)) < 0.5
    worse = synthetic.drop_poses(pose, lost)
    assert segment(worse, CONFIG).confidence < 0.7 * segment(pose, CONFIG).confidence


def test_confidence_counts_time_and_not_poses() -> None:
    """While nobody moves poses are further apart: what is missing elsewhere is no larger part of the recording then."""
    pose = posed(replace(BASE, walk_in_s=0.0, unloaded_bends=0, stand_before_s=20.0))
    lost = (pose.time > 15.0) & (pose.time < 18.0)
    even = synthetic.drop_poses(pose, lost)
    kept = (even.time > 14.0) | (np.arange(len(even.time)) % 3 == 0)
    names = ("image", "world", "depth", "visibility", "time", "shot", "back_bow")
    uneven = replace(even, **{name: getattr(even, name)[kept] for name in names})
    assert segment(even, CONFIG).confidence < 0.95 * segment(pose, CONFIG).confidence
    assert segment(uneven, CONFIG).confidence == pytest.approx(segment(even, CONFIG).confidence, rel=0.02)


def test_confidence_falls_where_a_repetition_is_missing(pose: Pose, reps: tuple[Rep, ...]) -> None:
    found = proposals(pose, CONFIG)
    assert confidence(pose, (reps[0], reps[2]), found, CONFIG) < 0.5 * confidence(pose, reps, found, CONFIG)


def test_confidence_without_a_person_is_nil(pose: Pose) -> None:
    assert segment(synthetic.drop_poses(pose, np.ones(len(pose.time), bool)), CONFIG).confidence == 0.0
