"""Colour pictures of arrays, and the PNG files that show them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import PARTS_OF_WALK
from pipeline.records import Floats
from pipeline.skelemotion import phase_of_column

Picture = NDArray[np.uint8]

# What the darkest and the brightest red, green and blue stand for: torsos from the ankles, right, up and away.
_DARKEST, _BRIGHTEST = (-1.5, -0.2, -3.0), (1.5, 2.8, 3.0)


def direction_picture(image: Floats) -> Picture:
    """A SkeleMotion image [C, 45, L] as a picture [45, L, 3]: direction in the plane of the camera's picture as hue,
    motion as brightness."""
    hue = (np.degrees(np.arctan2(image[1], image[0])) % 360.0) / 2
    bright = np.clip(image[2], 0.0, 1.0) * 255
    hsv = np.stack([hue, np.full_like(hue, 220.0), bright], axis=-1).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def grey_picture(values: Floats) -> Picture:
    """Values [P, L] as shades of grey [P, L, 3]: 0 is black, 1 is white."""
    return np.repeat((np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)[..., None], 3, axis=-1)


def position_picture(values: Floats) -> Picture:
    """Positions [3, P, L] (right, up, away; torsos) as red, green and blue: [P, L, 3]."""
    darkest, brightest = np.array(_DARKEST), np.array(_BRIGHTEST)
    shades = (values.transpose(1, 2, 0) - darkest) / (brightest - darkest)
    picture: Picture = (np.clip(shades, 0.0, 1.0) * 255).astype(np.uint8)
    return picture


def stacked(pictures: Sequence[Picture]) -> Picture:
    """The pictures below each other."""
    return np.concatenate(list(pictures), axis=0)


def save_picture(picture: Picture, file: Path) -> None:
    """Write an RGB picture as PNG. Raises OSError where it cannot be written."""
    found, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not found:
        raise OSError(f"{file} cannot be encoded")
    file.write_bytes(np.asarray(encoded).tobytes())


def save_heat(image: Floats, heat: Floats, title: str, file: Path) -> None:
    """Draw the motion of a SkeleMotion image [C, 45, L], and over it what of it is unusual: heat [45, L] in 0..1.

    Rows are named by their body parts, columns by the phases of the lift. Raises OSError where it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(direction_picture(image), aspect="auto", interpolation="nearest", alpha=0.35)
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
