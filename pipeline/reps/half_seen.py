"""Lifts of which a recording has one half: it ends before the load is back on the floor, or begins after the pull did.

They are no repetitions. But where somebody pulls, nobody should read that nobody lifts, nor that it is sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.config import SegmentConfig
from pipeline.records import NO_BEGINNING, NO_END, Pose
from pipeline.reps.criteria import Candidate, cues, turning_points
from pipeline.reps.signal import GRID_HZ, LiftSignal, lift_signals


@dataclass(frozen=True)
class HalfSeen:
    """Half a lift: what is not seen of it, in words, and the least margin of its cues, as of a proposal."""

    words: str
    margin: float


def half_seen(pose: Pose, config: SegmentConfig) -> list[HalfSeen]:
    """The halves of lifts, with margins below 0 those that are none, with which people come into sight and leave it."""
    return [half for signal in lift_signals(pose, config.smoothing_s, config.max_gap_s) for half in _of(signal, config)]


def _of(signal: LiftSignal, config: SegmentConfig) -> Iterator[HalfSeen]:
    height = signal.shoulder
    turns, every = turning_points(height, config.min_travel_m), np.arange(len(height))
    if len(turns) < 2:
        return
    first, second, before_last, last = *turns[:2], *turns[-2:]
    if height[last] > height[before_last]:
        rise = np.r_[every[before_last:], every[before_last:last][::-1]]
        yield HalfSeen(NO_END, _margin(signal, rise, config))
    if height[first] > height[second]:
        fall = np.r_[every[first + 1 : second + 1][::-1], every[: second + 1]]
        yield HalfSeen(NO_BEGINNING, _margin(signal, fall, config))


def _margin(signal: LiftSignal, samples: NDArray[np.intp], config: SegmentConfig) -> float:
    """The least margin of the cues of a half that is made whole by its own mirror image, so that what tells a deadlift
    from other lifts holds for it as for whole ones. But nobody need stand upright yet, or any more, where the recording
    is cut. samples: those of the half, and in what order."""
    series = {field.name: getattr(signal, field.name)[samples] for field in fields(signal)}
    whole = replace(signal, **series | {"time": np.arange(len(samples)) / GRID_HZ})
    lift = Candidate(0, int(np.argmax(whole.shoulder)), len(samples) - 1)
    return min(cue.margin for cue in cues(whole, lift, config) if cue.name != "upright")
