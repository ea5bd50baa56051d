"""`deadlift train`: a detector from labelled videos or from drawn lifters, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.config import PoseConfig
    from pipeline.posecache import PoseCache
    from pipeline.records import Pose


def train(
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")],
    videos: Annotated[Path | None, typer.Option(help="Folder of the labelled videos.")] = None,
    groundtruth: Annotated[Path | None, typer.Option(help="JSON list of videos with reps and labels.")] = None,
    synthetic: Annotated[
        int, typer.Option(help="Learn from this many drawn videos; labelled videos then only calibrate.")
    ] = 0,
    poses: Annotated[Path, typer.Option(help="Folder where landmarks are kept.")] = Path("poses"),
    name: Annotated[str, typer.Option(help="First part of the model's version.")] = "base",
    seed: Annotated[int, typer.Option(help="Equal input and seed give an equal model.")] = 0,
) -> None:
    """Train an anomaly detector and print what it was trained on."""
    from rich.console import Console

    from pipeline import training
    from pipeline.config import PipelineConfig, TrainConfig
    from pipeline.dataset import Role, labelled_samples, synthetic_samples
    from pipeline.detector import load_base
    from pipeline.errors import DatasetError
    from pipeline.posecache import PoseCache

    samples = synthetic_samples(synthetic, seed)
    if videos is not None and groundtruth is not None:
        cache, config = PoseCache(poses), PipelineConfig()
        role: Role = "calibration" if synthetic else "reference"
        samples += labelled_samples(groundtruth, videos, lambda path: cached_pose(path, cache, config.pose), role)
    if not samples:
        raise DatasetError("Nothing to learn from: give --videos with --groundtruth, or --synthetic.")
    base = None if synthetic else load_base()
    detector, report = training.fit(samples, TrainConfig(), seed, base=base, name=name)
    detector.save(out)
    Console().print(f"{detector.version}: {report.normals} normal reps of {report.videos} videos, written to {out}")


def cached_pose(path: Path, cache: PoseCache, config: PoseConfig) -> Pose:
    """The landmarks of a video, from the cache or looked for now."""
    from pipeline import video
    from pipeline.pose import MediaPipePose, estimate

    digest = video.digest(path)
    pose = cache.get(digest, config)
    if pose is None:
        with MediaPipePose(config) as estimator:
            pose = estimate(path, video.probe(path), config, estimator)
        cache.put(digest, config, pose)
    return pose
