"""Colour pictures of arrays, and the PNG files that show them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import PARTS_OF_WALK
from pipeline.files import written_aside
from pipeline.records import ROUNDED_BACK, Floats, RepScore, shown_score
from pipeline.skelemotion import phase_of_column
from pipeline.visuals.words import verdict, where, why

Picture = NDArray[np.uint8]

_DOWNWARDS = ("head", "shoulders", "arms", "hips", "knees", "feet")
ROWS_DOWNWARDS = sorted(range(len(PARTS_OF_WALK)), key=lambda row: _DOWNWARDS.index(PARTS_OF_WALK[row]))
"""The rows of the walk in the order in which body parts lie below each other, so that each part is one stretch."""
# No joint of the walk stands for the back.
_SHOWN_AT = {"back": ("shoulders", "hips")}
_PHASES = {"pull": "pull (way up)", "lockout": "lockout", "lowering": "lowering (way down)"}

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
    with written_aside(file) as aside:
        aside.write_bytes(np.asarray(encoded).tobytes())


def save_heat(image: Floats, heat: Floats, score: RepScore, title: str, file: Path) -> None:
    """Draw the motion of a SkeleMotion image [C, 45, L] in grey, and over it what of it is unusual.

    heat: [45, L] in 0..1, of this repetition alone. It is drawn times the score, so that one colour means the same in
    every repetition: 1 is the most unusual spot of one whose score is 1; one not judged has no colour. Rows are
    sorted by body part, from head to feet; columns are the phases of the lift. The reasons are outlined and numbered,
    the strongest as 1: the back has no row of its own, and shows at its ends, shoulders and hips, which the picture
    says. Raises OSError where it cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    parts = [PARTS_OF_WALK[row] for row in ROWS_DOWNWARDS]
    phases = phase_of_column(image.shape[-1])
    motion = np.clip(image[2], 0.0, 1.0)[ROWS_DOWNWARDS]
    shown_heat = (heat * (score.score if score.reliable else 0.0))[ROWS_DOWNWARDS]
    axes.imshow(motion, aspect="auto", interpolation="nearest", cmap="gray", vmin=0.0, vmax=2.0)
    alpha = np.clip(2 * shown_heat, 0.0, 1.0)
    shown = axes.imshow(shown_heat, aspect="auto", interpolation="nearest", cmap="inferno", vmin=0, vmax=1, alpha=alpha)
    rows, columns = _runs(parts), _runs(phases)
    axes.set_yticks([(first + last) / 2 for _, first, last in rows], [name for name, _, _ in rows])
    axes.set_xticks([(first + last) / 2 for _, first, last in columns], [_PHASES[name] for name, _, _ in columns])
    axes.tick_params(length=0)
    for _, first, _ in rows[1:]:
        axes.axhline(first - 0.5, color="white", linewidth=0.5)
    for _, first, _ in columns[1:]:
        axes.axvline(first - 0.5, color="white", linewidth=1.5)
    across = {name: (first, last) for name, first, last in columns}
    down = {name: (first, last) for name, first, last in rows}
    if score.is_anomaly:
        for number, reason in enumerate(score.reasons, start=1):
            left, right = across[reason.phase]
            for part in _SHOWN_AT.get(reason.body_part, (reason.body_part,)):
                top, bottom = down[part]
                inset = 0.12 * number  # two reasons may share a place
                box = (left - 0.5 + inset, top - 0.5 + inset)
                size = (right - left + 1 - 2 * inset, bottom - top + 1 - 2 * inset)
                axes.add_patch(Rectangle(box, *size, fill=False, edgecolor="cyan", linewidth=1.5))
                place = (left + 1.2 * number - 1.0, (top + bottom) / 2)
                axes.text(*place, str(number), color="cyan", fontsize=10, fontweight="bold", va="center")
        if "back" in {reason.body_part for reason in score.reasons}:
            axes.set_xlabel("The back has no row of its own: it shows at its ends, shoulders and hips.")
    head = f"{title}: {verdict(score)}" + (f", score {shown_score(score.score)}" if score.reliable else "")
    numbered = [
        f"{number} {where([reason])} ({reason.share:.0%})" for number, reason in enumerate(score.reasons, start=1)
    ]
    reasons = "   ".join(numbered) if score.is_anomaly else why(score)
    if score.back_is_rounded:
        reasons = "; ".join(filter(None, (ROUNDED_BACK, reasons)))
    # Names of files are no formulas.
    axes.set_title(f"{head}\n{reasons}" if reasons else head, fontsize=10, parse_math=False)
    figure.colorbar(shown, label="how unusual, times the score: the same scale for all repetitions")
    with written_aside(file) as aside:
        figure.savefig(aside, dpi=100)


def _runs(names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Stretches of equal names: name, first and last index."""
    firsts = [index for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    return [(names[first], first, after - 1) for first, after in pairwise([*firsts, len(names)])]
