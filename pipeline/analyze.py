"""The whole pipeline in one function: a video file in, its scored repetitions out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.anomaly.appearance import appearance_of
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.config import PipelineConfig, PoseConfig
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.pose.estimation import estimate_two
from pipeline.pose.estimator import PoseEstimator, open_estimator
from pipeline.records import Analysis, OnProgress, Pose, VideoInfo
from pipeline.reps import segment
from pipeline.reps.lifters import lifter_of, warning_of
from pipeline.reps.nothing import why_none
from pipeline.skelemotion import encode

_IN_DOUBT = 0.3
"""The most confidence (0..1) that a cut gets where repetitions are not in it: of a second lifter, or of a lost end."""


def analyze_video(
    path: str | Path,
    detector: Detector | None = None,
    cache: PoseCache | None = None,
    config: PipelineConfig = PipelineConfig(),  # noqa: B008  # frozen
    estimator: PoseEstimator | None = None,
    on_progress: OnProgress | None = None,
) -> Analysis:
    """Cut a video into repetitions and score each; a video without a person or a lift has none.

    Args:
        path: the video file.
        detector: the model that scores the repetitions; by default the one that is shipped.
        cache: where landmarks are kept: those that it knows are not estimated again. Without it none are kept.
        config: how landmarks are taken and repetitions are cut.
        estimator: finds the person in the pictures; by default one is opened for this video alone.
        on_progress: called with the share (0..1) of the video whose landmarks are estimated.

    Returns:
        The repetitions with their scores, and what they were made with.

    Raises:
        VideoError: the file cannot be used as a video.
        PoseModelError: the pose model cannot be loaded or run.
    """
    detector = detector or load_detector()
    info, media_digest, pose = landmarks_of(path, cache, config.pose, estimator, on_progress)
    return analyze_pose(pose, info, detector, config, media_digest)


def landmarks_of(
    path: str | Path,
    cache: PoseCache | None = None,
    config: PoseConfig = PoseConfig(),  # noqa: B008  # frozen
    estimator: PoseEstimator | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[VideoInfo, str, Pose]:
    """The landmarks of the person in a video: those that the cache knows, or else they are estimated and kept.

    Args:
        path: the video file.
        cache: where landmarks are kept; without it none are.
        config: how landmarks are taken.
        estimator: finds the person in the pictures; by default one is opened for this video alone.
        on_progress: called with the share (0..1) of the video whose landmarks are estimated.

    Returns:
        What the video is, the SHA-256 of its bytes in hex, and the landmarks.

    Raises:
        VideoError: the file cannot be used as a video.
        PoseModelError: the pose model cannot be loaded or run.
    """
    info, media_digest = reading.probe(path), reading.digest(path)
    if cache is None:
        return info, media_digest, _estimated(path, info, config, estimator, on_progress)
    pose = cache.get_of(info, media_digest, config)
    if pose is None:
        with cache.exclusive(media_digest):
            pose = cache.get_of(info, media_digest, config)
            if pose is None:
                pose = _estimated(path, info, config, estimator, on_progress)
                cache.put(media_digest, config, pose)
    return info, media_digest, pose


def analyze_pose(
    pose: Pose,
    info: VideoInfo,
    detector: Detector,
    config: PipelineConfig = PipelineConfig(),  # noqa: B008  # frozen
    media_digest: str = "",
    appearance: tuple[float, ...] = (),
) -> Analysis:
    """The part of `analyze_video` after the landmarks: milliseconds, whatever the length of the video.

    Args:
        pose: the landmarks of the person in the video.
        info: what the video is.
        detector: the model that scores the repetitions.
        config: how repetitions are cut.
        media_digest: the SHA-256 of the video's bytes in hex, "" where there is no file.
        appearance: what tells lifter and camera apart from others, where an earlier analysis knows it.

    Returns:
        The repetitions with their scores, and what they were made with.
    """
    found = segment(pose, config.segment)
    warnings = [warning for warning in (info.cut_short, warning_of(pose)) if warning]
    encoded = [encode(pose, rep, detector.config.encode) for rep in found.reps]
    if not appearance:
        lengths = appearance_of(pose, found.reps, detector.config.encode, encoded)
        appearance = tuple(lengths.tolist()) if lengths is not None else ()
    return Analysis(
        video=info,
        reps=found.reps,
        scores=detector.score(pose, found.reps, encoded=encoded),
        confidence=min(found.confidence, _IN_DOUBT) if warnings else found.confidence,
        model_version=detector.version,
        config_digest=config.digest(),
        media_digest=media_digest,
        appearance=appearance,
        nothing="" if found.reps else why_none(pose, config.segment),
        warning="; ".join(warnings),
    )


def judged_again(analysis: Analysis, pose: Pose, detector: Detector) -> Analysis:
    """The same repetitions, judged by another model: what a promotion changes."""
    return replace(analysis, scores=detector.score(pose, analysis.reps), model_version=detector.version)


def _estimated(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator | None,
    on_progress: OnProgress | None,
) -> Pose:
    if estimator is not None:
        return lifter_of(*estimate_two(path, info, config, estimator, on_progress))
    with open_estimator(config) as opened:
        return lifter_of(*estimate_two(path, info, config, opened, on_progress))
