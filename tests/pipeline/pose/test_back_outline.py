"""The bow of the back's outline: exact on drawn masks, and no statement where a mask or a view allows none."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.landmarks import INDEX, LANDMARK_COUNT
from pipeline.pose.back_outline import LOGITS, PROBABILITIES, bow_of, bows_of, may_tell_next
from pipeline.records import Floats, Pose, Rep
from pipeline.synthetic import LiftPlan, pose_of, reps_of

Points = NDArray[np.float64]
SIZE = 256


WHOLE = np.array([(-500.0, -500.0), (800.0, -500.0), (800.0, 800.0), (-500.0, 800.0)])
"""Corners of a picture that reaches far beyond the mask."""


def radius_of(bow: float) -> float:
    """The radius of a circle whose arc over .1 to .95 of the trunk has that height over its chord; in trunk lengths."""
    half = 0.425
    return (half**2 + bow**2) / (2 * abs(bow))


def body(
    bow: float,
    lean: float = 60.0,
    trunk_px: float = 70.0,
    *,
    turned: float = 0.0,
    depth: float = 0.25,
    softness: float = 0.01,
    shoulders: float = 0.2,
    trunk_m: float = 0.5,
) -> tuple[Floats, Points, Floats]:
    """Logits, landmarks in pixels and in metres of a body whose back is an arc of a circle.

    It looks to the right. lean: degrees; turned: by how many degrees the mask is turned against the landmarks' metres.
    depth: of the back behind the hips; softness: of its edge; shoulders: how far apart they are; in trunk lengths.
    """
    upright, forward = np.array([0.0, -1.0]), np.array([1.0, 0.0])
    angle = np.radians(lean)
    along = np.cos(angle) * upright + np.sin(angle) * forward
    front = np.cos(angle) * forward - np.sin(angle) * upright
    places = {
        "hip": 0 * along,
        "shoulder": along,
        "nose": along + 0.3 * along + 0.2 * front,
        "knee": 0.8 * front,
        "wrist": along + 0.9 * front,
    }
    shape = np.zeros((LANDMARK_COUNT, 2))
    for name, row in INDEX.items():
        joint = name.removeprefix("left_").removeprefix("right_")
        shape[row] = places.get(joint, 0 * along)
        if joint == "shoulder":
            shape[row] += (0.5 if name.startswith("left") else -0.5) * shoulders * front
    world = np.zeros((LANDMARK_COUNT, 3), np.float32)
    world[:, :2] = shape * trunk_m
    turn = np.radians(turned)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    hips = np.array([SIZE / 2, SIZE / 2])
    points = shape @ spin * trunk_px + hips
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    offset = np.stack([x - hips[0], y - hips[1]], axis=-1) / trunk_px
    share, out = offset @ (along @ spin), -(offset @ (front @ spin))
    outline = np.full(share.shape, depth)
    if bow:
        radius = radius_of(bow)
        height = np.sqrt(np.maximum(radius**2 - np.clip(share - 0.525, -0.7, 0.7) ** 2, 0.0)) - radius
        outline = outline + np.sign(bow) * height + max(bow, 0.0)
    return ((outline - out) / softness).clip(-20, 20).astype(np.float32), points, world


@pytest.mark.parametrize("bow", [-0.06, 0.0, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("trunk_px", [40.0, 70.0, 110.0])
def test_the_bow_of_an_arc_of_a_circle_is_its_height(bow: float, trunk_px: float) -> None:
    assert bow_of(*body(bow, trunk_px=trunk_px), LOGITS, WHOLE) == pytest.approx(bow, abs=0.002)


@pytest.mark.parametrize("turned", [-160.0, -40.0, 25.0, 90.0])
def test_a_mask_may_be_turned(turned: float) -> None:
    assert bow_of(*body(0.06, turned=turned), LOGITS, WHOLE) == pytest.approx(0.06, abs=0.002)


def test_whoever_looks_to_the_left_has_the_same_bow() -> None:
    mask, points, world = body(0.06)
    points[:, 0], world[:, 0] = SIZE - 1 - points[:, 0], -world[:, 0]
    assert bow_of(np.ascontiguousarray(mask[:, ::-1]), points, world, LOGITS, WHOLE) == pytest.approx(0.06, abs=0.002)


def test_a_mask_may_be_of_probabilities() -> None:
    mask, points, world = body(0.06)
    shares = (1 / (1 + np.exp(-mask))).astype(np.float32)
    assert bow_of(shares, points, world, PROBABILITIES, WHOLE) == pytest.approx(0.06, abs=0.002)


def test_where_the_back_lies_does_not_count() -> None:
    far, near = (bow_of(*body(0.05, depth=depth), LOGITS, WHOLE) for depth in (0.4, 0.15))
    assert far == pytest.approx(near, abs=0.001)


@pytest.mark.parametrize(
    "unlike",
    [
        {"lean": 40.0},
        {"trunk_px": 28.0},
        {"shoulders": 0.65},
        {"trunk_m": 0.28},
        {"trunk_m": 0.8},
        {"softness": 0.04},
        {"depth": -0.05},
        {"depth": 1.5},
    ],
    ids=str,
)
def test_nothing_is_said_of(unlike: dict[str, float]) -> None:
    """Somebody upright, small, no side view; a guess; a vague edge; a body beside the joints; no edge within reach."""
    assert not isnan(bow_of(*body(0.05), LOGITS, WHOLE))
    assert isnan(bow_of(*body(0.05, **unlike), LOGITS, WHOLE))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", range(40, 126, 4))
def test_a_back_that_leaves_the_picture_says_nothing(row: int) -> None:
    mask, points, world = body(0.0)
    shown = np.array([(0.0, 0.0), (SIZE, 0.0), (SIZE, SIZE), (0.0, SIZE)]) + (0.0, row) * np.array([[1], [1], [0], [0]])
    cut = mask.copy()
    cut[:row] = LOGITS.outside
    bow = bow_of(cut, points, world, LOGITS, shown)
    assert isnan(bow) or bow == pytest.approx(0.0, abs=0.002)
    assert isnan(bow) or row < 80


def test_a_lifter_whose_hips_are_at_the_edge_of_the_picture_says_nothing() -> None:
    mask, points, world = body(0.0)
    for left, says in ((SIZE / 2 - 30.0, True), (SIZE / 2 - 10.0, False)):
        shown = np.array([(left, 0.0), (SIZE, 0.0), (SIZE, SIZE), (left, SIZE)])
        assert isnan(bow_of(mask, points, world, LOGITS, shown)) != says


def test_a_mask_with_a_hole_at_the_joints_says_nothing() -> None:
    mask, points, world = body(0.05)
    x, y = points[[INDEX["left_hip"], INDEX["left_shoulder"]]].mean(axis=0).astype(int)
    mask[y - 3 : y + 4, x - 3 : x + 4] = -9.0
    assert isnan(bow_of(mask, points, world, LOGITS, WHOLE))


@pytest.mark.parametrize(
    ("seen", "worth"), [({"lean": 23.0}, True), ({"lean": 17.0}, False), ({"shoulders": 0.85}, False)], ids=str
)
def test_a_mask_is_worth_its_cost_after_somebody_was_seen_bent_from_the_side(
    seen: dict[str, float], worth: bool
) -> None:
    assert may_tell_next(*body(0.05, **seen)[1:]) == worth  # type: ignore[arg-type]


# Repetitions


@pytest.fixture(scope="module")
def lift() -> tuple[Pose, Rep]:
    plan = LiftPlan()
    return pose_of(plan, np.arange(0.0, 9.0, 0.1)), reps_of(plan)[0]


def with_bows(pose: Pose, first_s: float, *bows: float) -> Pose:
    """The pose with bows from a time on, one in each sample."""
    values = np.full(len(pose.time), np.nan, np.float32)
    first = int(np.searchsorted(pose.time, first_s))
    values[first : first + len(bows)] = bows
    return replace(pose, back_bow=values)


def test_the_bow_of_a_repetition_is_the_median_of_its_pictures(lift: tuple[Pose, Rep]) -> None:
    pose, rep = lift
    assert bows_of(with_bows(pose, rep.start_s, 0.01, 0.5, 0.06), [rep]) == (pytest.approx(0.06),)


def test_two_pictures_say_nothing(lift: tuple[Pose, Rep]) -> None:
    pose, rep = lift
    assert bows_of(with_bows(pose, rep.start_s, 0.05, 0.06), [rep]) == (None,)


def test_what_is_seen_between_repetitions_does_not_count(lift: tuple[Pose, Rep]) -> None:
    pose, rep = lift
    away = with_bows(pose, rep.end_s + 0.2, *(0.06,) * 4)
    assert bows_of(away, [rep]) == (None,)


def test_guesses_of_the_estimator_do_not_count(lift: tuple[Pose, Rep]) -> None:
    pose, rep = lift
    told = with_bows(pose, rep.start_s, *(0.06,) * 4)
    world = told.world.copy()
    world[np.isfinite(told.back_bow)] *= -1  # on their heads
    assert bows_of(told, [rep]) == (pytest.approx(0.06),)
    assert bows_of(replace(told, world=world), [rep]) == (None,)


def test_a_pose_without_bows_makes_no_statement(lift: tuple[Pose, Rep]) -> None:
    pose, rep = lift
    assert bows_of(pose, [rep, rep]) == (None, None)
