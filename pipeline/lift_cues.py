"""Is this rise and fall a deadlift? Each cue is a quantity with a limit; a repetition has to meet all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import SegmentConfig
from pipeline.lift_signal import GRID_HZ, LiftSignal, Series

# Part of the travel above which the person counts as upright.
_UPRIGHT_SHARE = 0.8
# Hands may come up to the shoulders for a moment only (a landmark that jumps), but not in a swing or a press.
_RAISED_SHARE = 0.05
_RAISED_HANG_M = 0.05
_AT_FLOOR_S = 0.2


@dataclass(frozen=True)
class Candidate:
    """A rise and fall of the shoulders as sample indices of a LiftSignal: low, high, next low."""

    low: int
    high: int
    next_low: int


@dataclass(frozen=True)
class Cue:
    """A measured quantity and how far it is on the right side of its limit, in units of `softness` (a difference
    that matters for this quantity): positive speaks for a deadlift."""

    name: str
    value: float
    margin: float


def cues(signal: LiftSignal, lift: Candidate, config: SegmentConfig) -> tuple[Cue, ...]:
    """All cues of a candidate."""
    cycle = slice(lift.low, lift.next_low + 1)
    shoulder, wrist = signal.shoulder[cycle], signal.wrist[cycle]
    rise = signal.shoulder[lift.high] - signal.shoulder[[lift.low, lift.next_low]]
    upright = np.flatnonzero(shoulder > shoulder.max() - (1 - _UPRIGHT_SHARE) * rise.min()) + lift.low
    seen = upright[signal.seen[upright]]
    standing = seen if len(seen) else upright
    hang = shoulder - wrist
    first_floor, second_floor = _near(signal, lift.low), _near(signal, lift.next_low)
    floor_wrist = max(float(np.median(signal.wrist[floor])) for floor in (first_floor, second_floor))
    stretch = max(float(np.median(np.abs(signal.reach[floor]))) for floor in (first_floor, second_floor))
    knee = float(np.median(signal.knee[standing]))
    return (
        _least("shoulder travel", float(rise.min()), config.min_travel_m, 0.05),
        _least("wrist travel", float(np.median(signal.wrist[standing])) - floor_wrist, config.min_wrist_travel_m, 0.05),
        _least("hanging arms", float(np.median(hang)), config.min_hang_m, 0.05),
        _least("never raised", float(np.quantile(hang, _RAISED_SHARE)), _RAISED_HANG_M, 0.05),
        _least("hands below knees", knee - floor_wrist, config.min_reach_m, 0.05),
        _least("upright", float(np.median((signal.shoulder - signal.hip)[standing])), config.min_upright_m, 0.05),
        _least("hands ahead", float(np.median(signal.ahead[standing])), config.min_ahead_m, 0.03),
        _most("lockout", len(upright) / GRID_HZ, config.max_lockout_s, 1.0),
        _most("steps", float(np.ptp(signal.place[standing])), config.max_step_m, 0.1),
        _most("hands at the feet", stretch, config.max_stretch_m, 0.15),
    )


def _near(signal: LiftSignal, index: int) -> slice:
    width = round(_AT_FLOOR_S * GRID_HZ)
    return slice(max(0, index - width), index + width + 1)


def _least(name: str, value: float, limit: float, softness: float) -> Cue:
    return Cue(name, value, (value - limit) / softness)


def _most(name: str, value: float, limit: float, softness: float) -> Cue:
    return Cue(name, value, (limit - value) / softness)


def turning_points(height: Series, min_travel: float) -> list[int]:
    """Indices of alternating lows and highs that are at least `min_travel` apart in height."""
    turns: list[int] = []
    low = high = 0
    direction = 0
    for index, value in enumerate(height):
        if value < height[low]:
            low = index
        if value > height[high]:
            high = index
        if direction >= 0 and value < height[high] - min_travel:
            turns.append(high)
            direction, low = -1, index
        elif direction <= 0 and value > height[low] + min_travel:
            turns.append(low)
            direction, high = 1, index
    turns.append(low if direction < 0 else high)
    return turns


def candidates(signal: LiftSignal, config: SegmentConfig) -> list[Candidate]:
    """Every low, high and next low of the shoulders that are far enough apart."""
    turns = turning_points(signal.shoulder, config.min_travel_m)
    triples = zip(turns, turns[1:], turns[2:], strict=False)
    return [Candidate(a, b, c) for a, b, c in triples if signal.shoulder[b] > signal.shoulder[a]]
