"""MediaPipe's pose networks on OpenVINO, in the steps of MediaPipe's own graph and at less cost.

The networks are those in the mediapipe wheel, which is not imported. Where nobody is bent and seen from the side, the
output that outlines the body is left out, and with it its share of the landmark network. Unlike the graph, whoever is
lost in a picture is looked for in that same picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.landmarks import LANDMARK_COUNT
from pipeline.pose import compiled, person_detection
from pipeline.pose.back_outline import LOGITS, bow_of, corners_of, may_tell_next
from pipeline.pose.region import Region, RegionFilter, body_region, crop, in_picture, in_region, refined, turned, whole
from pipeline.records import Floats, Landmarks

if TYPE_CHECKING:
    from openvino import InferRequest

_DETECTOR = compiled.Network("modules/pose_detection/pose_detection.tflite", (0, 1), mean=127.5, scale=127.5)
# All but the outline of the body: landmarks, presence, heat map and landmarks in metres.
_LANDMARKS = compiled.Network("modules/pose_landmark/pose_landmark_full.tflite", (0, 1, 3, 4), mean=0.0, scale=255.0)
# The same with that outline behind them, which costs a third more.
_OUTLINING = replace(_LANDMARKS, outputs=(0, 1, 3, 4, 2), name="pose_outline_full")
# Side of the crop that the landmark network sees.
_SIZE = 256
# The landmarks, and two points behind them that say where the person will be.
_POINTS = LANDMARK_COUNT + 2
# Cells of the heat map (64 x 64); the graph file says 7, and the library computes with 9.
_HEAT_KERNEL = 9
_HEAT_LEAST = 0.5


@dataclass(frozen=True)
class Found:
    """A pose in a region of a picture.

    points [35, 2]: places of the landmarks, and of the two points behind them, in shares of the region. Of the
    landmarks depth [33] in sides of the region, visibility [33] 0..1, and world [33, 3] metres. outline [256, 256]:
    logits of where in the region the person is, None where nobody asked.
    """

    points: NDArray[np.float64]
    depth: NDArray[np.float64]
    visibility: NDArray[np.float64]
    world: NDArray[np.float64]
    outline: Floats | None


class OpenVinoPose:
    """MediaPipe Pose as a PoseEstimator on OpenVINO, with the full network of the wheel.

    A context manager; the networks are loaded with the first picture. kept_in: the folder of this user and machine
    where compiled networks are kept, None for nowhere.
    """

    def __init__(self, config: PoseConfig, kept_in: Path | None = None) -> None:
        self._kept_in = kept_in
        self._least = config.min_confidence
        self._networks: Networks | None = None
        self._region: Region | None = None
        self._filter = RegionFilter()
        self._is_outlined = False

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
        self._is_outlined = False

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        """As of `PoseEstimator`. Raises PoseModelError where the networks cannot be loaded."""
        if self._networks is None:
            self._networks = Networks(self._kept_in)
        region = self._region
        found = self._networks.pose(picture, region, self._least, self._is_outlined) if region is not None else None
        if found is None:
            # MediaPipe's graph has nobody in this picture then, and detects in the next one. Ten pictures a second are
            # few: those in which somebody moves too fast to be followed are the ones that tell what was done.
            self.reset()
            region = self._networks.person(picture, self._least)
            found = self._networks.pose(picture, region, self._least) if region is not None else None
        if region is None or found is None:
            return None
        image = in_picture(found.points, region)
        self._region = body_region(self._filter.filtered(image[LANDMARK_COUNT:]))
        height, width = picture.shape[:2]
        normalized = np.column_stack(
            [image[:LANDMARK_COUNT] / (width, height), found.depth * (region.side / width), found.visibility]
        )
        world = found.world.astype(np.float32)
        self._is_outlined = may_tell_next(found.points[:LANDMARK_COUNT], world)
        if found.outline is None:
            return Landmarks(normalized.astype(np.float32), world)
        shown = in_region(corners_of(width, height), region) * _SIZE
        bow = bow_of(found.outline, found.points[:LANDMARK_COUNT] * _SIZE, world, LOGITS, shown)
        return Landmarks(normalized.astype(np.float32), world, bow)


class Networks:
    """The person detector and the landmark network, ready to run. kept_in: as of `compiled.loaded`."""

    def __init__(self, kept_in: Path | None = None) -> None:
        self._kept_in = kept_in
        self._detector = compiled.loaded(_DETECTOR, kept_in)
        self._landmarks = compiled.loaded(_LANDMARKS, kept_in)
        self._outlining: InferRequest | None = None  # loaded for the first who is bent
        self._anchors = person_detection.anchors()

    def person(self, picture: NDArray[np.uint8], least: float) -> Region | None:
        """The region of the most visible person in a picture. least: 0..1, how sure the detector must be."""
        around = whole(picture)
        boxes, scores = _run(self._detector, crop(picture, around, person_detection.SIZE, is_border_black=True))
        points = person_detection.best_person(boxes[0], scores[0, :, 0], self._anchors, least)
        return None if points is None else body_region(in_picture(points, around))

    def pose(
        self, picture: NDArray[np.uint8], region: Region, least: float, with_outline: bool = False
    ) -> Found | None:
        """The pose in a region of a picture, None where the network is less sure than `least` (0..1) that one is there.

        with_outline: whether the outline is wanted as well. Raises PoseModelError where that network cannot be loaded.
        """
        shown = crop(picture, region, _SIZE, is_border_black=False)
        run = self.run_outlining if with_outline else self.run_landmarks
        flat, presence, heat, metres, *outline = run(shown)
        if not presence[0, 0] > least:
            return None
        values = flat.reshape(-1, 5)[:_POINTS].astype(np.float64)
        points = refined(values[:, :2] / _SIZE, heat[0], _HEAT_KERNEL, _HEAT_LEAST)
        ours = values[:LANDMARK_COUNT]
        world = metres.reshape(-1, 3)[:LANDMARK_COUNT].astype(np.float64)
        world[:, :2] = turned(world[:, :2], region)
        mask = outline[0].reshape(_SIZE, _SIZE) if outline else None
        return Found(points, ours[:, 2] / _SIZE, 1 / (1 + np.exp(-ours[:, 3])), world, mask)

    def run_landmarks(self, picture: NDArray[np.uint8]) -> list[Floats]:
        """The landmark network alone, on a crop [256, 256, 3]: landmarks [1, 195] of five values each, presence [1, 1],
        heat map [1, 64, 64, 39], metres [1, 117]. They hold until it runs again."""
        return _run(self._landmarks, picture)

    def run_outlining(self, picture: NDArray[np.uint8]) -> list[Floats]:
        """The same, and the outline [1, 256, 256, 1] of the body in logits behind it."""
        if self._outlining is None:
            self._outlining = compiled.loaded(_OUTLINING, self._kept_in)
        return _run(self._outlining, picture)


def _run(network: InferRequest, picture: NDArray[np.uint8]) -> list[Floats]:
    """The outputs of a network for a picture [size, size, 3]: they hold until it runs again."""
    return list(network.infer([picture[None]], share_inputs=True, share_outputs=True).values())
