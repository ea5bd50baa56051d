"""From a video to the landmarks of the person in it. The only user of mediapipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.errors import PoseModelError
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.media import reading
from pipeline.media.reading import SampledFrame
from pipeline.media.shots import ShotCounter
from pipeline.pose.person_crop import PersonTracker, PoseEstimator
from pipeline.pose.static_person import bends, is_idle, without
from pipeline.records import Floats, Pose, VideoInfo

# Whether there is anybody else who lifts is seen at this rate already.
_LOOKS_PAST_PER_SECOND = 2.0
_NOTHING = np.zeros((64, 64, 3), np.uint8)
# The graph in the wheel, and its steps that decide whether somebody was found, and is still there.
_GRAPH = "modules/pose_landmark/pose_landmark_cpu.binarypb"
_DETECTION = "posedetectioncpu__TensorsToDetectionsCalculator"
_TRACKING = "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator"

Progress = Callable[[float], None]
"""Called with the share (0..1) of the video that is done."""


class MediaPipePose:
    """MediaPipe Pose as a PoseEstimator: the model in the wheel, or a `.task` bundle (lite, full or heavy).

    A context manager; the model is loaded with the first picture. Raises PoseModelError where that fails.
    """

    def __init__(self, config: PoseConfig) -> None:
        self._config = config
        self._graph: Any = None
        self._person_seen = False
        self._last_ms = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
            self._graph = None
            self._person_seen = False

    def reset(self) -> None:
        # A look at nothing makes the graph forget whom it tracked, at a fifth of the cost of loading it again.
        if self._graph is None or self._detect(_NOTHING, self._last_ms / 1000) is not None:
            self.close()

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> tuple[Floats, Floats] | None:
        if self._person_seen:
            return self._detect(picture, time_s)
        with _quiet_native_log():
            if self._graph is None:
                self._graph = self._from_task_file(self._config.model) if self._config.model else self._bundled()
                self._last_ms = -1
            found = self._detect(picture, time_s)
        self._person_seen = found is not None
        return found

    def _detect(self, picture: NDArray[np.uint8], time_s: float) -> tuple[Floats, Floats] | None:
        if self._config.model:
            return self._detect_by_task(picture, time_s)
        result = self._graph.process({"image": picture})
        if result.pose_landmarks is None:
            return None
        return _arrays(result.pose_landmarks.landmark, result.pose_world_landmarks.landmark)

    def _bundled(self) -> Any:
        """`mediapipe.solutions.pose.Pose`, but for its threads: its steps run in ours, one after the other.

        Each step needs the one before. Handed from thread to thread, they wait for a core in which another worker's
        step is running while its own core idles.
        """
        from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
        from mediapipe.python.solution_base import SolutionBase

        graph = CalculatorGraphConfig.FromString(files("mediapipe").joinpath(_GRAPH).read_bytes())
        graph.executor.add(type="ApplicationThreadExecutor")
        least = self._config.min_confidence
        return SolutionBase(
            graph_config=graph,
            side_inputs={
                "model_complexity": 1,
                # Own smoothing knows the timestamps of the samples; the graph's filter assumes every frame.
                "smooth_landmarks": False,
                "enable_segmentation": False,
                "smooth_segmentation": False,
                "use_prev_landmarks": True,
            },
            calculator_params={f"{_DETECTION}.min_score_thresh": least, f"{_TRACKING}.threshold": least},
            outputs=["pose_landmarks", "pose_world_landmarks"],
        )

    def _from_task_file(self, model: str) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        if not Path(model).is_file():
            raise PoseModelError(f"{model}: no such pose model. Expected a MediaPipe pose landmarker .task file.")
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=model),
            running_mode=vision.RunningMode.VIDEO,
            min_pose_detection_confidence=self._config.min_confidence,
            min_tracking_confidence=self._config.min_confidence,
        )
        try:
            return vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise PoseModelError(f"{model}: not a MediaPipe pose landmarker .task file.") from error

    def _detect_by_task(self, picture: NDArray[np.uint8], time_s: float) -> tuple[Floats, Floats] | None:
        from mediapipe import Image, ImageFormat

        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))
        result = self._graph.detect_for_video(Image(image_format=ImageFormat.SRGB, data=picture), self._last_ms)
        if not result.pose_landmarks:
            return None
        return _arrays(result.pose_landmarks[0], result.pose_world_landmarks[0])


def estimate(
    path: str | Path,
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    progress: Progress | None = None,
) -> Pose:
    """Landmarks of the person through a video, sampled as `config` says. The estimator is reset at every cut.

    Where the person never bends down, and somebody else does, they are those of the other. Raises the VideoError of
    `video.samples`.
    """

    def look_past(pose: Pose, per_second: float) -> Pose:
        estimator.reset()
        return landmarks_of(without(reading.samples(path, per_second), pose), info, config, estimator)

    pose = landmarks_of(reading.samples(path, config.poses_per_second), info, config, estimator, progress)
    if is_idle(pose) and bends(look_past(pose, _LOOKS_PAST_PER_SECOND)):
        other = look_past(pose, config.poses_per_second)
        if bends(other):
            return other
    return pose


def landmarks_of(
    samples: Iterable[SampledFrame],
    info: VideoInfo,
    config: PoseConfig,
    estimator: PoseEstimator,
    progress: Progress | None = None,
) -> Pose:
    """Landmarks of the person in samples of a video, as `estimate` finds them."""
    shots = ShotCounter()
    times: list[float] = []
    numbers: list[int] = []
    found: list[tuple[Floats, Floats] | None] = []
    follower = PersonTracker(estimator, (info.width, info.height), config.max_side_px)
    for sample in samples:
        picture = sample.shrunk(config.max_side_px)
        shot = shots.shot(picture)
        if numbers and shot != numbers[-1]:
            follower.cut()
        times.append(sample.time_s)
        numbers.append(shot)
        found.append(follower.landmarks(sample, picture))
        if progress is not None:
            progress(min(1.0, sample.time_s / info.duration_s))
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


@contextmanager
def _quiet_native_log() -> Iterator[None]:
    """Keep the chatter of the native libraries, up to their first find, off the terminal; no flag of theirs does."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _arrays(normalized: Any, world: Any) -> tuple[Floats, Floats]:
    return (
        np.array([(p.x, p.y, p.z, p.visibility) for p in normalized], np.float32),
        np.array([(p.x, p.y, p.z) for p in world], np.float32),
    )
