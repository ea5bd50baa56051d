"""How much figures of quality move by nothing: poses of pictures in which one byte in 400 is another by one.

    python benchmarks/figure_noise.py --groundtruth FILE --videos DIR [--copies 4] [--engine mediapipe]

The first line is of the pictures as they are, the others of altered copies. Each region that the landmark network sees
comes from the pose before, so that the least difference grows where a joint is hidden: figures that differ by no more
than these lines do cannot be told apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pose_engines import Altered

from backend.settings import networks_dir
from pipeline.config import DetectorConfig, PoseConfig, SegmentConfig, TrainConfig
from pipeline.evaluation.anomaly import figures
from pipeline.evaluation.representations import compare_ours
from pipeline.evaluation.reps import ClipResult, ClipTruth, evaluate_reps, load_groundtruth
from pipeline.learning.samples import labelled_samples
from pipeline.media import reading
from pipeline.pose.estimation import estimate
from pipeline.pose.estimator import open_estimator
from pipeline.records import Pose
from pipeline.reps import segment


def poses_of(paths: list[Path], config: PoseConfig, copy: int) -> dict[Path, Pose]:
    """The poses of each video; of an altered copy of it where the number is above 0."""
    found = {}
    for path in paths:
        with open_estimator(config, networks_dir()) as opened:
            estimator = Altered(opened, copy) if copy else opened
            found[path] = estimate(path, reading.probe(path), config, estimator)
    return found


def found_in(truth: ClipTruth, pose: Pose) -> ClipResult:
    found = segment(pose, SegmentConfig())
    return ClipResult(truth, found.reps, found.confidence)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True, help="JSON list of clips with their repetitions")
    parser.add_argument("--videos", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--copies", type=int, default=4, help="how many altered copies of each")
    parser.add_argument("--engine", choices=("openvino", "mediapipe"), default="openvino")
    arguments = parser.parse_args()
    config = PoseConfig(engine=arguments.engine)
    truths = load_groundtruth(arguments.groundtruth)
    for copy in range(1 + arguments.copies):
        poses = poses_of([arguments.videos / truth.name for truth in truths], config, copy)
        cut = evaluate_reps([found_in(truth, poses[arguments.videos / truth.name]) for truth in truths])
        samples = labelled_samples(arguments.groundtruth, arguments.videos, poses.__getitem__)
        judged = compare_ours(samples, TrainConfig(detector=DetectorConfig()))
        start_ms, top_ms, end_ms = cut.mae_ms()
        told = [f"{f'copy {copy}' if copy else 'as they are'}: mAP {cut.map:.3f}"]
        told.append(f"start, lockout, end {start_ms:.0f} / {top_ms:.0f} / {end_ms:.0f} ms")
        for start, one in (("cold", figures(judged.cold)), ("warm", figures(judged.warm))):
            flagged = f"{one.true_positive} of {one.anomalies} bad, {one.false_positive} of {one.normals} good flagged"
            told.append(f"{start} AUROC {one.auroc:.3f}, {flagged}")
        print("; ".join(told), flush=True)


if __name__ == "__main__":
    main()
