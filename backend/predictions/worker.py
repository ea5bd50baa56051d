"""What runs in a worker process: fetch a task's video and analyze it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.errors import LabelStudioError, StorageFault
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access
from backend.labelstudio.task_data import ORIGINAL
from backend.models.detectors import cached_detector
from backend.predictions.costs import Cost, Stopwatch
from backend.predictions.delivery import ensure_frame_rate, lacks_frame_rate
from backend.predictions.playable import upload_copy
from backend.settings import networks_dir
from backend.storage.scratch import scratch
from pipeline.analyze import analyze_pose, analyze_video, judged_again, landmarks_of
from pipeline.config import PipelineConfig
from pipeline.errors import VideoError
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.pose.estimator import open_estimator
from pipeline.records import Analysis

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoJob:
    """Everything a worker needs for one task. Folders are paths that workers share with the server.

    Addresses may be signed, and Dask logs what it is given: they are not shown. known: an earlier analysis of the same
    video; with its landmarks kept, it need not be fetched again. make_playable: whether browsers get a copy of
    a video that they do not play. rate: the nominal rate of false alarms to judge at; None for the model's own.
    """

    task: Task = field(repr=False)
    media: str = field(repr=False)
    controls: Controls
    access: Access
    model_dir: Path | None
    pose_dir: Path
    config: PipelineConfig
    known: Analysis | None = field(default=None, repr=False)
    make_playable: bool = False
    rate: float | None = None


@dataclass(frozen=True)
class FileJob:
    """Everything a worker needs for a video file. Its folder too is one that workers share with whoever asks."""

    path: str
    model_dir: Path | None
    pose_dir: Path
    config: PipelineConfig
    rate: float | None = None


def analyze_file(job: FileJob) -> Analysis:
    """Find landmarks, cut, score. Raises VideoError, PoseModelError, and StorageFault where a disk is full."""
    with _disk_faults(), open_estimator(job.config.pose, networks_dir()) as estimator:
        detector = cached_detector(job.model_dir, job.rate)
        return analyze_video(job.path, detector, PoseCache(job.pose_dir), job.config, estimator)


@dataclass(frozen=True)
class Measured:
    """An analysis, and what it took."""

    analysis: Analysis
    cost: Cost


def analyze_task(job: VideoJob) -> Analysis:
    """Fetch the video, find landmarks, cut, score; the first two only where the landmarks are not kept.

    Raises the MediaError, VideoError and PoseModelError of its parts, and StorageFault where a disk is full.
    """
    return measured_task(job).analysis


def measured_task(job: VideoJob) -> Measured:
    """What `analyze_task` gives, with what it took. Raises as it does."""
    with Stopwatch() as watch, _disk_faults():
        analysis = _analyze_task(job, watch)
    return Measured(analysis, watch.cost(analysis))


def _analyze_task(job: VideoJob, watch: Stopwatch) -> Analysis:
    with watch.phase("judge"):
        judged = _judge_known(job)
    if judged is not None:
        return judged
    cache, client = PoseCache(job.pose_dir), LabelStudioClient(job.access)
    shown = shown_address(job.media)
    with scratch() as folder:
        with watch.phase("fetch"):
            path = MediaFetcher(job.access, client).fetch(job.media, job.task.id, folder)
        try:
            if client.configured:
                _announce_frame_rate(client, job, reading.probe(path).fps)
            with watch.phase("landmarks"), open_estimator(job.config.pose, networks_dir()) as estimator:
                counted = watch.counting(estimator)
                info, media_digest, pose = landmarks_of(path, cache, job.config.pose, counted)
            with watch.phase("judge"):
                detector = cached_detector(job.model_dir, job.rate)
                analysis = analyze_pose(pose, info, detector, job.config, media_digest)
            if analysis.video.unplayable:
                has_copy = ORIGINAL in job.task.data
                if not has_copy and job.make_playable and client.configured:
                    with watch.phase("copy"):
                        has_copy = upload_copy(client, job.task, job.controls, path, folder)
                analysis = replace(analysis, video=replace(analysis.video, has_playable_copy=has_copy))
        except VideoError as error:
            # People know the video by its address, not by the name of our copy.
            raise type(error)(str(error).replace(str(path), shown)) from error
    return replace(analysis, video=replace(analysis.video, path=shown))


@contextmanager
def _disk_faults() -> Iterator[None]:
    """Turn what the system says of files of ours into a StorageFault."""
    try:
        yield
    except OSError as error:
        raise StorageFault.of(error) from error


def judge_known(jobs: Sequence[VideoJob]) -> list[Analysis | None]:
    """What analyze_task makes of each without its video; None where it needs that: no landmarks are kept."""
    return [_judge_known(job) for job in jobs]


def _judge_known(job: VideoJob) -> Analysis | None:
    """Without cutting where that was done with the same settings."""
    known = job.known
    cache = PoseCache(job.pose_dir)
    pose = cache.get(known.media_digest, job.config.pose, only_current=True) if known is not None else None
    if known is None or pose is None:
        return None
    judge = cached_detector(job.model_dir, job.rate)
    if known.config_digest == job.config.digest():
        return judged_again(known, pose, judge)
    return analyze_pose(pose, known.video, judge, job.config, known.media_digest, known.appearance)


def _announce_frame_rate(client: LabelStudioClient, job: VideoJob, fps: float) -> None:
    """Early, so that a task opened meanwhile is already shown with the right frame numbers."""
    if not lacks_frame_rate(job.task, job.controls):
        return
    try:
        ensure_frame_rate(client, client.task_state(job.task), job.controls, fps)
    except LabelStudioError as error:
        log.warning("Task %s: frame rate not set yet. %s", job.task.id, error)
