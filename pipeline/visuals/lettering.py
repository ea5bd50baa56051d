"""Words on a dark ground, to be laid over videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.media.canvas import Colour, Overlay

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

GROUND: Colour = (20, 22, 26)
_INK: Colour = (235, 235, 235)


@lru_cache(maxsize=64)
def panel(lines: tuple[str, ...], colour: Colour, size_px: int, width_px: int) -> Overlay:
    """Lines of text, the first in that colour, with a stripe of it at the left; longer ones go on in the next line.

    They change a few times per repetition, and are drawn as often. width_px: what it is at most as wide as.
    """
    from PIL import Image, ImageDraw

    face, pad, step = font(size_px), size_px // 2, round(size_px * 1.35)
    room = max(4 * size_px, width_px - 3 * pad)
    rows = [(part, number) for number, line in enumerate(lines) for part in _wrapped(line, face, room)]
    width = round(max(face.getlength(row) for row, _ in rows)) + 3 * pad
    width, height = (min(width, width_px) + 1) // 2 * 2, (step * len(rows) + pad + 1) // 2 * 2
    image = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, pad // 2, height), fill=colour)
    for place, (row, number) in enumerate(rows):
        pen.text((pad * 1.5, pad // 2 + place * step), row, font=face, fill=_INK if number else colour)
    return Overlay(np.asarray(image))


@lru_cache(maxsize=8)
def font(size_px: int) -> FreeTypeFont:
    """The font that matplotlib brings along: the system may have none. Importing matplotlib itself takes longer than
    drawing a video's words."""
    from PIL import ImageFont

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ImportError("Expected matplotlib, which brings the font, got none. Install the project's dependencies.")
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"), size_px)


def _wrapped(line: str, face: FreeTypeFont, room_px: float) -> Iterator[str]:
    words: Sequence[str] = line.split(" ")
    row = words[0]
    for word in words[1:]:
        if face.getlength(f"{row} {word}") > room_px:
            yield row
            row = word
        else:
            row = f"{row} {word}"
    yield row
