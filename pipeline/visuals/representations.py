"""SkeleMotion representations to look at or to train other networks on: arrays and colour pictures per repetition.

orientation and magnitude after Caetano et al., AVSS 2019, for several temporal scales; TSRJI after Caetano et al.,
"Skeleton Image Representation for 3D Action Recognition based on Tree Structure and Reference Joints", SIBGRAPI 2019,
section III, the reference joints put between the joints of the walk as in the authors' published code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import PARTS_OF_WALK
from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX
from pipeline.original.model import orientation_image
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import CHANNELS, WALK, encode, joint_positions, phase_of_column

Representation = Literal["orientation", "magnitude", "tsrji", "seed"]
Picture = NDArray[np.uint8]

REFERENCES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The reference joints of TSRJI (section III)."""
_FASTEST = 4.0
# What the darkest and the brightest red, green and blue stand for: torsos from the ankles, right, up and away.
_DARKEST, _BRIGHTEST = (-1.5, -0.2, -3.0), (1.5, 2.8, 3.0)


def representation(
    pose: Pose, rep: Rep, kind: Representation, scales: Sequence[float], config: EncodeConfig
) -> tuple[NDArray[np.float32] | Picture, Picture]:
    """One repetition as an array and as a picture (RGB).

    orientation: [9 S, 45, L], cosine, sine and motion mask of three planes, for each of S temporal scales (seconds).
    magnitude: [S, 45, L] torsos per second. tsrji: [12, 89, L], see `tsrji`. seed: the original's picture [45, 100, 3].
    The picture shows direction (hue) and motion (brightness) in the picture's plane, speed, or positions; scales and
    reference joints below each other.
    Raises ValueError where no pose was found in the repetition.
    """
    if kind == "seed":
        picture = orientation_image(pose, rep)
        return picture, np.ascontiguousarray(picture[..., ::-1])
    if kind == "tsrji":
        relative = tsrji(pose, rep, config)
        return relative, _stacked([_shaded(relative[3 * i : 3 * i + 3]) for i in range(len(REFERENCES))])
    if not scales:
        raise ValueError("Expected one temporal scale or more, got none.")
    images = [_encoded(pose, rep, replace(config, distance_s=scale)) for scale in scales]
    if kind == "magnitude":
        speeds = np.stack([image[CHANNELS.index("magnitude")] for image in images])
        return speeds, _stacked([_grey(speed / _FASTEST) for speed in speeds])
    return np.concatenate([image[:9] for image in images]), _stacked([_wheel(image) for image in images])


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


def save_heat(image: Floats, heat: Floats, title: str, file: Path) -> None:
    """Draw the motion of a SkeleMotion image [C, 45, L], and over it what of it is unusual: heat [45, L] in 0..1.

    Rows are named by their body parts, columns by the phases of the lift. Raises OSError where it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(_wheel(image), aspect="auto", interpolation="nearest", alpha=0.35)
    shown = axes.imshow(heat, aspect="auto", cmap="inferno", vmin=0.0, vmax=1.0, alpha=0.25 + 0.75 * heat)
    rows, phases = _runs(PARTS_OF_WALK), _runs(phase_of_column(image.shape[-1]))
    axes.set_yticks([(first + last) / 2 for _, first, last in rows], [name for name, _, _ in rows], fontsize=7)
    axes.set_xticks([(first + last) / 2 for _, first, last in phases], [name for name, _, _ in phases])
    axes.tick_params(length=0)
    for _, first, _ in rows[1:]:
        axes.axhline(first - 0.5, color="white", linewidth=0.4)
    for _, first, _ in phases[1:]:
        axes.axvline(first - 0.5, color="white", linewidth=1.0)
    axes.set_title(title, fontsize=10)
    figure.colorbar(shown, label="what is unusual (1: most)")
    figure.savefig(file, dpi=100)


def _runs(names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Stretches of equal names: name, first and last index."""
    firsts = [index for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    return [(names[first], first, after - 1) for first, after in pairwise([*firsts, len(names)])]


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
    """Positions [3, 89, L] as red, green and blue."""
    darkest, brightest = np.array(_DARKEST), np.array(_BRIGHTEST)
    shades = (values.transpose(1, 2, 0) - darkest) / (brightest - darkest)
    picture: Picture = (np.clip(shades, 0.0, 1.0) * 255).astype(np.uint8)
    return picture


def _stacked(pictures: Sequence[Picture]) -> Picture:
    return np.concatenate(list(pictures), axis=0)


def save_picture(picture: Picture, file: Path) -> None:
    """Write a picture as PNG. Raises OSError where it cannot be written."""
    import cv2

    found, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not found:
        raise OSError(f"{file} cannot be encoded")
    file.write_bytes(np.asarray(encoded).tobytes())
