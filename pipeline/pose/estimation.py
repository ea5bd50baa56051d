"""From a video to the landmarks of the person in it, with any pose estimator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config import PoseConfig
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.media.reading import SampledFrame
from pipeline.media.shots import ShotCounter
from pipeline.pose.estimator import Landmarks, PoseEstimator
from pipeline.pose.person_crop import PersonTracker
from pipeline.pose.static_person import bends, is_idle, without
from pipeline.records import OnProgress, Pose, VideoInfo

# Whether there is anybody else who lifts is seen at this rate already.
_SECOND_PERSON_PER_SECOND = 2.0


def estimate(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    on_progress: OnProgress | None = None,
) -> Pose:
    """Landmarks of the person through a video, sampled as `config` says. The estimator is reset at every cut.

    Where the person never bends down, and somebody else does, they are those of the other. on_progress: called with the
    share (0..1) of the video that is done. Raises the VideoError of `reading.samples`, and PoseModelError.
    """

    def second_person(first: Pose, per_second: float) -> Pose:
        estimator.reset()
        return estimate_samples(without(reading.samples(path, per_second), first), info, config, estimator)

    # BLAS is called for a few numbers in each picture. With several threads it wakes them each time, and they wait for
    # more in a loop until the next picture: nearly a second of the system's time for ten seconds of video.
    with threadpool_limits(limits=1, user_api="blas"):
        pose = estimate_samples(reading.samples(path, config.poses_per_second), info, config, estimator, on_progress)
        if is_idle(pose) and bends(second_person(pose, _SECOND_PERSON_PER_SECOND)):
            other = second_person(pose, config.poses_per_second)
            if bends(other):
                return other
        return pose


def estimate_samples(
    samples: Iterable[SampledFrame],
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    on_progress: OnProgress | None = None,
) -> Pose:
    """Landmarks of the one person whom the estimator finds in samples of a video, with errors as of `estimate`."""
    shots = ShotCounter()
    times: list[float] = []
    numbers: list[int] = []
    found: list[Landmarks | None] = []
    tracker = PersonTracker(estimator, (info.width, info.height), config.max_side_px)
    for sample in samples:
        picture = sample.shrunk(config.max_side_px)
        shot = shots.shot(picture)
        if numbers and shot != numbers[-1]:
            tracker.cut()
        times.append(sample.time_s)
        numbers.append(shot)
        found.append(tracker.landmarks(sample, picture))
        if on_progress is not None:
            on_progress(min(1.0, sample.time_s / info.duration_s))
    normalized = np.full((len(times), LANDMARK_COUNT, 4), np.nan, np.float32)
    world = np.full((len(times), LANDMARK_COUNT, 3), np.nan, np.float32)
    for index, result in enumerate(found):
        if result is not None:
            normalized[index], world[index] = result
    return Pose(
        image=normalized[:, :, :2] * np.array([info.width, info.height], np.float32),
        world=world,
        depth=normalized[:, :, 2] * np.float32(info.width),
        visibility=np.nan_to_num(normalized[:, :, 3], nan=0.0),
        time=np.array(times, np.float64),
        shot=np.array(numbers, np.int32),
        width=info.width,
        height=info.height,
    )
