"""What a synthetic lifter does: values that describe the body, the camera, every repetition and its fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from pipeline.records import BodyPart, Phase, Rep

FaultKind = Literal[
    "early_hip_rise",
    "incomplete_lockout",
    "bar_drift",
    "jerk",
    "uneven_shoulders",
    "hitching",
    "rushed_lowering",
    "knees_caving",
]
Colour = tuple[int, int, int]

FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
FAULTS: dict[FaultKind, tuple[tuple[BodyPart, ...], Phase]] = {
    "early_hip_rise": (("hips", "back", "knees"), "pull"),
    "incomplete_lockout": (("hips", "back", "shoulders"), "lockout"),
    "bar_drift": (("arms", "shoulders"), "pull"),
    "jerk": (("arms", "shoulders", "back"), "pull"),
    "uneven_shoulders": (("shoulders", "arms"), "lockout"),
    "hitching": (("knees", "hips", "back", "shoulders"), "pull"),
    "rushed_lowering": (("hips", "back", "knees"), "lowering"),
    "knees_caving": (("knees",), "pull"),
}
"""Fault -> (body parts that move wrongly, the phase in which they do). A reason that names one of them is right."""


@dataclass(frozen=True)
class Lifter:
    """A body. height_m sets every bone; girth scales only the drawing. back_angle_deg is the lean of the trunk from
    the vertical in the set-up, 58..70. Distances: stance_m between the ankles, grip_m between the hands. RGB colours.
    """

    height_m: float = 1.76
    girth: float = 1.0
    back_angle_deg: float = 64.0
    stance_m: float = 0.30
    grip_m: float = 0.50
    skin: Colour = (224, 172, 138)
    hair: Colour = (66, 44, 30)
    shirt: Colour = (54, 103, 176)
    shorts: Colour = (44, 48, 58)
    shoes: Colour = (196, 62, 52)

    def __post_init__(self) -> None:
        if not 1.2 <= self.height_m <= 2.3:
            raise ValueError(f"Expected a body height of 1.2 to 2.3 m, got {self.height_m}.")
        if not 58.0 <= self.back_angle_deg <= 70.0:
            raise ValueError(f"Expected a set-up back angle of 58 to 70 degrees, got {self.back_angle_deg}.")


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera. azimuth_deg: 0 in front of the lifter, 45 diagonal, 90 at the lifter's left side,
    -90 at the right. size: the height of the standing lifter as a share of the picture's height. offset: where the
    lifter stands, as shares of the picture's width and height right of and below its middle.
    """

    azimuth_deg: float = 45.0
    size: float = 0.72
    distance_m: float = 5.0
    offset: tuple[float, float] = (0.0, 0.03)

    def __post_init__(self) -> None:
        if not (0.0 < self.size <= 2.0 and self.distance_m >= 2.0):
            raise ValueError(f"Expected 0 < size <= 2 and a distance of 2 m or more, got {self}.")


@dataclass(frozen=True)
class Cut:
    """From `time_s` on the scene is seen by `camera`: a new shot."""

    time_s: float
    camera: Camera


@dataclass(frozen=True)
class RepPlan:
    """One repetition: seconds of pull, lockout hold, lowering, and of the pause on the floor after it.

    stand_s > 0 makes the lifter let go during that pause and stand upright without the load for so many seconds.
    A fault has a magnitude 0..1; `rushed_lowering` shortens the lowering (see `lowering_taken_s`).
    """

    pull_s: float = 1.3
    hold_s: float = 0.5
    lowering_s: float = 1.3
    floor_s: float = 0.9
    stand_s: float = 0.0
    fault: FaultKind | None = None
    magnitude: float = 1.0

    def __post_init__(self) -> None:
        if not (self.pull_s > 0 and self.lowering_s > 0 and min(self.hold_s, self.floor_s, self.stand_s) >= 0):
            raise ValueError(f"Expected positive pull and lowering and no negative pause, got {self}.")
        if not 0.0 <= self.magnitude <= 1.0:
            raise ValueError(f"Expected a fault magnitude in 0..1, got {self.magnitude}.")
        if self.fault is not None and self.fault not in FAULTS:
            raise ValueError(f"Expected a fault of {', '.join(FAULTS)}, got {self.fault}.")

    @property
    def lowering_taken_s(self) -> float:
        """Seconds of the lowering with the fault: a fully rushed one takes 45 % of the time."""
        rushed = self.magnitude if self.fault == "rushed_lowering" else 0.0
        return self.lowering_s * (1.0 - 0.55 * rushed)


