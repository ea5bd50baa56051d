"""The body of a synthetic lifter: segment lengths, inverse kinematics of arms and legs, head, feet, and the bar.

World axes in metres: x to the lifter's left, y up, z forward (where the lifter faces the bar); the ankles of the lift
stand at z = 0, the floor is y = 0. Segment lengths are shares of body height after Winter, Biomechanics and Motor
Control of Human Movement (4th ed., figure 4.1), hips and shoulders narrowed to the joint centres that pose models mark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.landmarks import INDEX, LANDMARK_COUNT
from pipeline.synthetic.motion import SIDES, Array, Channels, channels_of
from pipeline.synthetic.plan import Lifter, LiftPlan, timeline_of

PLATE_RADIUS_M = 0.225
PLATE_X_M = (0.66, 0.72)
"""Distances of the plates from the middle of the bar."""
BAR_HALF_M = 1.02


@dataclass(frozen=True)
class Body:
    """Segment lengths in metres, and the joint angles (radians) of the set-up (0) and of lockout (1)."""

    shank: float
    thigh: float
    trunk: float
    upper_arm: float
    forearm: float
    hand: float
    ankle_height: float
    hips: float
    shoulders: float
    bar_z: float
    knee: tuple[float, float]
    hip_direction: tuple[float, float]
    lean: tuple[float, float]
    spread: float

    @property
    def reach(self) -> float:
        """Shoulder to the middle of the fist with an (all but) straight arm."""
        return 0.9985 * (self.upper_arm + self.forearm) + self.hand


def body_of(lifter: Lifter) -> Body:
    """Segments by body height; the set-up solved so that the hands hold a bar that lies on its plates."""
    height = lifter.height_m
    shank, thigh, trunk = 0.246 * height, 0.245 * height, 0.288 * height
    upper_arm, forearm, hand = 0.186 * height, 0.146 * height, 0.046 * height
    ankle, hips, shoulders = 0.042 * height, 0.118 * height, 0.205 * height
    bar_z = 0.072 * height
    spread = abs(lifter.stance_m - hips) / 2
    reach = 0.9985 * (upper_arm + forearm) + hand
    sideways = abs(lifter.grip_m - shoulders) / 2

    def leg(hip_y: float, hip_z: float) -> tuple[float, float]:
        """Knee flexion and the direction from the ankles to the hips (from the vertical, forward positive)."""
        square = (hip_y - ankle) ** 2 + hip_z**2 + spread**2
        cosine = (square - shank**2 - thigh**2) / (2 * shank * thigh)
        return math.acos(min(1.0, max(-1.0, cosine))), math.atan2(hip_z, hip_y - ankle)

    lean = math.radians(lifter.back_angle_deg)
    shoulder_z = bar_z + 0.025 * height
    shoulder_y = PLATE_RADIUS_M + math.sqrt(reach**2 - (shoulder_z - bar_z) ** 2 - sideways**2)
    knee, direction = leg(shoulder_y - trunk * math.cos(lean), shoulder_z - trunk * math.sin(lean))
    return Body(
        shank,
        thigh,
        trunk,
        upper_arm,
        forearm,
        hand,
        ankle,
        hips,
        shoulders,
        bar_z,
        (knee, math.radians(7.0)),
        (direction, math.radians(2.0)),
        (lean, math.radians(-1.0)),
        spread,
    )


@dataclass(frozen=True)
class Skeleton:
    """Joints of the lifter and the bar at T times, in world axes (metres).

    landmarks [T, 33, 3]; neck [T, 3] between the shoulders' upper edges; head [T, 3] its middle and head_axes
    [T, 3, 3] its left, up and forward; bar [T, 3] the middle of the bar, bar_axis [T, 3] towards its left end.
    """

    time: Array
    landmarks: Array
    neck: Array
    head: Array
    head_axes: Array
    bar: Array
    bar_axis: Array


def skeleton_of(plan: LiftPlan, time: Array) -> Skeleton:
    """The exact joints of a plan at any times (seconds)."""
    line = timeline_of(plan)
    ch = channels_of(plan, line, np.asarray(time, dtype=np.float64))
    body = body_of(plan.lifter)
    hip_mid, lean, roll = _posture(body, ch)
    up, ahead, left = np.array([0.0, 1.0, 0.0]), _heading(ch.yaw), _heading(ch.yaw + math.pi / 2)
    origin = ch.root + ahead * hip_mid[:, 2:3] + up * hip_mid[:, 1:2]
    origin = _walking_height(body, ch, origin, left, plan.lifter)
    points = np.zeros((len(ch.time), LANDMARK_COUNT, 3))

    trunk = left * _col(np.sin(roll)) + (up * _col(np.cos(lean)) + ahead * _col(np.sin(lean))) * _col(np.cos(roll))
    across = left * _col(np.cos(roll)) - (up * _col(np.cos(lean)) + ahead * _col(np.sin(lean))) * _col(np.sin(roll))
    girdle = across * _col(np.cos(ch.shoulder_tilt)) + trunk * _col(np.sin(ch.shoulder_tilt))
    chest = origin + body.trunk * trunk
    for sign, side in SIDES:
        points[:, INDEX[f"{side}_hip"]] = origin + left * (sign * body.hips / 2)
        points[:, INDEX[f"{side}_shoulder"]] = chest + girdle * (sign * body.shoulders / 2)
    bar, bar_axis, carried = _bar(body, ch, points, girdle, plan.lifter)
    for index, (sign, side) in enumerate(SIDES):
        _leg(points, body, ch, index, sign, side, plan.lifter)
        fist = carried + bar_axis * (sign * plan.lifter.grip_m / 2)
        _arm(points, body, ch, index, sign, side, fist, left, ahead)
    neck, head, axes = _head(points, ch, chest, trunk, left, ahead, up, lean, plan.lifter.height_m)
    return Skeleton(ch.time, points, neck, head, axes, bar, bar_axis)


def _col(values: Array) -> Array:
    column: Array = values[:, None]
    return column


def _heading(yaw: Array) -> Array:
    """[T, 3] the level unit vector that is turned by `yaw` radians to the left of facing the bar."""
    return np.stack([np.sin(yaw), np.zeros_like(yaw), np.cos(yaw)], axis=1)


def _unit(vectors: Array) -> Array:
    result: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return result


def _posture(body: Body, ch: Channels) -> tuple[Array, Array, Array]:
    """Middle of the hips relative to the lifter's place [T, 3], lean of the trunk and its roll to the left [T].

    The knees open first and the trunk last. Hips that come up ahead of the bar, or sink under it, bend or raise the
    trunk by just as much as keeps the bar where it would have been.
    """

    # The last part of the way lifts the bar least: taken faster, so that the bar too is on its way until lockout.
    p = 1.0 - (1.0 - np.clip(ch.rise, 0.0, 1.0)) ** 0.65

    def hips(lead: Array | float, dip: Array | float) -> Array:
        opened = 1.0 - (1.0 - p) ** 1.45
        opened = opened + lead * (1.0 - opened)
        flexion = body.knee[0] + (body.knee[1] - body.knee[0]) * opened + dip
        square = body.shank**2 + body.thigh**2 + 2 * body.shank * body.thigh * np.cos(flexion)
        length = np.sqrt(square - body.spread**2)
        direction = body.hip_direction[0] + (body.hip_direction[1] - body.hip_direction[0]) * p
        y = body.ankle_height + length * np.cos(direction)
        return np.stack([np.zeros_like(y), y, length * np.sin(direction)], axis=1)

    def carried_height(at: Array, lean: Array) -> Array:
        away = at[:, 2] + body.trunk * np.sin(lean) - body.bar_z
        result: Array = at[:, 1] + body.trunk * np.cos(lean) - np.sqrt(np.maximum(body.reach**2 - away**2, 1e-6))
        return result

    lean = body.lean[0] + (body.lean[1] - body.lean[0]) * p**1.35
    goal = carried_height(hips(0.0, 0.0), lean)
    at = hips(ch.hips_lead, ch.knee_dip)
    low, high = np.where(ch.knee_dip > 0, np.maximum(lean - 0.6, 0.0), lean), lean + 0.9
    for _ in range(45):
        middle = (low + high) / 2
        above = carried_height(at, middle) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    roll = np.arcsin(np.clip(0.9 * ch.bar_left / body.trunk, -0.9, 0.9))
    return at, np.where((ch.hips_lead > 0) | (ch.knee_dip > 0), low, lean), roll


def _walking_height(body: Body, ch: Channels, origin: Array, left: Array, lifter: Lifter) -> Array:
    """Hips low enough, while walking, for both feet to be reached."""
    full = (0.999 - 0.019 * ch.walking) * (body.shank + body.thigh)
    height = origin[:, 1].copy()
    for index, (sign, _) in enumerate(SIDES):
        ankle = ch.feet[index] + np.array([sign * lifter.stance_m / 2, body.ankle_height, 0.0])
        away = (ankle - origin - left * (sign * body.hips / 2))[:, [0, 2]]
        reach = np.sqrt(np.maximum(full**2 - (away**2).sum(axis=1), 0.01))
        height = np.where(ch.walking > 0, np.minimum(height, ankle[:, 1] + reach), height)
    result = origin.copy()
    result[:, 1] = height
    return result


def _two_bones(root: Array, goal: Array, first: float, second: float, pole: Array) -> tuple[Array, Array]:
    """The middle joint [T, 3], bent towards `pole`, and the end joint: `goal`, or as near to it as the bones reach."""
    way = goal - root
    distance = np.linalg.norm(way, axis=1)
    reached = np.clip(distance, abs(first - second) + 1e-6, first + second)
    along = way / _col(distance)
    share = (first**2 + reached**2 - second**2) / (2 * reached)
    height = np.sqrt(np.maximum(first**2 - share**2, 0.0))
    out = _unit(pole - along * _col((pole * along).sum(axis=1)))
    return root + along * _col(share) + out * _col(height), root + along * _col(reached)


def _leg(points: Array, body: Body, ch: Channels, index: int, sign: float, side: str, lifter: Lifter) -> None:
    ankle = ch.feet[index] + np.array([sign * lifter.stance_m / 2, body.ankle_height, 0.0])
    pole = _heading(ch.yaw + sign * ch.knees_out)
    hip = points[:, INDEX[f"{side}_hip"]]
    knee, ankle = _two_bones(hip, ankle, body.thigh, body.shank, pole)
    toes = _heading(ch.feet_yaw[index] + sign * math.radians(12.0))
    sole = np.array([0.0, 0.75 * body.ankle_height, 0.0])
    points[:, INDEX[f"{side}_knee"]] = knee
    points[:, INDEX[f"{side}_ankle"]] = ankle
    points[:, INDEX[f"{side}_heel"]] = ankle - toes * (0.028 * lifter.height_m) - sole
    points[:, INDEX[f"{side}_foot_index"]] = ankle + toes * (0.095 * lifter.height_m) - sole


def _bar(body: Body, ch: Channels, points: Array, girdle: Array, lifter: Lifter) -> tuple[Array, Array, Array]:
    """Middle of the bar, its axis, and where its middle would be if straight arms carried it now (all [T, 3]).

    The bar follows the shoulders: it hangs from the arm that is at full reach, so that the other one is bent a little.
    """
    axis = _unit(girdle * np.array([1.0, 1.0, 0.0]))
    axis = np.where((ch.walking > 0)[:, None], np.array([1.0, 0.0, 0.0]), axis)
    reach = body.reach * (1.0 - ch.elbows_bent)
    ahead = _heading(ch.yaw)
    carried = ch.root + ahead * body.bar_z + _heading(ch.yaw + math.pi / 2) * _col(ch.bar_left)
    carried[:, 1] = -np.inf
    for sign, side in SIDES:
        fist = carried + axis * (sign * lifter.grip_m / 2)
        away = (points[:, INDEX[f"{side}_shoulder"]] - fist)[:, [0, 2]]
        hang = np.sqrt(np.maximum(reach**2 - (away**2).sum(axis=1), 1e-4))
        needed = points[:, INDEX[f"{side}_shoulder"], 1] - hang - axis[:, 1] * (sign * lifter.grip_m / 2)
        carried[:, 1] = np.maximum(carried[:, 1], needed)
    on_floor = np.array([0.0, PLATE_RADIUS_M, body.bar_z])
    gripped = (ch.rise <= 1e-9) & (ch.walking == 0)
    carried = np.where((gripped & ~ch.loaded)[:, None], on_floor, carried)
    loaded = ch.loaded[:, None]
    return np.where(loaded, carried, on_floor), np.where(loaded, axis, np.array([1.0, 0.0, 0.0])), carried


def _arm(
    points: Array, body: Body, ch: Channels, index: int, sign: float, side: str, fist: Array, left: Array, ahead: Array
) -> None:
    shoulder = points[:, INDEX[f"{side}_shoulder"]]
    swing = ch.arm_swing[index]
    hanging = left * (sign * 0.12) + ahead * _col(np.sin(swing)) - np.array([0.0, 1.0, 0.0]) * _col(np.cos(swing))
    free = shoulder + _unit(hanging) * (0.97 * body.reach)
    hand = free + _col(np.clip(ch.grip, 0.0, 1.0)) * (fist - free)
    forearm_end = hand + _unit(shoulder - hand) * body.hand
    pole = left * (0.6 * sign) - ahead * 0.8
    elbow, wrist = _two_bones(shoulder, forearm_end, body.upper_arm, body.forearm, pole)
    reach = _unit(hand - wrist)
    inward = -left * sign
    points[:, INDEX[f"{side}_elbow"]] = elbow
    points[:, INDEX[f"{side}_wrist"]] = wrist
    points[:, INDEX[f"{side}_index"]] = wrist + reach * (1.0 * body.hand) + inward * (0.35 * body.hand)
    points[:, INDEX[f"{side}_pinky"]] = wrist + reach * (0.95 * body.hand) - inward * (0.35 * body.hand)
    points[:, INDEX[f"{side}_thumb"]] = wrist + reach * (0.65 * body.hand) + inward * (0.5 * body.hand)


FACE = {
    "nose": (0.0, -0.012, 0.062),
    "eye_inner": (0.010, 0.008, 0.052),
    "eye": (0.018, 0.008, 0.050),
    "eye_outer": (0.026, 0.008, 0.045),
    "ear": (0.043, -0.004, 0.0),
    "mouth": (0.014, -0.031, 0.049),
}
"""Left half of the face: shares of body height left of, above and in front of the head's middle."""


