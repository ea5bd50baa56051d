"""Landmarks of a video for the commands that evaluate and train: stored ones, or else they are estimated and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from backend.settings import Settings, networks_dir
from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig
from pipeline.pose.cache import PoseCache
from pipeline.pose.estimator import open_estimator
from pipeline.records import Pose


def video_pose(path: Path, folder: Path | None, per_second: float | None = None) -> Pose:
    """The landmarks of a video at so many poses per second: 0 takes every frame, None is the default. Engine and model
    are those of the settings.

    folder: where they are kept; the server's own folder where it is None. Raises VideoError and PoseModelError.
    """
    settings = Settings()
    rate = PoseConfig.poses_per_second if per_second is None else per_second
    config = replace(settings.pipeline_config().pose, poses_per_second=rate)
    with open_estimator(config, networks_dir()) as estimator:
        return landmarks_of(path, PoseCache(folder or settings.pose_dir), config, estimator)[2]
