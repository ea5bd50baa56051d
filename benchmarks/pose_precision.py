"""The landmark network in fewer bits: milliseconds per run on this processor, and how far its landmarks move.

    python benchmarks/pose_precision.py --videos DIR

Needs nncf (pip install nncf, best in a virtual environment of its own), which the project does not. Every other clip
shows it the ranges of values for eight-bit integers, the rest are judged: crops of a person, two seconds apart.
Distances are in pixels of the crop of 256 pixels.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import nncf
import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.pose import compiled, openvino_pose
from pipeline.pose.openvino_pose import Networks, OpenVinoPose
from pipeline.records import Floats

Crop = NDArray[np.uint8]

_CONFIG = PoseConfig(engine="openvino", poses_per_second=0.4)
_RUNS = 30
_MOST_CROPS = 40
_LEAST = 0.5


class Collecting(Networks):
    """Networks that keep what the landmark network is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.crops: list[Crop] = []

    def run_landmarks(self, picture: Crop) -> list[Floats]:
        self.crops.append(picture.copy())
        return super().run_landmarks(picture)

    def run_outlining(self, picture: Crop) -> list[Floats]:
        self.crops.append(picture.copy())
        return super().run_outlining(picture)


def crops_of(paths: list[Path]) -> list[list[Crop]]:
    """For each video the crops that hold somebody, or might."""
    found = []
    with OpenVinoPose(_CONFIG) as estimator:
        for path in paths:
            estimator.reset()
            estimator._networks = networks = Collecting()
            for sample in reading.samples(path, _CONFIG.poses_per_second):
                estimator.landmarks(sample.shrunk(_CONFIG.max_side_px), sample.time_s)
            found.append(networks.crops)
    return found


def said(run: Any, crop: Crop) -> tuple[Floats, bool]:
    """Landmarks [33, 2] in pixels of the crop, and whether somebody is there."""
    flat, presence, *_ = run.infer([crop[None]]).values()
    return flat.reshape(-1, 5)[:LANDMARK_COUNT, :2].copy(), bool(presence[0, 0] > _LEAST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="folder of clips")
    arguments = parser.parse_args()
    clips = crops_of(sorted(arguments.videos.glob("*.mp4")))
    shown = [crop for crops in clips[::2] for crop in crops][:_MOST_CROPS]
    judged = [crop for crops in clips[1::2] for crop in crops][:_MOST_CROPS]

    openvino = compiled._openvino()
    core = openvino.Core()
    network = openvino_pose._LANDMARKS
    model = compiled.prepared(openvino, core, network, compiled._package() / network.file)
    data = nncf.Dataset([crop[None] for crop in shown])
    integers = nncf.quantize(model, data, subset_size=len(shown), preset=nncf.QuantizationPreset.PERFORMANCE)
    kinds = {"f32": (model, "f32"), "f16": (model, "f16"), "bf16": (model, "bf16"), "int8": (integers, "f32")}
    runs = {
        name: core.compile_model(
            one, "CPU", compiled.SETTINGS | {"INFERENCE_PRECISION_HINT": hint}
        ).create_infer_request()
        for name, (one, hint) in kinds.items()
    }
    took: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(_RUNS):  # in turns: other work on the machine slows all of them down
        for name, run in runs.items():
            began = time.process_time()
            run.infer([judged[number % len(judged)][None]])
            took[name].append(1000 * (time.process_time() - began))
    expected = [said(runs["f32"], crop) for crop in judged]
    for name, run in runs.items():
        found = [said(run, crop) for crop in judged]
        px = np.concatenate(
            [np.linalg.norm(a - b, axis=1) for (a, is_there), (b, _) in zip(expected, found, strict=True) if is_there]
        )
        others = sum(a != b for (_, a), (_, b) in zip(expected, found, strict=True))
        least, median = min(took[name]), float(np.median(took[name]))
        print(
            f"{name:4} {least:.1f} ms at least, {median:.1f} in the median; px {np.median(px):.2f}, "
            f"95 % {np.quantile(px, 0.95):.2f}; somebody there or not: {others} of {len(judged)} otherwise"
        )


if __name__ == "__main__":
    main()
