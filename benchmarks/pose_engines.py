"""The OpenVINO runner beside MediaPipe's graph: how far their landmarks are apart on the same samples of clips.

    python benchmarks/pose_engines.py --videos DIR [DIR ...] [--only NAME ...]

Beside it, how far the graph is from itself where one byte in 400 of each picture is another by one: each region comes
from the landmarks of the picture before, so that the least difference grows while a person is hard to see.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.config import PoseConfig
from pipeline.media import reading
from pipeline.pose.estimation import estimate_samples
from pipeline.pose.estimator import PoseEstimator
from pipeline.pose.mediapipe_pose import MediaPipePose
from pipeline.pose.openvino_pose import OpenVinoPose
from pipeline.records import Landmarks, Pose, VideoInfo

_CONFIG = PoseConfig()
_GRAPH = PoseConfig(engine="mediapipe")
_SIDE_PX = 640
_ONE_IN = 400


class Altered:
    """An estimator that sees pictures in which some bytes are another by one: which ones depends on the seed."""

    def __init__(self, estimator: PoseEstimator, seed: int = 0) -> None:
        self._estimator = estimator
        self._rng = np.random.default_rng(seed)

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        other = picture.copy().reshape(-1)
        places = self._rng.integers(0, len(other), len(other) // _ONE_IN)
        other[places] ^= 1
        return self._estimator.landmarks(other.reshape(picture.shape), time_s)

    def reset(self) -> None:
        self._estimator.reset()


@dataclass(frozen=True)
class Distances:
    """Between two poses of a video: of the landmarks in both, px [N] where the picture's longer side is 640 and mm [N]
    in the world; the times in seconds at which only the first, or only the second, found somebody."""

    px: NDArray[np.float64]
    mm: NDArray[np.float64]
    only_first: tuple[float, ...]
    only_second: tuple[float, ...]


def distances(first: Pose, second: Pose) -> Distances:
    """How far two poses of the same samples are apart."""
    both = first.detected & second.detected
    scale = _SIDE_PX / max(first.width, first.height)
    px = np.linalg.norm(first.image[both].astype(np.float64) - second.image[both], axis=2) * scale
    mm = np.linalg.norm(first.world[both].astype(np.float64) - second.world[both], axis=2) * 1000
    return Distances(
        px.ravel(),
        mm.ravel(),
        tuple(first.time[first.detected & ~second.detected].tolist()),
        tuple(second.time[second.detected & ~first.detected].tolist()),
    )


def _pose(path: Path, info: VideoInfo, estimator: PoseEstimator) -> Pose:
    estimator.reset()
    return estimate_samples(reading.samples(path, _CONFIG.poses_per_second), info, _CONFIG, estimator)


def _cells(found: Distances) -> list[str]:
    if not len(found.px):
        return ["-"] * 4
    median, high = np.quantile(found.px, (0.5, 0.95))
    mm_median, mm_high = np.quantile(found.mm, (0.5, 0.95))
    return [f"{median:.2f}", f"{high:.2f}", f"{mm_median:.1f}", f"{mm_high:.1f}"]


def _all(parts: list[Distances]) -> Distances:
    return Distances(
        np.concatenate([part.px for part in parts]),
        np.concatenate([part.mm for part in parts]),
        tuple(time for part in parts for time in part.only_first),
        tuple(time for part in parts for time in part.only_second),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="folders of clips")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of the clips to take")
    arguments = parser.parse_args()
    paths = [path for folder in arguments.videos for path in sorted(folder.glob("*.mp4"))]
    paths = [path for path in paths if not arguments.only or any(part in path.name for part in arguments.only)]
    columns = ("px", "px 95%", "mm", "mm 95%")
    table = Table("clip", "samples", *columns, "only graph", "only OpenVINO", *(f"graph {name}" for name in columns))
    ours: list[Distances] = []
    floor: list[Distances] = []
    samples = 0
    console = Console(width=200)
    with MediaPipePose(_GRAPH) as graph, MediaPipePose(_GRAPH) as other, OpenVinoPose(_CONFIG) as networks:
        for path in paths:
            info = reading.probe(path)
            expected = _pose(path, info, graph)
            ours.append(distances(expected, _pose(path, info, networks)))
            floor.append(distances(expected, _pose(path, info, Altered(other))))
            samples += len(expected.time)
            only = (" ".join(f"{time:.1f}" for time in times) for times in (ours[-1].only_first, ours[-1].only_second))
            table.add_row(path.stem, str(len(expected.time)), *_cells(ours[-1]), *only, *_cells(floor[-1]))
            console.print(path.stem, _cells(ours[-1]), _cells(floor[-1]))
    totals = (str(len(times)) for times in (_all(ours).only_first, _all(ours).only_second))
    table.add_row("all", str(samples), *_cells(_all(ours)), *totals, *_cells(_all(floor)))
    console.print(table)
    console.print("samples where one of graph and altered graph found nobody:", sum(map(_lonely, floor)))


def _lonely(found: Distances) -> int:
    return len(found.only_first) + len(found.only_second)


if __name__ == "__main__":
    main()
