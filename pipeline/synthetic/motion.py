"""How the degrees of freedom of a synthetic lifter move in time: lifting, its faults, walking, bending, fidgeting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic.plan import Lifter, LiftPlan, RepPlan, Timeline

Array = NDArray[np.float64]
Profile = Callable[[Array], Array]
WALKING_SPEED = 1.2
"""Mean speed in m/s: a walk that is too short for the way begins or ends inside the picture."""
SIDES = ((1.0, "left"), (-1.0, "right"))


def minimum_jerk(u: Array) -> Array:
    """0 to 1 over u = 0..1 along the path of least jerk (Flash and Hogan, J. Neurosci. 5(7), 1985, eq. 3)."""
    u = np.clip(u, 0.0, 1.0)
    result: Array = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return result


def loaded_move(speed_up: float, slow_down: float) -> Profile:
    """0 to 1 over u = 0..1: speed rises during the share `speed_up`, is kept, and falls during `slow_down`.

    A minimum-jerk path would spend its first tenth on 1 % of the way: no bar leaves the floor like that, nor lands so.
    Both ramps of the speed are cubic smoothsteps, so the acceleration is continuous.
    """
    cruise = 1.0 / (1.0 - (speed_up + slow_down) / 2)

    def ramp(v: Array) -> Array:
        v = np.clip(v, 0.0, 1.0)
        result: Array = v**3 - v**4 / 2
        return result

    def profile(u: Array) -> Array:
        u = np.clip(u, 0.0, 1.0)
        middle = np.clip(u - speed_up, 0.0, 1.0 - speed_up - slow_down)
        end = slow_down * (0.5 - ramp((1.0 - u) / slow_down))
        result: Array = cruise * (speed_up * ramp(u / speed_up) + middle + end)
        return result

    return profile


def _bump(t: Array, rise: tuple[float, float], fall: tuple[float, float]) -> Array:
    """0 before and after, 1 between: a minimum-jerk rise and fall over two spans of seconds."""
    return _step(t, rise) - _step(t, fall)


def _step(t: Array, span: tuple[float, float]) -> Array:
    return minimum_jerk((t - span[0]) / max(span[1] - span[0], 1e-9))


@dataclass
class Channels:
    """The lifter's degrees of freedom over T times; all zeros is standing still with hanging arms at the bar."""

    time: Array

    def __post_init__(self) -> None:
        zeros = np.zeros_like(self.time)
        self.rise = zeros + 1.0  # 0 set-up .. 1 upright
        self.grip = zeros.copy()  # 1 hands on the bar
        self.loaded = zeros.astype(bool)
        self.hips_lead = zeros.copy()  # 0..1 share of the remaining knee extension that comes early
        self.elbows_bent = zeros.copy()  # share by which the arms are shortened
        self.bar_left = zeros.copy()  # metres
        self.shoulder_tilt = zeros.copy()  # radians, left shoulder up
        self.knees_out = zeros + math.radians(11.0)
        self.knee_dip = zeros.copy()  # radians of extra knee flexion
        self.arm_swing = [zeros.copy(), zeros.copy()]  # radians forward, left and right
        self.nod, self.turn = zeros.copy(), zeros.copy()  # radians of the head, down and left
        self.root = np.zeros((len(zeros), 3))  # where the lifter stands
        self.yaw = zeros.copy()  # radians that the body is turned left
        self.feet = np.zeros((2, len(zeros), 3))  # ankles relative to standing at the bar, left and right
        self.feet_yaw = np.zeros((2, len(zeros)))
        self.walking = zeros.copy()  # 0..1


