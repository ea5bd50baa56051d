"""What runs in a worker process: fetch a task's video and analyze it."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.delivery import ensure_frame_rate
from backend.errors import LabelStudioError
from backend.labeling_config import Controls
from backend.ls_client import Access, LabelStudioClient
from backend.ls_format import Task
from backend.media import MediaFetcher
from pipeline import detector, video
from pipeline.analyze import analyze_video
from pipeline.config import PipelineConfig
from pipeline.posecache import PoseCache
from pipeline.records import Analysis

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoJob:
    """Everything a worker needs for one task. Folders are paths that workers share with the server."""

    task: Task
    media: str
    controls: Controls
    access: Access
    model_dir: Path | None
    pose_dir: Path
    config: PipelineConfig


def analyze_task(job: VideoJob) -> Analysis:
    """Fetch, look, cut, score. Raises the MediaError, VideoError and PoseModelError of its parts."""
    client = LabelStudioClient(job.access)
    with tempfile.TemporaryDirectory(prefix="deadlift-") as folder:
        path = MediaFetcher(job.access, client).fetch(job.media, job.task.id, Path(folder))
        if client.configured:
            # Early, so that a task opened meanwhile is already shown with the right frame numbers.
            try:
                ensure_frame_rate(client, job.task, job.controls, video.probe(path).fps)
            except LabelStudioError as error:
                log.warning("Task %s: frame rate not set yet. %s", job.task.id, error)
        return analyze_video(path, load_detector(job.model_dir), PoseCache(job.pose_dir), job.config)


@lru_cache(maxsize=4)
def load_detector(model_dir: Path | None) -> detector.Detector:
    """The model of a folder, or the shipped base model; kept for the life of the process."""
    return detector.load_base() if model_dir is None else detector.Detector.load(model_dir)
