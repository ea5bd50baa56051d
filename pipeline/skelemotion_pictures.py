"""SkeleMotion representations to look at or to train other networks on: arrays and colour pictures per repetition.

orientation and magnitude after Caetano et al., AVSS 2019, for several temporal scales; TSRJI after Caetano et al.,
"Skeleton Image Representation for 3D Action Recognition based on Tree Structure and Reference Joints", SIBGRAPI 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX
from pipeline.records import Floats, Pose, Rep
from pipeline.seed import orientation_image
from pipeline.skelemotion import CHANNELS, WALK, encode, joint_positions

Representation = Literal["orientation", "magnitude", "tsrji", "seed"]
Picture = NDArray[np.uint8]

REFERENCES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The reference joints of TSRJI (section III)."""
_FASTEST = 4.0


def representation(
    pose: Pose, rep: Rep, kind: Representation, scales: Sequence[float], config: EncodeConfig
) -> tuple[NDArray[np.float32] | Picture, Picture]:
    """One repetition as an array and as a picture (RGB).

    orientation: [9 S, 45, L], cosine, sine and motion mask of three planes, for each of S temporal scales (seconds).
    magnitude: [S, 45, L] torsos per second. tsrji: [12, 45, L] x, y, z of every joint of the walk relative to four
    reference joints, in torsos. seed: the original's picture [45, 100, 3].
    Raises ValueError where no pose was found in the repetition.
    """
    if kind == "seed":
        picture = orientation_image(pose, rep)
        return picture, np.ascontiguousarray(picture[..., ::-1])
    if kind == "tsrji":
        relative = tsrji(pose, rep, config)
        return relative, _stacked([_shaded(relative[3 * i : 3 * i + 3] / 3.0) for i in range(len(REFERENCES))])
    if not scales:
        raise ValueError("Expected one temporal scale or more, got none.")
    images = [_encoded(pose, rep, replace(config, distance_s=scale)) for scale in scales]
    if kind == "magnitude":
        speeds = np.stack([image[CHANNELS.index("magnitude")] for image in images])
        return speeds, _stacked([_grey(speed / _FASTEST) for speed in speeds])
    return np.concatenate([image[:9] for image in images]), _stacked([_wheel(image) for image in images])


def tsrji(pose: Pose, rep: Rep, config: EncodeConfig) -> Floats:
    """[12, 45, L]: for each reference joint x (right), y (up), z of the walk's joints relative to it, in torsos.

    Raises ValueError where no pose was found in the repetition.
    """
    positions = joint_positions(pose, rep, config)
    if positions is None:
        raise ValueError("Expected poses within the repetition, got none.")
    walk = positions[:, list(WALK)]
    images = [(walk - positions[:, [INDEX[name]]]).transpose(2, 1, 0) for name in REFERENCES]
    return np.concatenate(images).astype(np.float32)


def _encoded(pose: Pose, rep: Rep, config: EncodeConfig) -> Floats:
    encoded = encode(pose, rep, config)
    if encoded.coverage == 0.0:
        raise ValueError("Expected poses within the repetition, got none.")
    return encoded.image


def _wheel(image: Floats) -> Picture:
    """Direction in the picture's plane as hue, motion as brightness."""
    import cv2

    hue = (np.degrees(np.arctan2(image[1], image[0])) % 360.0) / 2
    bright = np.clip(image[2], 0.0, 1.0) * 255
    hsv = np.stack([hue, np.full_like(hue, 220.0), bright], axis=-1).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def _grey(values: Floats) -> Picture:
    return np.repeat((np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)[..., None], 3, axis=-1)


def _shaded(values: Floats) -> Picture:
    """[3, 45, L] in -1..1 as red, green and blue."""
    return (np.clip(0.5 + values.transpose(1, 2, 0) / 2, 0.0, 1.0) * 255).astype(np.uint8)


def _stacked(pictures: Sequence[Picture]) -> Picture:
    return np.concatenate(list(pictures), axis=0)