@dataclass(frozen=True)
class LiftPlan:
    """A whole video, in this order (0 leaves a part out): walk in, stand, raise a hand, bend down without lifting
    (`unloaded_bends` times), bend to the bar and grip it, wait (`ready_s`), the repetitions, let go and stand up,
    stand, walk out. With setup_s = 0 the video begins with the bar gripped, with leave_s = 0 it ends so.

    back_bow: how far the spine of the bent lifter is drawn out of the straight line between hips and shoulders, in
    trunk lengths, -0.1..0.2; below 0 it is hollow. It is seen in pictures alone: joints do not move by it, and so it is
    none of the faults. 0 draws the trunk in one piece.
    """

    reps: tuple[RepPlan, ...] = (RepPlan(),) * 3
    lifter: Lifter = field(default_factory=Lifter)
    camera: Camera = field(default_factory=Camera)
    cuts: tuple[Cut, ...] = ()
    width: int = 640
    height: int = 480
    fps: float = 30.0
    walk_in_s: float = 0.0
    stand_before_s: float = 0.8
    hand_raise_s: float = 0.0
    unloaded_bends: int = 0
    setup_s: float = 1.3
    ready_s: float = 0.6
    leave_s: float = 1.2
    stand_after_s: float = 0.6
    walk_out_s: float = 0.0
    seed: int = 0
    back_bow: float = 0.0

    def __post_init__(self) -> None:
        if not (self.width >= 64 and self.height >= 64 and self.width % 2 == 0 and self.height % 2 == 0):
            raise ValueError(f"Expected an even picture size of 64 pixels or more, got {self.width} x {self.height}.")
        if not -0.1 <= self.back_bow <= 0.2:
            raise ValueError(f"Expected a bow of the back of -0.1 to 0.2 trunk lengths, got {self.back_bow}.")
        if not self.fps > 0:
            raise ValueError(f"Expected a positive frame rate, got {self.fps}.")
        if self.setup_s == 0 and (self.walk_in_s, self.stand_before_s, self.hand_raise_s, self.unloaded_bends) != (
            0,
            0,
            0,
            0,
        ):
            raise ValueError("Expected nothing before a gripped beginning (setup_s = 0), got a lead-in.")
        if self.leave_s == 0 and (self.stand_after_s, self.walk_out_s) != (0, 0):
            raise ValueError("Expected nothing after a gripped end (leave_s = 0), got a lead-out.")
        if any(a.time_s >= b.time_s for a, b in pairwise(self.cuts)):
            raise ValueError("Expected cuts in increasing time, got an earlier one after a later one.")


@dataclass(frozen=True)
class Timeline:
    """When each part of a plan happens, in seconds. Spans are (start, end); an absent one is empty.

    setups are the bends that end with the bar gripped, leaves the stand-ups that begin with letting go of it.
    """

    walk_in: tuple[float, float]
    hand_raise: tuple[float, float]
    bends: tuple[tuple[float, float], ...]
    setups: tuple[tuple[float, float], ...]
    reps: tuple[Rep, ...]
    holds_end: tuple[float, ...]
    leaves: tuple[tuple[float, float], ...]
    walk_out: tuple[float, float]
    duration_s: float


BEND_S = 2.4
"""Seconds of one unloaded bend, down and up."""
STAND_UP_S = 1.1
"""Seconds of standing up without the load between repetitions, and of bending back to it."""


def timeline_of(plan: LiftPlan) -> Timeline:
    """The plan laid out in time."""
    now = plan.walk_in_s
    walk_in = (0.0, now)
    now += plan.stand_before_s
    hand_raise = (now, now + plan.hand_raise_s)
    now = hand_raise[1]
    bends = tuple((now + i * (BEND_S + 0.5), now + i * (BEND_S + 0.5) + BEND_S) for i in range(plan.unloaded_bends))
    now += plan.unloaded_bends * (BEND_S + 0.5)
    setups = [(now, now + plan.setup_s)] if plan.setup_s > 0 else []
    now += plan.setup_s + plan.ready_s
    reps, holds_end, leaves = [], [], []
    for index, rep in enumerate(plan.reps):
        top = now + rep.pull_s
        lower = top + rep.hold_s
        reps.append(Rep(now, top, lower + rep.lowering_taken_s))
        holds_end.append(lower)
        now = reps[-1].end_s + rep.floor_s
        if rep.stand_s > 0 and index + 1 < len(plan.reps):
            leaves.append((now, now + STAND_UP_S))
            now += STAND_UP_S + rep.stand_s
            setups.append((now, now + STAND_UP_S))
            now += STAND_UP_S + rep.floor_s
    if plan.leave_s > 0:
        leaves.append((now, now + plan.leave_s))
    now += plan.leave_s + plan.stand_after_s
    return Timeline(
        walk_in,
        hand_raise,
        bends,
        tuple(setups),
        tuple(reps),
        tuple(holds_end),
        tuple(leaves),
        (now, now + plan.walk_out_s),
        now + plan.walk_out_s,
    )
