"""Proposals for repetitions: every rise and fall of the shoulders with its boundaries and its cues.

Shoulders rise and fall by half a metre in every lift and are seen in every view, so that they propose the repetitions
and give their boundaries; hands, hips and feet decide which proposals are deadlifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import SegmentConfig
from pipeline.records import Pose, Rep
from pipeline.reps.criteria import (
    Candidate,
    Cue,
    candidates,
    cues,
    elbows_as_usual,
    elbows_upright,
    hands_ahead,
    hands_as_usual,
)
from pipeline.reps.signal import LiftSignal, Series, lift_signals

# A lifter's shoulders are at the same height whenever the load is on the floor, but for so much of the travel; lower
# is a crouch before the pull, or something done after it.
_FLOOR_TOLERANCE = 0.06
# Below this share of the travel, slowness means that the set-up still goes on; above, that the lift is hard.
_SET_UP_SHARE = 0.35
# Shares of the travel between which a boundary may lie.
_SOFT_SHARES = (0.06, 0.25)


@dataclass(frozen=True)
class RepProposal:
    """A candidate with what was measured on it. rep is None where its boundaries make no sense.

    unseen: share (0..1) of its time in gaps without poses. softness_s: seconds that the shoulders spend near the
    height of the floor boundaries, the longer of both ends. set_up_s: seconds by which the shoulders rose before the
    start was believed. Both say how far a boundary may be off.
    """

    rep: Rep | None
    cues: tuple[Cue, ...]
    unseen: float = 0.0
    softness_s: float = 0.0
    set_up_s: float = 0.0

    @property
    def margin(self) -> float:
        """The least margin of all cues: negative speaks against a deadlift."""
        return min(cue.margin for cue in self.cues)

    @property
    def accepted(self) -> bool:
        return self.rep is not None and self.margin >= 0


def proposals(pose: Pose, config: SegmentConfig) -> list[RepProposal]:
    """Every rise and fall of the shoulders, accepted or not, in order of time."""
    found: list[tuple[float, RepProposal]] = []
    for signal in lift_signals(pose, config.smoothing_s, config.max_gap_s):
        lifts = candidates(signal, config)
        measured = _measured(signal, lifts, config)
        good = [lift for lift, row in zip(lifts, measured, strict=True) if min(c.margin for c in row) >= 0]
        found += [
            (float(signal.time[lift.high]), _proposal(signal, lift, row, _floor_height(signal, lift, good), config))
            for lift, row in zip(lifts, measured, strict=True)
        ]
    return [proposal for _, proposal in sorted(found, key=lambda pair: pair[0])]


def accepted_reps(found: Sequence[RepProposal]) -> tuple[Rep, ...]:
    """The repetitions of the proposals that are deadlifts, in the same order."""
    return tuple(p.rep for p in found if p.accepted and p.rep is not None)


def _measured(signal: LiftSignal, lifts: Sequence[Candidate], config: SegmentConfig) -> list[tuple[Cue, ...]]:
    own = [cues(signal, lift, config) for lift in lifts]
    good = [index for index, row in enumerate(own) if min(cue.margin for cue in row) >= 0]
    if not good:
        return own
    ahead = [hands_ahead(signal, lift) for lift in lifts]
    elbows = [elbows_upright(signal, lift) for lift in lifts]
    usual_ahead = [ahead[index] for index in good]
    usual_elbows = [angle for index in good if (angle := elbows[index]) is not None]
    rows = [(*row, hands_as_usual(value, usual_ahead, config)) for row, value in zip(own, ahead, strict=True)]
    if not usual_elbows:
        return rows
    return [
        row if angle is None else (*row, elbows_as_usual(angle, usual_elbows, config))
        for row, angle in zip(rows, elbows, strict=True)
    ]


def _floor_height(signal: LiftSignal, lift: Candidate, good: Sequence[Candidate]) -> float:
    """Height of the shoulders with the load on the floor: the median of the nearest accepted lifts, or for a lift
    without neighbours the higher of its two ends."""
    near = sorted(good, key=lambda other: abs(other.high - lift.high))[:3]
    lows = np.array([signal.shoulder[index] for other in near or [lift] for index in (other.low, other.next_low)])
    return float(np.quantile(lows, 0.5, method="higher"))


def _proposal(
    signal: LiftSignal, lift: Candidate, measured: tuple[Cue, ...], floor: float, config: SegmentConfig
) -> RepProposal:
    height, time = signal.shoulder, signal.time
    top_height = float(height[lift.high])
    tolerance = _FLOOR_TOLERANCE * (top_height - floor)

    def level(low: int, share: float) -> float:
        base = float(max(height[low], floor - tolerance))
        return base + share * (top_height - base)

    rising = _crossing(time, height, lift.high, lift.low, level(lift.low, config.floor_share))
    middle = _index(time, _crossing(time, height, lift.high, lift.low, level(lift.low, 0.5)))
    set_up_end = _set_up_end(signal, lift.low, middle, level(lift.low, _SET_UP_SHARE), config.min_speed_share)
    start = max(rising, set_up_end)
    top = _crossing(time, height, middle, lift.high, level(lift.low, 1.0 - config.top_share))
    end = _crossing(time, height, lift.high, lift.next_low, level(lift.next_low, config.floor_share))
    return RepProposal(
        rep=Rep(start, top, end) if start < top < end else None,
        cues=measured,
        unseen=1.0 - float(signal.seen[lift.low : lift.next_low + 1].mean()),
        softness_s=_softness(signal, lift, floor),
        set_up_s=start - rising,
    )


def _softness(signal: LiftSignal, lift: Candidate, floor: float) -> float:
    travel = signal.shoulder[lift.high] - floor
    low, high = floor + _SOFT_SHARES[0] * travel, floor + _SOFT_SHARES[1] * travel
    seconds = []
    for end in (lift.low, lift.next_low):
        inner, outer = (_crossing(signal.time, signal.shoulder, lift.high, end, level) for level in (high, low))
        seconds.append(abs(inner - outer))
    return float(max(seconds))


def _set_up_end(signal: LiftSignal, low: int, middle: int, below: float, speed_share: float) -> float:
    """The last time between two samples, while the shoulders are `below` a height, at which they rise more slowly
    than a share of their fastest; that of sample `low` if they never do."""
    speed = np.gradient(signal.shoulder, signal.time)
    fastest = float(speed[low : middle + 1].max())
    slow = (speed[low : middle + 1] < speed_share * fastest) & (signal.shoulder[low : middle + 1] < below)
    return float(signal.time[low + np.flatnonzero(slow)[-1]]) if slow.any() else float(signal.time[low])


def _index(time: Series, at: float) -> int:
    return int(np.clip(np.searchsorted(time, at), 0, len(time) - 1))


def _crossing(time: Series, height: Series, begin: int, end: int, level: float) -> float:
    """The time at which the height first passes `level` on the way from sample `begin` to `end`, in either direction;
    that of `end` if it never does."""
    step = 1 if end > begin else -1
    above = height[begin] > level
    for index in range(begin, end, step):
        here, there = height[index], height[index + step]
        if (there > level) != above:
            part = (level - here) / (there - here)
            return float(time[index] + part * (time[index + step] - time[index]))
    return float(time[end])
