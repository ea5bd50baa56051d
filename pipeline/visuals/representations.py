"""SkeleMotion representations of repetitions, to train other networks on and to view: arrays, and a picture of each.

orientation and magnitude after Caetano et al., AVSS 2019, for several temporal scales; TSRJI after Caetano et al.,
"Skeleton Image Representation for 3D Action Recognition based on Tree Structure and Reference Joints", SIBGRAPI 2019,
section III, the reference joints put between the joints of the walk as in the authors' published code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX
from pipeline.original.model import orientation_image
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import CHANNELS, WALK, encode, joint_positions
from pipeline.visuals.pictures import Picture, direction_picture, grey_picture, position_picture, stacked

Representation = Literal["orientation", "magnitude", "tsrji", "original"]

REFERENCES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The reference joints of TSRJI (section III)."""
# Torsos per second that are drawn white.
_FASTEST = 4.0


def representation(
    pose: Pose, rep: Rep, kind: Representation, scales: Sequence[float], config: EncodeConfig
) -> tuple[NDArray[np.float32] | Picture, Picture]:
    """One repetition as an array and as a picture (RGB).

    orientation: [9 S, 45, L], cosine, sine and motion mask of three planes, for each of S temporal scales (seconds).
    magnitude: [S, 45, L] torsos per second. tsrji: [12, 89, L], see `tsrji`. original: the picture
    [45, 100, 3] that the published project makes.
    The picture shows direction (hue) and motion (brightness) in the picture's plane, speed, or positions; scales and
    reference joints below each other.
    Raises ValueError where no pose was found in the repetition.
    """
    if kind == "original":
        picture = orientation_image(pose, rep)
        return picture, np.ascontiguousarray(picture[..., ::-1])
    if kind == "tsrji":
        relative = tsrji(pose, rep, config)
        return relative, stacked([position_picture(relative[3 * i : 3 * i + 3]) for i in range(len(REFERENCES))])
    if not scales:
        raise ValueError("Expected one temporal scale or more, got none.")
    images = [_encoded(pose, rep, replace(config, distance_s=scale)) for scale in scales]
    if kind == "magnitude":
        speeds = np.stack([image[CHANNELS.index("magnitude")] for image in images])
        return speeds, stacked([grey_picture(speed / _FASTEST) for speed in speeds])
    return np.concatenate([image[:9] for image in images]), stacked([direction_picture(image) for image in images])


def tsrji(pose: Pose, rep: Rep, config: EncodeConfig) -> Floats:
    """[12, 89, L]: for each reference joint x (right), y (up), z of the walk's joints, in torsos from the ankles.

    Between one joint of the walk and the next stands the reference joint, so that a convolution sees every joint beside
    its neighbours in the body and beside the reference: rows 0, 2, 4... are the walk, rows 1, 3, 5... the reference.
    Raises ValueError where no pose was found in the repetition.
    """
    positions = joint_positions(pose, rep, config)
    if positions is None:
        raise ValueError("Expected poses within the repetition, got none.")
    images = []
    for name in REFERENCES:
        rows = [row for joint in WALK for row in (joint, INDEX[name])][:-1]
        images.append(positions[:, rows].transpose(2, 1, 0))
    joined: Floats = np.concatenate(images).astype(np.float32)
    return joined


def _encoded(pose: Pose, rep: Rep, config: EncodeConfig) -> Floats:
    encoded = encode(pose, rep, config)
    if encoded.coverage == 0.0:
        raise ValueError("Expected poses within the repetition, got none.")
    return encoded.image