def _head(
    points: Array,
    ch: Channels,
    chest: Array,
    trunk: Array,
    left: Array,
    ahead: Array,
    up: Array,
    lean: Array,
    height: float,
) -> tuple[Array, Array, Array]:
    """Neck and head follow the trunk by half, so that the eyes look ahead of the bar; writes the face's landmarks."""
    pitch = 0.50 * lean + ch.nod
    forward = ahead * _col(np.cos(pitch)) - up * _col(np.sin(pitch))
    crown = ahead * _col(np.sin(pitch)) + up * _col(np.cos(pitch))
    to_left = left * _col(np.cos(ch.turn)) - forward * _col(np.sin(ch.turn))
    forward = forward * _col(np.cos(ch.turn)) + left * _col(np.sin(ch.turn))
    neck = chest + trunk * (0.030 * height)
    head = neck + _unit(trunk + 1.5 * crown) * (0.088 * height) + forward * (0.012 * height)
    for name, (x, y, z) in FACE.items():
        for sign, side in SIDES:
            label = "nose" if name == "nose" else f"mouth_{side}" if name == "mouth" else side + "_" + name
            offset = to_left * (sign * x) + crown * y + forward * z
            points[:, INDEX[label]] = head + offset * height
    return neck, head, np.stack([to_left, crown, forward], axis=1)
