"""Would the boundaries hold on a video that the shares were not chosen on? Leave-one-video-out over SegmentConfig.

    python benchmarks/boundary_shares.py --groundtruth FILE --videos DIR --cache DIR

The three shares that place a boundary (`floor_share`, `top_share`, `min_speed_share`) are chosen anew for every clip,
from a grid, as those with the least mean boundary error over the other clips; the clip is then cut with them. Beside
it stand the shares of the default configuration. The limits of the cues were set by hand and are not fitted here.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.evaluation.reps import ClipResult, ClipTruth, evaluate_reps, load_groundtruth
from pipeline.pose.cache import PoseCache
from pipeline.records import Pose
from pipeline.reps import find_reps

_FLOOR = (0.04, 0.06, 0.08, 0.10, 0.12)
_TOP = (0.05, 0.08, 0.12)
_SPEED = (0.2, 0.3, 0.4)
# Counts as the boundary error of a clip in which nothing matches.
_NOTHING_S = 1.0


def boundary_error_s(result: ClipResult) -> float:
    """Mean over the matched repetitions and their three boundaries."""
    errors = evaluate_reps([result]).errors
    return float(np.abs(errors).mean()) if len(errors) else _NOTHING_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder in which landmarks are kept")
    arguments = parser.parse_args()
    default = SegmentConfig()
    clips: list[tuple[ClipTruth, Pose]] = [
        (truth, landmarks_of(arguments.videos / truth.name, PoseCache(arguments.cache), PoseConfig())[2])
        for truth in load_groundtruth(arguments.groundtruth)
        if truth.reps
    ]
    grid = [
        replace(default, floor_share=floor, top_share=top, min_speed_share=speed)
        for floor, top, speed in product(_FLOOR, _TOP, _SPEED)
    ]
    cut = [
        [ClipResult(truth, find_reps(pose, config), 1.0) for truth, pose in clips]
        for config in track(grid, "cutting", console=Console(stderr=True), transient=True)
    ]
    errors = np.array([[boundary_error_s(result) for result in row] for row in cut])
    left_out, chosen = [], Counter[SegmentConfig]()
    for index in range(len(clips)):
        best = int(np.delete(errors, index, axis=1).mean(axis=1).argmin())
        left_out.append(cut[best][index])
        chosen[grid[best]] += 1
    shipped = [ClipResult(truth, find_reps(pose, default), 1.0) for truth, pose in clips]
    table = Table("shares", "F1@.5", "F1@.75", "counted exactly", "start / top / end MAE ms")
    for name, results in (("of the configuration", shipped), ("chosen without the clip", left_out)):
        scores = evaluate_reps(results)
        table.add_row(
            name,
            f"{scores.f1[0.5]:.3f}",
            f"{scores.f1[0.75]:.3f}",
            f"{scores.exact_counts} of {scores.clips}",
            " / ".join(f"{value:.0f}" for value in scores.mae_ms()),
        )
    Console().print(table)
    for config, times in chosen.most_common():
        print(
            f"chosen {times} times: floor {config.floor_share}, top {config.top_share}, speed {config.min_speed_share}"
        )


if __name__ == "__main__":
    main()