def _add_rep(
    ch: Channels, plan: RepPlan, start: float, top: float, lower: float, end: float, rng: np.random.Generator
) -> None:
    """Write one repetition, with its fault and a little natural variation, into the channels."""
    t, size = ch.time, plan.magnitude
    fault = plan.fault
    ch.loaded |= (t >= start) & (t < end)
    pull, lowering = top - start, end - lower
    u = (t - start) / pull
    full = 1.0 - float(rng.uniform(0.0, 0.012))
    if fault == "incomplete_lockout":
        full -= 0.06 + 0.13 * size
    climb = loaded_move(float(rng.uniform(0.08, 0.14)), float(rng.uniform(0.10, 0.18)))(u)
    if fault == "jerk":
        climb = (1 - 0.30 * size) * climb + 0.30 * size * minimum_jerk((u - 0.04) / 0.16)
        ch.elbows_bent += 0.075 * size * (_step(u, (0.0, 0.10)) - _step(u, (0.16, 0.62)))
    if fault == "hitching":
        stuck = 0.5 * size * (_bump(u, (0.40, 0.52), (0.56, 0.70)) + _bump(u, (0.62, 0.74), (0.78, 0.94)))
        ch.knee_dip += math.radians(50.0) * stuck
        climb = climb - 0.07 * stuck
    fall = loaded_move(float(rng.uniform(0.16, 0.24)), float(rng.uniform(0.03, 0.06)))((t - lower) / lowering)
    ch.rise += full * (climb - fall)
    middle = _bump(t, (start, start + 0.5 * pull), (start + 0.5 * pull, top))
    back = _bump(t, (lower, lower + 0.5 * lowering), (lower + 0.5 * lowering, end))
    held = _bump(t, (start + 0.5 * pull, top), (lower, lower + 0.6 * lowering))
    side = 1.0 if rng.random() < 0.5 else -1.0
    ch.hips_lead += float(rng.uniform(0.0, 0.05)) * middle + float(rng.uniform(0.0, 0.05)) * back
    ch.bar_left += float(rng.normal(0.0, 0.004)) * middle + float(rng.normal(0.0, 0.004)) * back
    ch.shoulder_tilt += math.radians(float(rng.normal(0.0, 0.5))) * held
    ch.knees_out += math.radians(float(rng.normal(0.0, 1.5))) * middle
    if fault == "early_hip_rise":
        rise, drop = (start, start + 0.35 * pull), (start + 0.35 * pull, start + 0.95 * pull)
        ch.hips_lead += 0.60 * size * _bump(t, rise, drop)
    elif fault == "bar_drift":
        ch.bar_left += side * 0.13 * size * _bump(t, (start, start + 0.55 * pull), (start + 0.6 * pull, top))
    elif fault == "uneven_shoulders":
        ch.shoulder_tilt += side * math.radians(13.0) * size * held
    elif fault == "rushed_lowering":
        rise, drop = (lower, lower + 0.5 * lowering), (lower + 0.5 * lowering, end)
        ch.hips_lead += 0.60 * size * _bump(t, rise, drop)
    elif fault == "knees_caving":
        ch.knees_out -= math.radians(34.0) * size * _bump(t, (start, start + 0.3 * pull), (start + 0.45 * pull, top))


def channels_of(plan: LiftPlan, line: Timeline, time: Array) -> Channels:
    """All degrees of freedom of a plan at the given times."""
    rng = np.random.default_rng(plan.seed)
    ch = Channels(time)
    on_bar = np.zeros_like(time) if plan.setup_s > 0 else np.ones_like(time)
    for span in line.setups:
        on_bar += _step(time, span)
    for span in line.leaves:
        on_bar -= _step(time, span)
    ch.rise -= on_bar
    ch.grip += on_bar
    for begin, end in line.bends:
        middle = (begin + end) / 2
        down = _bump(time, (begin, middle - 0.1), (middle + 0.1, end))
        ch.rise -= 0.97 * down
        ch.grip += 0.9 * down
    for rep_plan, rep, lower in zip(plan.reps, line.reps, line.holds_end, strict=True):
        _add_rep(ch, rep_plan, rep.start_s, rep.top_s, lower, rep.end_s, rng)
        pause = rep_plan.floor_s
        if pause >= 1.2 and rng.random() < 0.7:  # hips come up a little on the floor, then are set again
            begin, end = rep.end_s + 0.1, rep.end_s + pause - 0.1
            rest = _bump(time, (begin, begin + 0.35 * pause), (end - 0.35 * pause, end))
            ch.hips_lead += float(rng.uniform(0.1, 0.35)) * rest
    begin, end = line.hand_raise
    if end > begin:
        swing = 0.42 * (end - begin)
        ch.arm_swing[int(rng.integers(2))] += 2.8 * _bump(time, (begin, begin + swing), (end - swing, end))
    heading, far = _way_out(plan)
    for span, into in ((line.walk_in, True), (line.walk_out, False)):
        there = far * min(1.0, WALKING_SPEED * (span[1] - span[0]) / float(np.linalg.norm(far)))
        _walk(ch, span, there, heading + math.pi * into, into, plan.lifter)
    for motion in (ch.nod, ch.turn):
        for _ in range(3):
            wave = 2 * math.pi * (float(rng.uniform(0.08, 0.5)) * time + float(rng.random()))
            np.add(motion, math.radians(float(rng.uniform(0.5, 2.0))) * np.sin(wave), out=motion)
    return ch


