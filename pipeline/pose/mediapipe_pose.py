"""MediaPipe as a pose estimator. The only user of mediapipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.errors import PoseModelError
from pipeline.pose.back_outline import PROBABILITIES, bow_of, corners_of
from pipeline.records import Landmarks

_NOTHING = np.zeros((64, 64, 3), np.uint8)
# The graph in the wheel, and its steps that decide whether somebody was found, and is still there.
_GRAPH = "modules/pose_landmark/pose_landmark_cpu.binarypb"
_DETECTION = "posedetectioncpu__TensorsToDetectionsCalculator"
_TRACKING = "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator"


class MediaPipePose:
    """MediaPipe Pose as a PoseEstimator: the model in the wheel, or a `.task` bundle (lite, full or heavy).

    A context manager; the model is loaded with the first picture.
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
        """Free the model; the next picture loads it again."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None
            self._person_seen = False

    def reset(self) -> None:
        """Forget the previous picture: the next one is from another camera or another video."""
        # An empty picture makes the graph forget whom it tracked, at a fifth of the cost of loading it again.
        if self._graph is None or self._detect(_NOTHING, self._last_ms / 1000) is not None:
            self.close()

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        """As of `PoseEstimator`. Raises PoseModelError where the model cannot be loaded."""
        if self._person_seen:
            return self._detect(picture, time_s)
        with _quiet_native_log():
            if self._graph is None:
                self._graph = self._from_task_file(self._config.model) if self._config.model else self._bundled()
                self._last_ms = -1
            found = self._detect(picture, time_s)
        self._person_seen = found is not None
        return found

    def _detect(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        if self._config.model:
            return self._detect_by_task(picture, time_s)
        result = self._graph.process({"image": picture})
        if result.pose_landmarks is None:
            return None
        landmarks, world = result.pose_landmarks.landmark, result.pose_world_landmarks.landmark
        return _landmarks(landmarks, world, result.segmentation_mask)

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
                "enable_segmentation": True,
                # The mask of one picture is wanted, by which the back of that moment is judged.
                "smooth_segmentation": False,
                "use_prev_landmarks": True,
            },
            calculator_params={f"{_DETECTION}.min_score_thresh": least, f"{_TRACKING}.threshold": least},
            outputs=["pose_landmarks", "pose_world_landmarks", "segmentation_mask"],
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
            output_segmentation_masks=True,
        )
        try:
            return vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise PoseModelError(f"{model}: not a MediaPipe pose landmarker .task file.") from error

    def _detect_by_task(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        from mediapipe import Image, ImageFormat

        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))
        result = self._graph.detect_for_video(Image(image_format=ImageFormat.SRGB, data=picture), self._last_ms)
        if not result.pose_landmarks:
            return None
        mask = result.segmentation_masks[0].numpy_view() if result.segmentation_masks else None
        return _landmarks(result.pose_landmarks[0], result.pose_world_landmarks[0], mask)


@contextmanager
def _quiet_native_log() -> Iterator[None]:
    """Keep the log lines of the native libraries, which come until they first find somebody, off the terminal: none of
    their flags does."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _landmarks(normalized: Any, world: Any, mask: NDArray[np.float32] | None) -> Landmarks:
    """mask: [height, width], 0..1 where in the picture the person is; None where it is not known."""
    found = np.array([(p.x, p.y, p.z, p.visibility) for p in normalized], np.float32)
    metres = np.array([(p.x, p.y, p.z) for p in world], np.float32)
    if mask is None:
        return Landmarks(found, metres)
    height, width = mask.shape[:2]
    points, shown = found[:, :2] * (width, height), corners_of(width, height)
    return Landmarks(found, metres, bow_of(mask, points, metres, PROBABILITIES, shown))
