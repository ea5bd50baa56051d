"""What landmarks of a video cost, beside the least that they could: CPU seconds per second of video.

    python benchmarks/pose_floor.py VIDEO [VIDEO ...] [--poses-per-second 10] [--repeats 3]

Decoding alone; the bare networks, each as often as OpenVINO's runner runs it; the whole estimate with each engine. Each
in a process of its own, user and system time of all its threads, without loading libraries and networks; the least of
several runs, since other work on the machine makes each of them dearer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.config import PoseConfig
from pipeline.media import reading
from pipeline.pose import compiled, openvino_pose, person_detection
from pipeline.pose.estimation import estimate
from pipeline.pose.estimator import open_estimator
from pipeline.pose.openvino_pose import Networks, OpenVinoPose
from pipeline.pose.region import Region
from pipeline.records import Floats

Picture = NDArray[np.uint8]

_PARTS = ("decoding", "networks", "openvino", "mediapipe")
_BLACK = np.zeros((256, 256, 3), np.uint8)


def _decoding(path: Path, rate: float) -> float:
    begin = time.process_time()
    for _ in reading.samples(path, rate):
        pass
    return time.process_time() - begin


class _Counting(Networks):
    """Networks that count how often each of them runs."""

    def __init__(self) -> None:
        super().__init__()
        self.persons = self.poses = self.outlines = 0

    def person(self, picture: Picture, least: float) -> Region | None:
        self.persons += 1
        return super().person(picture, least)

    def run_landmarks(self, picture: Picture) -> list[Floats]:
        self.poses += 1
        return super().run_landmarks(picture)

    def run_outlining(self, picture: Picture) -> list[Floats]:
        self.outlines += 1
        return super().run_outlining(picture)


def _network(path: Path, rate: float) -> float:
    config = PoseConfig(poses_per_second=rate, engine="openvino")
    counting = _Counting()
    with OpenVinoPose(config) as estimator:
        estimator._networks = counting
        estimate(path, reading.probe(path), config, estimator)
    networks = Networks()
    runs = (
        (counting.persons, networks._detector, person_detection.SIZE),
        (counting.poses, networks._landmarks, 256),
        (counting.outlines, compiled.loaded(openvino_pose._OUTLINING), 256),
    )
    cost = 0.0
    for times, network, size in runs:
        black = np.zeros((1, size, size, 3), np.uint8)
        network.infer([black])
        begin = time.process_time()
        for _ in range(times):
            network.infer([black], share_inputs=True, share_outputs=True)
        cost += time.process_time() - begin
    return cost


def _estimate(path: Path, config: PoseConfig) -> float:
    info = reading.probe(path)
    with open_estimator(config) as estimator:
        estimator.landmarks(next(iter(reading.samples(path))).shrunk(config.max_side_px), 0.0)
        if isinstance(estimator, OpenVinoPose) and estimator._networks is not None:
            estimator._networks.run_outlining(_BLACK)  # loaded for the first who is bent
        estimator.reset()
        begin = time.process_time()
        estimate(path, info, config, estimator)
        return time.process_time() - begin


def _part(name: str, path: Path, rate: float) -> float:
    if name == "decoding":
        return _decoding(path, rate)
    if name == "networks":
        return _network(path, rate)
    return _estimate(path, PoseConfig(poses_per_second=rate, engine="mediapipe" if name == "mediapipe" else "openvino"))


def _measured(name: str, path: Path, rate: float) -> float:
    """CPU seconds of a part in a process of its own."""
    command = [sys.executable, __file__, str(path), "--poses-per-second", str(rate), "--part", name]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return float(found.stdout)


def _cells(costs: dict[str, float], length_s: float) -> list[str]:
    """A row of the table: costs are CPU seconds of the parts, for so many seconds of video."""
    floor = costs["decoding"] + costs["networks"]
    shares = costs["openvino"] / floor, costs["mediapipe"] / costs["openvino"]
    return [f"{length_s:.1f}", *(f"{costs[name] / length_s:.3f}" for name in _PARTS), *(f"{s:.2f}" for s in shares)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--poses-per-second", type=float, default=PoseConfig.poses_per_second)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rate = arguments.poses_per_second
    if arguments.part:
        print(_part(arguments.part, arguments.videos[0], rate))
        return
    totals = dict.fromkeys(_PARTS, 0.0)
    table = Table("video", "seconds", *_PARTS, "openvino / (decoding + networks)", "mediapipe / openvino")
    for path in arguments.videos:
        length_s = reading.probe(path).duration_s
        runs = [[_measured(name, path, rate) for name in _PARTS] for _ in range(arguments.repeats)]
        costs = dict(zip(_PARTS, np.min(runs, axis=0).tolist(), strict=True))
        totals = {name: totals[name] + costs[name] for name in _PARTS}
        table.add_row(path.stem, *_cells(costs, length_s))
    lengths_s = sum(reading.probe(path).duration_s for path in arguments.videos)
    table.add_row("all", *_cells(totals, lengths_s))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
