"""Landmarks of a video for the commands that evaluate and train: stored ones, or else they are estimated and kept."""

from __future__ import annotations

from pathlib import Path

from backend.settings import Settings
from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig
from pipeline.pose.cache import PoseCache
from pipeline.records import Pose


def video_pose(path: Path, folder: Path | None, per_second: float | None = None) -> Pose:
    """The landmarks of a video at so many poses per second: 0 takes every frame, None is the default.

    folder: where they are kept; the server's own folder where it is None. Raises VideoError and PoseModelError.
    """
    config = PoseConfig() if per_second is None else PoseConfig(poses_per_second=per_second)
    return landmarks_of(path, PoseCache(folder or Settings().pose_dir), config)[2]
