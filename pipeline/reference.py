"""What repetitions are compared with: normal repetitions of one setting (a lifter before a camera), or of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import Cloud, deviation, distances, fit_cloud
from pipeline.features import Block, Blocks
from pipeline.records import Floats

# Blocks are joined by a mean of this order: between adding them all up and taking the worst.
ORDER = 4
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """One block's unit of difference, [P, B, F]: how much good repetitions of one video differ."""

    name: str
    unit: Floats


@dataclass(frozen=True)
class Reference:
    """Normal repetitions to compare with: one cloud per block, the distance in it that is usual for a normal
    repetition, and the stance [D] that the setting is known by (NaN for a reference of many settings)."""

    name: str
    clouds: tuple[Cloud, ...]
    usual: tuple[float, ...]
    stance: Floats


def scales_of(blocks: Blocks, groups: Sequence[str]) -> tuple[Scale, ...]:
    """The spread of repetitions within their own video, with a floor for what hardly moves at all."""
    names = np.asarray(groups)
    return tuple(Scale(block.name, _spread(block.values, names)) for block in blocks)


def fit_reference(
    name: str, blocks: Blocks, scales: Sequence[Scale], groups: Sequence[str], stance: Floats
) -> tuple[Reference, Floats]:
    """A reference of the repetitions in `blocks`, and the distance [N] of each without its own video.

    Where there is one video only, each repetition is left out alone.
    """
    flat = [_flat(block, scale) for block, scale in zip(blocks, scales, strict=True)]
    names = np.asarray(groups)
    videos = list(dict.fromkeys(groups)) if len(set(groups)) > 1 else []
    apart = [names == video for video in videos] or list(np.eye(len(names), dtype=bool))
    raw = np.zeros((len(flat), len(names)))
    for row, values in enumerate(flat):
        for held in apart:
            raw[row, held] = distances(values[held], fit_cloud(values[~held]))
    usual = tuple(float(np.median(row)) for row in raw)
    reference = Reference(name, tuple(fit_cloud(values) for values in flat), usual, stance)
    return reference, _joined(raw / np.array(usual)[:, None])


def compare(blocks: Blocks, scales: Sequence[Scale], reference: Reference) -> Floats:
    """[N] how far repetitions are from a reference; about 1 for a normal one."""
    return _joined(
        np.stack(
            [
                distances(_flat(block, scale), cloud) / usual
                for block, scale, cloud, usual in zip(blocks, scales, reference.clouds, reference.usual, strict=True)
            ]
        )
    )


def cells_of(blocks: Blocks, scales: Sequence[Scale], reference: Reference) -> list[tuple[tuple[str, ...], Floats]]:
    """For each block the body part of every row, and what each cell [P, B] of one repetition adds to its distance."""
    shares = []
    for block, scale, cloud, usual in zip(blocks, scales, reference.clouds, reference.usual, strict=True):
        squares = deviation(_flat(block, scale)[0], cloud).reshape(block.values.shape[1:])
        shares.append((block.parts, (squares.mean(axis=-1) / usual**2).astype(np.float32)))
    return shares


def scaled(block: Block, scale: Scale) -> Floats:
    """Values [N, D] of a block in units of its scale."""
    return _flat(block, scale)


def _flat(block: Block, scale: Scale) -> Floats:
    values = block.values / scale.unit
    return np.ascontiguousarray(values.reshape(len(values), -1))


def _joined(ratios: _Doubles) -> Floats:
    joined: Floats = ((ratios**ORDER).mean(axis=0) ** (1 / ORDER)).astype(np.float32)
    return joined


def _spread(values: Floats, groups: NDArray[np.str_]) -> Floats:
    residuals = values.astype(np.float64)
    for group in set(groups.tolist()):
        mine = groups == group
        residuals[mine] -= residuals[mine].mean(axis=0)
    squares = (residuals**2).mean(axis=0)
    floor = 0.3**2 * squares.mean() + 1e-8
    unit: Floats = np.sqrt(squares + floor).astype(np.float32)
    return unit
