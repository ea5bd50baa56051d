"""Is this rise and fall a deadlift? Each cue is a quantity with a limit; a repetition has to meet all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.config import SegmentConfig
from pipeline.reps.signal import GRID_HZ, LiftSignal, Series

# Part of the travel above which the person counts as upright, and as standing at lockout.
_UPRIGHT_SHARE = 0.8
_LOCKOUT_SHARE = 0.92
# Hands may come up to the shoulders for a moment only (a landmark that jumps), but not in a swing or a press.
_RAISED_SHARE = 0.05
_RAISED_HANG_M = 0.05
_AT_FLOOR_S = 0.2
# Of the length of the arms while upright, between these quantiles.
_STILL = (0.9, 0.1)
# With less of the time above the lockout share seen, lockout was not seen.
_LOCKOUT_SEEN_SHARE = 0.5
# Where, and how much of the time there, elbows are compared.
_STRETCHED_SHARE, _STRETCHED_QUANTILE = 0.5, 0.75
# Visibility from which an arm counts as seen.
_ARM_SEEN = 0.5


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
    """All cues of a candidate that need no other candidate. Those about lockout are left out where nobody was seen
    then: people whose head leaves the picture are lost there. An end of the recording is no floor to measure at."""
    up, down = (float(signal.shoulder[lift.high] - signal.shoulder[low]) for low in (lift.low, lift.next_low))
    cycle = slice(lift.low, lift.next_low + 1)
    hang = (signal.shoulder - signal.wrist)[cycle][signal.seen[cycle]]
    upright = _above(signal, lift, _UPRIGHT_SHARE)
    standing = upright[signal.seen[upright]]
    raised = standing if len(standing) else _highest_seen(signal, lift)
    begins, ends = lift.low == 0, lift.next_low == len(signal.time) - 1
    floors = [low for low, cut in ((lift.low, begins), (lift.next_low, ends)) if not cut] or [lift.low, lift.next_low]
    wrist = max(float(_at(signal.wrist, low)) for low in floors)
    stretch = max(float(_at(np.abs(signal.reach), low)) for low in floors)
    rows = [
        _least("shoulder travel", min(up, down), config.min_travel_m, 0.05),
        _least("hanging arms", float(np.median(hang)), config.min_hang_m, 0.05),
        _least("never raised", float(np.quantile(hang, _RAISED_SHARE)), _RAISED_HANG_M, 0.05),
        _least("hands below knees", float(np.median(signal.knee[raised])) - wrist, config.min_reach_m, 0.05),
        _least("wrists travel along", _wrist_share(signal, lift, raised, wrist), config.min_wrist_share, 0.1),
        _most("lockout", len(upright) / GRID_HZ, config.max_lockout_s, 1.0),
        _most("steps", float(np.ptp(signal.place[raised])), config.max_step_m, 0.1),
        _most("hands at the feet", stretch, config.max_stretch_m, 0.15),
    ]
    if begins or ends:
        whole = min(up / down if begins else 1.0, down / up if ends else 1.0)
        rows.append(_least("seen to the floor", whole, config.min_whole_share, 0.1))
    if signal.seen[_above(signal, lift, _LOCKOUT_SHARE)].mean() > _LOCKOUT_SEEN_SHARE:
        trunk = float(np.median((signal.shoulder - signal.hip)[standing]))
        arms = (signal.shoulder - signal.wrist)[standing]
        rows.append(_least("upright", trunk, config.min_upright_m, 0.05))
        rows.append(_most("arms still", float(np.subtract(*np.quantile(arms, _STILL))), config.max_row_m, 0.05))
        rows.append(_least("hands ahead", hands_ahead(signal, lift), config.min_ahead_m, 0.02))
    return tuple(rows)


def _wrist_share(signal: LiftSignal, lift: Candidate, raised: NDArray[np.intp], floor_wrist: float) -> float:
    """How far the wrists rose from the floor over how far the shoulders did, as long as both were seen."""
    shoulder = float(np.median(signal.shoulder[raised]) - signal.shoulder[[lift.low, lift.next_low]].max())
    return (float(np.median(signal.wrist[raised])) - floor_wrist) / max(shoulder, 1e-6)


def _at(values: Series, index: int) -> Series:
    """Median of values [G] or [G, D] around a sample on the floor."""
    width = round(_AT_FLOOR_S * GRID_HZ)
    median: Series = np.median(values[max(0, index - width) : index + width + 1], axis=0)
    return median


def hands_ahead(signal: LiftSignal, lift: Candidate) -> float:
    """Metres by which the hands are before the trunk at lockout: a load is held before the thighs, free arms hang
    beside them. Before is where the trunk leans to at the floor; an estimator that loses sight of the face may turn
    the body about, but nobody turns during a lift."""
    lean = _at(signal.lean, lift.low) + _at(signal.lean, lift.next_low)
    forward = lean / max(float(np.linalg.norm(lean)), 1e-6)
    standing = _seen(signal, _above(signal, lift, _LOCKOUT_SHARE))
    return float(np.median(signal.hands[standing] @ forward))


def hands_as_usual(value: float, other_lifts: Sequence[float], config: SegmentConfig) -> Cue:
    """Whether the hands are as far ahead at lockout as in the lifts of this person and shot (metres, as of
    `hands_ahead`): under a load they always are, and between two lifts some people stand up without it."""
    usual = float(np.quantile(other_lifts, 0.75))
    return _least("hands as usual", value - usual, -config.max_ahead_drop_m, 0.02)


def elbows_upright(signal: LiftSignal, lift: Candidate) -> float | None:
    """Degrees to which the elbows are stretched in the picture in the upper half of the travel, for the quarter of that
    time in which they are stretched most; None where neither arm was seen. Lockout alone may have only two poses."""
    upper = _above(signal, lift, _STRETCHED_SHARE)
    upper = upper[signal.seen[upper]]
    if not len(upper) or float(np.median(signal.arm_visibility[upper])) < _ARM_SEEN:
        return None
    return float(np.quantile(signal.elbow[upper], _STRETCHED_QUANTILE))


def elbows_as_usual(value: float, other_lifts: Sequence[float], config: SegmentConfig) -> Cue:
    """Whether the elbows are as stretched as in the lifts of this person and shot (degrees, as of `elbows_upright`). In
    one view they are the same within few degrees from lift to lift, and free arms are bent a little; where the hands
    are in depth is a guess of the estimator."""
    usual = float(np.quantile(other_lifts, 0.9))
    cue = _least("elbows as usual", value - usual, -config.max_elbow_drop_deg, 1.5)
    # Where most lifts differ, nothing is usual: then there is a doubt, and no more.
    near = np.abs(np.array(other_lifts) - usual) < config.max_elbow_drop_deg / 2
    return cue if near.sum() > 1 and near.mean() >= 0.5 else replace(cue, margin=max(cue.margin, 0.0))


def _above(signal: LiftSignal, lift: Candidate, share: float) -> NDArray[np.intp]:
    """Samples of the candidate at which the shoulders are above a share of the smaller travel."""
    shoulder = signal.shoulder[lift.low : lift.next_low + 1]
    rise = shoulder.max() - max(shoulder[0], shoulder[-1])
    return np.flatnonzero(shoulder >= shoulder.max() - (1 - share) * rise) + lift.low


def _seen(signal: LiftSignal, samples: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of the samples that were not in a gap; all if none was."""
    seen = samples[signal.seen[samples]]
    return seen if len(seen) else samples


def _highest_seen(signal: LiftSignal, lift: Candidate) -> NDArray[np.intp]:
    """The tenth of the samples outside gaps at which the shoulders are highest; the high if there are none."""
    samples = np.arange(lift.low, lift.next_low + 1)
    samples = samples[signal.seen[samples]]
    if not len(samples):
        return np.array([lift.high])
    heights = signal.shoulder[samples]
    highest: NDArray[np.intp] = samples[heights >= np.quantile(heights, 0.9)]
    return highest


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
