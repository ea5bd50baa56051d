"""Folders of SkeleMotion pictures as the original project keeps them, for evaluation without any video."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import Block, Blocks
from pipeline.errors import DatasetError
from pipeline.landmarks import LANDMARKS
from pipeline.original.model import grey_of
from pipeline.records import Floats
from pipeline.skelemotion import WALK

_NAME = re.compile(r"(?P<video>.+)_rep_(?P<number>\d+)")
_STATIC = 24
_FRAMES_APART = 10
# Rows x columns of the two resolutions that pictures are compared at, as divisors of 45 x 100.
_POOLS = (("pieces", 3, 5), ("joints", 1, 10))


@dataclass(frozen=True)
class Pictures:
    """SkeleMotion pictures as bytes [N, 45, 100], their files, and the video that each is from."""

    greys: NDArray[np.uint8]
    files: tuple[Path, ...]
    groups: tuple[str, ...]

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Pictures:
        """The chosen pictures only."""
        indices = np.arange(len(self.groups))[chosen]
        return Pictures(
            self.greys[indices], tuple(self.files[i] for i in indices), tuple(self.groups[i] for i in indices)
        )

    @property
    def static_share(self) -> NDArray[np.float64]:
        """[N] the share of pixels that say "did not move": a trivial baseline."""
        share: NDArray[np.float64] = (self.greys == _STATIC).mean(axis=(1, 2))
        return share

    @property
    def frames(self) -> NDArray[np.float64]:
        """[N] the repetition's length in frames, read off the columns at the end that are always static: a trivial
        baseline, and proof that these pictures leak it."""
        still = (self.greys == _STATIC).all(axis=1)[:, ::-1]
        tail = np.where(still.all(axis=1), still.shape[1], (~still).argmax(axis=1))
        length: NDArray[np.float64] = _FRAMES_APART * still.shape[1] / np.maximum(tail, 1)
        return length


def load_pictures(folder: Path) -> Pictures:
    """The PNGs of a folder, by name `VIDEO_rep_NUMBER...png` in the order of their numbers; blank ones are left out.

    Raises DatasetError for a folder without pictures, and for files that are not such pictures.
    """
    import cv2

    named = [(match, file) for file in folder.glob("*.png") if (match := _NAME.match(file.name))]
    if not named:
        raise DatasetError(f"{folder}: no SkeleMotion pictures here. Expected files named VIDEO_rep_NUMBER...png.")
    greys, files, groups = [], [], []
    for match, file in sorted(named, key=lambda item: (item[0]["video"], int(item[0]["number"]))):
        colours = cv2.imread(str(file))
        if colours is None or colours.shape[:2] != (len(WALK), 100):
            raise DatasetError(f"{file}: expected a SkeleMotion picture of 45 x 100 pixels.")
        grey = grey_of(np.asarray(colours, np.uint8))
        if (grey == grey[0, 0]).all():
            continue
        greys.append(grey)
        files.append(file)
        groups.append(match["video"])
    return Pictures(np.stack(greys), tuple(files), tuple(groups))


def picture_images(pictures: Pictures) -> Floats:
    """[N, 3, 45, 100] cosine and sine of the direction of motion where there is motion, and the motion mask.

    The byte mixes three angles into one that still turns once around, so it is read as an angle.
    """
    moves = (pictures.greys != _STATIC).astype(np.float32)
    angle = pictures.greys.astype(np.float32) * (2 * np.pi / 255)
    images: Floats = np.stack([np.cos(angle) * moves, np.sin(angle) * moves, moves], axis=1)
    return images


def picture_blocks(pictures: Pictures) -> Blocks:
    """What of the default method's features such a picture still holds: the direction of motion where there is motion,
    and the share of motion, pooled over neighbouring joints and over time."""
    channels = picture_images(pictures).transpose(0, 2, 3, 1)
    blocks = []
    for name, rows, columns in _POOLS:
        count, height, width, _ = channels.shape
        cut = channels.reshape(count, height // rows, rows, width // columns, columns, 3).mean(axis=(2, 4))
        values = np.concatenate([cut[..., :2] / (cut[..., 2:] + 0.5 / (rows * columns)), cut[..., 2:]], axis=-1)
        blocks.append(Block(name, values, tuple(LANDMARKS[landmark] for landmark in WALK[::rows])))
    return tuple(blocks)