def _way_out(plan: LiftPlan) -> tuple[float, Array]:
    """Heading (radians to the left of facing the bar) of the way out of the picture, and the place it leads to.

    Across the picture, to the side on which the lifter does not have to step over the bar.
    """
    camera = plan.camera
    azimuth = math.radians(camera.azimuth_deg)
    across = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    if across[2] > 0:
        across = -across
    half_picture = 0.5 * plan.width / (camera.size * plan.height) * plan.lifter.height_m
    far: Array = across * (half_picture * (1 + 2 * abs(camera.offset[0])) + 0.9) + np.array([0.0, 0.0, -0.25])
    return math.atan2(float(far[0]), float(far[2])), far


def _walk(ch: Channels, span: tuple[float, float], there: Array, heading: float, into: bool, lifter: Lifter) -> None:
    """Write the walk between the bar and a place `there` into the channels: `into` goes to the bar.

    Feet are planted one after the other, half a step ahead of the body.
    """
    seconds = span[1] - span[0]
    if seconds <= 0:
        return
    heading = (heading + math.pi) % (2 * math.pi) - math.pi
    turn = (span[0] + 0.6 * seconds, span[1]) if into else (span[0], span[0] + 0.35 * seconds)

    def place(times: Array) -> Array:
        """[T, 3] the place of the body."""
        share = loaded_move(0.2, 0.3)((times - span[0]) / seconds)
        result: Array = there * ((1.0 - share) if into else share)[:, None]
        return result

    def yaw(times: Array) -> Array:
        turned = _step(times, turn)
        result: Array = heading * ((1.0 - turned) if into else turned)
        return result

    def foot(at: float, sideways: float, stand: float) -> tuple[Array, float]:
        """Where a foot `sideways` of the body's path is at one time, relative to where it stands in the lift."""
        now = np.array([at])
        angle = float(yaw(now)[0])
        offset = np.array([math.cos(angle) * sideways - stand, 0.0, -math.sin(angle) * sideways])
        return place(now)[0] + offset, angle

    t = ch.time
    ch.root += place(t)
    ch.yaw += yaw(t)
    edge = min(0.4, 0.2 * seconds)
    ch.walking += 1.0 - _step(t, (span[1] - edge, span[1])) if into else _step(t, (span[0], span[0] + edge))
    count = max(4, 2 * round(max(seconds / 1.1, float(np.linalg.norm(there)) / 0.9)))
    edges = np.linspace(span[0], span[1], count + 1)
    for index, (sign, _) in enumerate(SIDES):
        stand, narrow = sign * lifter.stance_m / 2, sign * 0.09
        at, angle = foot(span[0], narrow if into else stand, stand)
        if into:
            ch.feet[index] += at
            ch.feet_yaw[index] += angle
        for step in range(index, count, 2):
            last = step >= count - 2
            lands = span[1] if last else 0.5 * float(edges[step + 1] + edges[step + 2])
            goal, turned = foot(lands, stand if last and into else narrow, stand)
            swing = (float(edges[step]), float(edges[step + 1]))
            moved = _step(t, swing)
            ch.feet[index] += moved[:, None] * (goal - at)
            ch.feet_yaw[index] += moved * (turned - angle)
            u = np.clip((t - swing[0]) / (swing[1] - swing[0]), 0.0, 1.0)
            ch.feet[index, :, 1] += 0.9 * u**2 * (1.0 - u) ** 2
            if not last:
                ch.arm_swing[1 - index] += 1.2 * moved * (1.0 - moved)
            at, angle = goal, turned
