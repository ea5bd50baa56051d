"""Cutting repetitions: the load leaves the floor, lockout, the load is back on the floor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.config import SegmentConfig
from pipeline.lift_signal import LiftSignal, Series, lift_signals
from pipeline.records import Pose, Rep


def find_reps(pose: Pose, config: SegmentConfig) -> tuple[Rep, ...]:
    """The repetitions of a video in order of time; none where nobody lifts. A shot's end cuts no repetition short:
    one that is not seen from floor to floor is left out."""
    reps = [rep for signal in lift_signals(pose, config.smoothing_s) for rep in _reps_of_shot(signal, config)]
    return tuple(sorted(reps))


def confidence(pose: Pose, reps: Sequence[Rep], config: SegmentConfig) -> float:
    """How far the cut can be trusted, 0..1: low where poses are missing or the repetitions are unlike each other."""
    if not len(pose.time):
        return 0.0
    seen = float(pose.detected.mean())
    if len(reps) < 2:
        return seen
    durations = np.array([rep.duration_s for rep in reps])
    irregular = float(np.median(np.abs(durations - np.median(durations))) / np.median(durations))
    return max(0.0, seen * (1.0 - irregular))


def _reps_of_shot(signal: LiftSignal, config: SegmentConfig) -> list[Rep]:
    turns = turning_points(signal.shoulder, config.min_travel)
    reps = []
    for low, high, next_low in zip(turns, turns[1:], turns[2:], strict=False):
        if signal.shoulder[high] <= signal.shoulder[low]:
            continue
        if _is_lift(signal, low, high, next_low, config):
            start, top, end = _boundaries(signal, low, high, next_low, config)
            if start < top < end:
                reps.append(Rep(start, top, end))
    return reps


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


def _is_lift(signal: LiftSignal, low: int, high: int, next_low: int, config: SegmentConfig) -> bool:
    """Whether hands hang all the way, travel with the shoulders, and are at the knees or below at both ends."""
    hang = signal.shoulder[low : next_low + 1] - signal.wrist[low : next_low + 1]
    if np.quantile(hang, 0.25) < config.min_hang:
        return False
    rise = signal.wrist[high] - max(signal.wrist[low], signal.wrist[next_low])
    return bool(rise > config.min_travel)


def _boundaries(signal: LiftSignal, low: int, high: int, next_low: int, config: SegmentConfig) -> tuple[float, float, float]:
    height = signal.shoulder
    start = _crossing(signal.time, height, high, low, height[low] + config.floor_share * (height[high] - height[low]))
    end = _crossing(signal.time, height, high, next_low, height[next_low] + config.floor_share * (height[high] - height[next_low]))
    top = _crossing(signal.time, height, low, high, height[high] - config.floor_share * (height[high] - height[low]))
    return start, top, end


def _crossing(time: Series, height: Series, begin: int, end: int, level: float) -> float:
    """The time at which the height first passes `level` on the way from sample `begin` to `end`, in either direction."""
    step = 1 if end > begin else -1
    above = height[begin] > level
    for index in range(begin, end, step):
        here, there = height[index], height[index + step]
        if (there > level) != above:
            part = (level - here) / (there - here)
            return float(time[index] + part * (time[index + step] - time[index]))
    return float(time[end])
