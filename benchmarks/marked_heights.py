"""How far has the load moved when people mark that it does? Heights of hands and shoulders at the marks of real clips.

    python benchmarks/marked_heights.py --groundtruth FILE --videos DIR --cache DIR [--poses-per-second 0]

Per clip the median over its repetitions, in cm of the person's own scale: above the lowest place around the mark (start
and end), and below the highest (lockout). Nothing of the segmentation is used. The truth of the synthetic lifts rests
on the figures of the last line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.evaluation.reps import load_groundtruth
from pipeline.pose.cache import PoseCache
from pipeline.records import Rep
from pipeline.reps.signal import LiftSignal, lift_signals

# A mark may lie a little before or after the place that it means.
_AROUND_S = 0.4
# Less than for cutting: smoothing rounds off the very corners that are measured.
_SMOOTHING_S = 0.04


def heights(signal: LiftSignal, rep: Rep) -> NDArray[np.float64]:
    """[6] cm: hands at start, lockout and end, then shoulders."""

    def between(begin: float, end: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (signal.time >= begin) & (signal.time <= end)
        return inside

    row = []
    for joint in (signal.wrist, signal.shoulder):
        start, top, end = np.interp([rep.start_s, rep.top_s, rep.end_s], signal.time, joint)
        row += [
            start - joint[between(rep.start_s - _AROUND_S, rep.top_s)].min(),
            joint[between(rep.start_s, rep.end_s)].max() - top,
            end - joint[between(rep.top_s, rep.end_s + _AROUND_S)].min(),
        ]
    return 100.0 * np.array(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder in which landmarks are kept")
    parser.add_argument("--poses-per-second", type=float, default=0.0)
    arguments = parser.parse_args()
    config = PoseConfig(poses_per_second=arguments.poses_per_second)
    table = Table("clip", "repetitions", "hands: start / lockout / end cm", "shoulders: start / lockout / end cm")
    clips = []
    for truth in load_groundtruth(arguments.groundtruth):
        pose = landmarks_of(arguments.videos / truth.name, PoseCache(arguments.cache), config)[2]
        signals = list(lift_signals(pose, _SMOOTHING_S, SegmentConfig().max_gap_s))
        rows = [
            heights(signal, rep)
            for rep in truth.reps
            for signal in signals
            if isinstance(rep, Rep) and signal.time[0] <= rep.start_s and rep.end_s <= signal.time[-1]
        ]
        if rows and not truth.uncertain:
            clips.append(np.median(rows, axis=0))
            table.add_row(truth.name, str(len(rows)), _text(clips[-1][:3]), _text(clips[-1][3:]))
    middle = np.median(clips, axis=0)
    table.add_row("median of the clips", "", _text(middle[:3]), _text(middle[3:]))
    Console().print(table)


def _text(values: NDArray[np.float64]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    main()
