"""MediaPipe's pose networks on OpenVINO, in the steps of MediaPipe's own graph and at less cost.

The networks are those in the mediapipe wheel, which is not imported. The output that outlines the body is left out,
and with it its share of the landmark network. Unlike the graph, whoever is lost in a picture is looked for in that same
picture. The only user of openvino.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.errors import PoseModelError
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.pose import person_detection
from pipeline.pose.region import Region, RegionFilter, body_region, crop, in_picture, refined, turned, whole
from pipeline.records import Floats

if TYPE_CHECKING:
    from openvino import InferRequest

_DETECTOR = "modules/pose_detection/pose_detection.tflite"
_LANDMARKS = "modules/pose_landmark/pose_landmark_full.tflite"
# Side of the crop that the landmark network sees.
_SIZE = 256
# The landmarks, and two points behind them that say where the person will be.
_POINTS = LANDMARK_COUNT + 2
# Cells of the heat map (64 x 64); the graph file says 7, and the library computes with 9.
_HEAT_KERNEL = 9
_HEAT_LEAST = 0.5
# One thread: several videos are worked on beside each other, and threads of one network wait for each other.
_SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",  # some processors would round to sixteen bits
}


class OpenVinoPose:
    """MediaPipe Pose as a PoseEstimator on OpenVINO, with the full network of the wheel.

    A context manager; the networks are loaded with the first picture.
    """

    def __init__(self, config: PoseConfig) -> None:
        self._least = config.min_confidence
        self._networks: Networks | None = None
        self._region: Region | None = None
        self._filter = RegionFilter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks; the next picture loads them again."""
        self._networks = None
        self.reset()

    def reset(self) -> None:
        """Forget the previous picture: the next one is from another camera or another video."""
        self._region = None
        self._filter.reset()

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> tuple[Floats, Floats] | None:
        """As of `PoseEstimator`. Raises PoseModelError where the networks cannot be loaded."""
        if self._networks is None:
            self._networks = Networks()
        region = self._region
        found = self._networks.pose(picture, region, self._least) if region is not None else None
        if found is None:
            # MediaPipe's graph has nobody in this picture then, and detects in the next one. Ten pictures a second are
            # few: those in which somebody moves too fast to be followed are the ones that tell what was done.
            self.reset()
            region = self._networks.person(picture, self._least)
            found = self._networks.pose(picture, region, self._least) if region is not None else None
        if region is None or found is None:
            return None
        points, depth, visibility, world = found
        image = in_picture(points, region)
        self._region = body_region(self._filter.filtered(image[LANDMARK_COUNT:]))
        height, width = picture.shape[:2]
        normalized = np.column_stack(
            [image[:LANDMARK_COUNT] / (width, height), depth * (region.side / width), visibility]
        )
        return normalized.astype(np.float32), world.astype(np.float32)


class Networks:
    """The person detector and the landmark network, ready to run."""

    def __init__(self) -> None:
        self._detector = _loaded(_DETECTOR, (0, 1), mean=127.5, scale=127.5)
        # All but the outline of the body: landmarks, presence, heat map and landmarks in metres.
        self._landmarks = _loaded(_LANDMARKS, (0, 1, 3, 4), mean=0.0, scale=255.0)
        self._anchors = person_detection.anchors()

    def person(self, picture: NDArray[np.uint8], least: float) -> Region | None:
        """The region of the most visible person in a picture. least: 0..1, how sure the detector must be."""
        around = whole(picture)
        boxes, scores = _run(self._detector, crop(picture, around, person_detection.SIZE, is_border_black=True))
        points = person_detection.best_person(boxes[0], scores[0, :, 0], self._anchors, least)
        return None if points is None else body_region(in_picture(points, around))

    def pose(
        self, picture: NDArray[np.uint8], region: Region, least: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
        """The pose in a region of a picture, None where the network is less sure than `least` (0..1) that one is there.

        Returns:
            Of the landmarks, and the two points behind them, the places [35, 2] in shares of the region. Of the
            landmarks the depth [33] in sides of the region, the visibility [33] 0..1, and metres [33, 3].
        """
        flat, presence, heat, metres = self.run_landmarks(crop(picture, region, _SIZE, is_border_black=False))
        if not presence[0, 0] > least:
            return None
        values = flat.reshape(-1, 5)[:_POINTS].astype(np.float64)
        points = refined(values[:, :2] / _SIZE, heat[0], _HEAT_KERNEL, _HEAT_LEAST)
        ours = values[:LANDMARK_COUNT]
        world = metres.reshape(-1, 3)[:LANDMARK_COUNT].astype(np.float64)
        world[:, :2] = turned(world[:, :2], region)
        return points, ours[:, 2] / _SIZE, 1 / (1 + np.exp(-ours[:, 3])), world

    def run_landmarks(self, picture: NDArray[np.uint8]) -> list[Floats]:
        """The landmark network alone, on a crop [256, 256, 3]: landmarks [1, 195] of five values each, presence [1, 1],
        heat map [1, 64, 64, 39], metres [1, 117]. They hold until it runs again."""
        return _run(self._landmarks, picture)


def _run(network: InferRequest, picture: NDArray[np.uint8]) -> list[Floats]:
    """The outputs of a network for a picture [size, size, 3]: they hold until it runs again."""
    return list(network.infer([picture[None]], share_inputs=True, share_outputs=True).values())


def _loaded(name: str, outputs: tuple[int, ...], mean: float, scale: float) -> InferRequest:
    """A network of the mediapipe wheel, with some of its outputs. It is given bytes, and computes with
    (byte - mean) / scale. Raises PoseModelError."""
    path = _package() / name
    try:
        openvino = _openvino()
        core = openvino.Core()
        model = core.read_model(path)
        model = openvino.Model([model.outputs[index] for index in outputs], model.get_parameters(), "pose")
        steps = openvino.preprocess.PrePostProcessor(model)
        steps.input().tensor().set_element_type(openvino.Type.u8)
        steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(mean).scale(scale)
        return core.compile_model(steps.build(), "CPU", _SETTINGS).create_infer_request()
    except (ImportError, OSError, RuntimeError) as error:
        raise PoseModelError(
            f"{path}: OpenVINO cannot run the pose network ({error}). Install mediapipe 0.10.21 and openvino again, or "
            "set POSE_ENGINE=mediapipe."
        ) from error


def _package() -> Path:
    """The folder of the mediapipe package. Importing it would load much that is not needed here."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise PoseModelError("The pose networks are in the mediapipe package, which is not installed.")
    return Path(spec.submodule_search_locations[0])


def _openvino() -> Any:
    """The library without its converter of models, whose import tells Intel's servers that it was imported."""
    converter = "openvino.tools.ovc"
    if "openvino" not in sys.modules and converter not in sys.modules:
        sys.modules[converter] = None  # type: ignore[assignment]  # how Python is told that a module cannot be imported
        try:
            import openvino
        finally:
            del sys.modules[converter]
    else:
        import openvino
    return openvino
