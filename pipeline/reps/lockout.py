"""The lockout of a repetition whose start and end a person has drawn: the tool finds it, people do not mark it."""

from __future__ import annotations

import numpy as np

from pipeline.config import SegmentConfig
from pipeline.records import Pose, Rep
from pipeline.reps.signal import lift_signals

_LEAST_SAMPLES = 3


def with_lockout(pose: Pose, start_s: float, end_s: float, config: SegmentConfig) -> Rep:
    """The repetition [start_s, end_s) with the time at which the shoulders are up, but for `config.top_share`.

    Where they were not seen it is the middle. Raises ValueError unless start_s < end_s.
    """
    for signal in lift_signals(pose, config.smoothing_s, config.max_gap_s):
        inside = np.flatnonzero((signal.time > start_s) & (signal.time < end_s))
        if len(inside) < _LEAST_SAMPLES:
            continue
        height = signal.shoulder[inside]
        peak = int(np.argmax(height))
        up = height[peak] - config.top_share * (height[peak] - height[: peak + 1].min())
        return Rep(start_s, float(signal.time[inside[int(np.argmax(height >= up))]]), end_s)
    return Rep(start_s, (start_s + end_s) / 2.0, end_s)
