"""The whole pipeline in one function: a video file in, its scored repetitions out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.anomaly.appearance import appearance_of
from pipeline.anomaly.detector import Detector
from pipeline.config import PipelineConfig, PoseConfig
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.pose.mediapipe_pose import MediaPipePose, Progress, estimate
from pipeline.pose.person_crop import PoseEstimator
from pipeline.records import Analysis, Pose, VideoInfo
from pipeline.reps import confidence, find_reps


def analyze_video(
    path: str | Path,
    detector: Detector,
    cache: PoseCache,
    config: PipelineConfig,
    estimator: PoseEstimator | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Cut a video into repetitions and score each; a video without a person or a lift has none.

    Landmarks come from `cache` where they are known. `estimator` defaults to MediaPipe; `progress` is told the share
    of the video that was looked at. Raises VideoError and PoseModelError.
    """
    info, media_digest, pose = look(path, cache, config.pose, estimator, progress)
    return analyze_pose(pose, info, detector, config, media_digest)


def look(
    path: str | Path,
    cache: PoseCache,
    config: PoseConfig,
    estimator: PoseEstimator | None = None,
    progress: Progress | None = None,
) -> tuple[VideoInfo, str, Pose]:
    """What a video is, its digest, and its landmarks: the known ones, or else they are found and kept.

    `estimator` defaults to MediaPipe; `progress` is told the share of the video that was looked at. Raises VideoError
    and PoseModelError.
    """
    info, media_digest = reading.probe(path), reading.digest(path)
    pose = cache.get_of(info, media_digest, config)
    if pose is None:
        with cache.exclusive(media_digest):
            pose = cache.get_of(info, media_digest, config)
            if pose is None:
                pose = _estimated(path, info, config, estimator, progress)
                cache.put(media_digest, config, pose)
    return info, media_digest, pose


def analyze_pose(
    pose: Pose,
    info: VideoInfo,
    detector: Detector,
    config: PipelineConfig,
    media_digest: str = "",
    look: tuple[float, ...] = (),
) -> Analysis:
    """The part after the landmarks: milliseconds, whatever the length of the video.

    look: where an earlier analysis knows it.
    """
    reps = find_reps(pose, config.segment)
    if not look:
        seen = appearance_of(pose, reps, detector.config.encode)
        look = tuple(seen.tolist()) if seen is not None else ()
    return Analysis(
        video=info,
        reps=reps,
        scores=detector.score(pose, reps),
        confidence=confidence(pose, reps, config.segment),
        model_version=detector.version,
        config_digest=config.digest(),
        media_digest=media_digest,
        look=look,
    )


def judged_again(analysis: Analysis, pose: Pose, detector: Detector) -> Analysis:
    """The same repetitions, judged by another model: what a promotion changes."""
    return replace(analysis, scores=detector.score(pose, analysis.reps), model_version=detector.version)


def _estimated(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator | None,
    progress: Progress | None,
) -> Pose:
    if estimator is not None:
        return estimate(path, info, config, estimator, progress)
    with MediaPipePose(config) as mediapipe:
        return estimate(path, info, config, mediapipe, progress)
