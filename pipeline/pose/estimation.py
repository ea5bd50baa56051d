"""From a video to the landmarks of the person in it, with any pose estimator."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config import PoseConfig
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.media.reading import SampledFrame
from pipeline.media.shots import ShotCounter
from pipeline.pose.attention import LOOK_BACK, Attention
from pipeline.pose.estimator import PoseEstimator
from pipeline.pose.person_crop import PersonTracker
from pipeline.pose.static_person import bends, is_idle, without
from pipeline.pose.surroundings import Surroundings
from pipeline.records import Landmarks, OnProgress, Pose, VideoInfo

# Whether there is anybody else who lifts is seen at this rate already.
_SECOND_PERSON_PER_SECOND = 2.0
_LEAST_LOOKS = 20
"""At so many moments at least, where the video is short."""
# At lower rates there is nothing to leave out; 0 is every frame, for those who want just that.
_BY_NEED_FROM_PER_SECOND = 6.0


def estimate(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    on_progress: OnProgress | None = None,
) -> Pose:
    """Landmarks of the person through a video, as of `estimate_two`."""
    return estimate_two(path, info, config, estimator, on_progress)[0]


def estimate_two(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    on_progress: OnProgress | None = None,
) -> tuple[Pose, Pose | None]:
    """Landmarks of the person through a video, sampled as `config` says; and those of somebody else, where somebody
    moves beside the person and bends down as well. The estimator is reset at every cut.

    Where the person never bends down, and somebody else does, the first are those of the other. on_progress: called
    with the share (0..1) of the video that is done. Raises the VideoError of `reading.samples`, and PoseModelError. The
    BLAS of the whole process keeps to one thread meanwhile.
    """

    surroundings = Surroundings()

    def poses(per_second: float, before: Pose | None = None) -> Pose:
        """Of whom the estimator finds, or of somebody else than the person of the poses `before`."""
        attention = Attention((info.width, info.height), may_rest=per_second >= _BY_NEED_FROM_PER_SECOND)
        samples = reading.samples(path, per_second, may_thin=lambda: attention.is_calm)
        if before is None:
            return estimate_samples(samples, info, config, estimator, on_progress, attention, surroundings)
        estimator.reset()
        return estimate_samples(without(samples, before), info, config, estimator, None, attention)

    # BLAS is called for a few numbers in each picture. With several threads it wakes them each time, and they wait for
    # more in a loop until the next picture: nearly a second of the system's time for ten seconds of video.
    with threadpool_limits(limits=1, user_api="blas"):
        pose = poses(config.poses_per_second)
        was_idle = is_idle(pose)
        a_few = max(_SECOND_PERSON_PER_SECOND, _LEAST_LOOKS / info.duration_s)
        a_few = min(config.poses_per_second or a_few, a_few)
        if (was_idle or surroundings.are_busy) and bends(poses(a_few, pose)):
            other = poses(config.poses_per_second, pose)
            if bends(other):
                return (other, None) if was_idle else (pose, other)
        return pose, None


def estimate_samples(
    samples: Iterable[SampledFrame],
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    on_progress: OnProgress | None = None,
    attention: Attention | None = None,
    surroundings: Surroundings | None = None,
) -> Pose:
    """Landmarks of the one person whom the estimator finds in samples of a video, with errors as of `estimate`.

    attention: says which samples get a pose; all do without it. surroundings: is shown each picture that gets one.
    """
    attention = attention or Attention((info.width, info.height), may_rest=False)
    shots, shot = ShotCounter(), 0
    found: list[tuple[float, int, Landmarks | None]] = []
    tracker = PersonTracker(estimator, (info.width, info.height), config.max_side_px)
    passed_over: deque[SampledFrame] = deque(maxlen=LOOK_BACK)
    before_s = 0.0

    for sample in samples:
        if on_progress is not None:
            on_progress(min(1.0, sample.time_s / info.duration_s))
        step_s, before_s = sample.time_s - before_s, sample.time_s
        if not attention.is_due(sample.time_s, step_s):
            passed_over.append(sample)
            continue
        picture = sample.shrunk(config.max_side_px)
        shown = shots.shot(picture)
        if shown != shot:
            shot = shown
            tracker.cut()
            passed_over.clear()
            attention.cut()
            if surroundings is not None:
                surroundings.cut()
        landmarks = tracker.landmarks(sample, picture)
        found.append((sample.time_s, shot, landmarks))
        attention.see(sample.time_s, landmarks)
        if surroundings is not None:
            surroundings.see(sample.time_s, picture, landmarks)
        while passed_over and attention.looks_back:
            earlier = passed_over.popleft()
            landmarks = tracker.landmarks(earlier, earlier.shrunk(config.max_side_px))
            found.append((earlier.time_s, shot, landmarks))
    return _pose_of(sorted(found, key=lambda one: one[0]), info)


def _pose_of(found: Sequence[tuple[float, int, Landmarks | None]], info: VideoInfo) -> Pose:
    """The poses of a video of times (seconds), shots and landmarks, in order of time."""
    normalized = np.full((len(found), LANDMARK_COUNT, 4), np.nan, np.float32)
    world = np.full((len(found), LANDMARK_COUNT, 3), np.nan, np.float32)
    back_bow = np.full(len(found), np.nan, np.float32)
    for index, (_, _, landmarks) in enumerate(found):
        if landmarks is not None:
            normalized[index], world[index], back_bow[index] = landmarks
    return Pose(
        image=normalized[:, :, :2] * np.array([info.width, info.height], np.float32),
        world=world,
        depth=normalized[:, :, 2] * np.float32(info.width),
        visibility=np.nan_to_num(normalized[:, :, 3], nan=0.0),
        time=np.array([time_s for time_s, _, _ in found], np.float64),
        shot=np.array([shot for _, shot, _ in found], np.int32),
        width=info.width,
        height=info.height,
        back_bow=back_bow,
    )
