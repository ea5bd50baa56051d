"""What repetitions are compared with: normal repetitions of one setting, a lifter before a camera.

Blocks of features are made comparable in two steps: every feature in units of how much it varies within a video (its
scale), and every block's distance as a multiple of the one that is usual for normal repetitions. The blocks' ratios are
then joined by their power mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.distances import NormalModel, deviation, distances, fit_normal_model
from pipeline.anomaly.features import RESIDUAL, Block, Blocks, added_by_rows
from pipeline.records import Floats, Origin

# The order of the power mean that joins blocks: 1 would be their mean, infinity the largest of them.
ORDER = 4
# How much further repetitions of a new video are from those of a first one, same lifter and camera, than these are from
# each other: the ratio of geometric means, measured on pictures of twenty videos.
_NEW_VIDEO = 1.12
# Distances from R normal repetitions are longer by a factor of exp(1.6 / R) than from very many of them: measured there
# too, on new videos, for R from 6 to 90, and so in random numbers of no structure.
_FROM_FEW = 1.6
_FEWEST_OTHERS = 6
# So many videos of a setting have to be known for what autoencoders cannot explain to count as much as the statistics.
# With fewer, it flags more normal repetitions of new videos than it should.
_HEARD_FROM = 12
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """One block's unit of difference, [P, B, F]: how much good repetitions of one video differ."""

    name: str
    unit: Floats


@dataclass(frozen=True)
class Reference:
    """The normal repetitions of one setting: its name, for each of its blocks (by name) a model of them and the
    distance from it that is usual for a normal repetition (their median, computed without the own video), and the
    appearance [D] that the setting is known by."""

    name: str
    blocks: tuple[str, ...]
    normal_models: tuple[NormalModel, ...]
    usual: tuple[float, ...]
    appearance: Floats


def scales_of(blocks: Blocks, groups: Sequence[str]) -> tuple[Scale, ...]:
    """For each block the standard deviation of every feature within a video (groups [N]), plus a floor for what hardly
    moves at all."""
    names = np.asarray(groups)
    return tuple(Scale(block.name, _spread(block.values, names)) for block in blocks)


def in_units(blocks: Blocks, scales: Sequence[Scale]) -> Blocks:
    """The same blocks in units of their scales."""
    return tuple(
        Block(block.name, block.values / scale.unit, block.parts) for block, scale in zip(blocks, scales, strict=True)
    )


def half_way(base: Sequence[Scale], own: Sequence[Scale]) -> tuple[Scale, ...]:
    """Units half way (by ratios) from those of a base to those of its own, for values that are in units of the base.

    Few repetitions say little of how much each feature varies, and those of other people little of this lifter. Half
    way, new videos were separated as well as by either or better, from ten known repetitions to two hundred.
    """
    return tuple(Scale(mine.name, np.sqrt(mine.unit / known.unit)) for known, mine in zip(base, own, strict=True))


def fit_reference(name: str, blocks: Blocks, groups: Sequence[str], appearance: Floats) -> tuple[Reference, Floats]:
    """A reference of normal repetitions, and how far each of them is from the others: what to calibrate on.

    Args:
        name: of the setting.
        blocks: of N normal repetitions, in units.
        groups: the video of each repetition.
        appearance: [D], what the setting is known by.

    Returns:
        The reference, and distances [N], each computed without the repetition's whole video, and shortened by how much
        nearer a new one is to all repetitions than to those of the other videos. Where too few would be left without
        that video, they are computed without the repetition alone, and lengthened by how much further a new video
        usually is.

    Raises:
        ValueError: fewer than three repetitions.
    """
    count = len(groups)
    if count < 3:
        raise ValueError(f"Expected three or more repetitions, got {count}.")
    names, videos = np.asarray(groups), dict.fromkeys(groups)
    raw, further = np.zeros((len(blocks), count)), np.ones(count)
    for video in videos:
        mine = names == video
        others = count - int(mine.sum())
        alone = others < min(_FEWEST_OTHERS, count - 1)
        further[mine] = _NEW_VIDEO if alone else math.exp(_FROM_FEW * (1 / count - 1 / others))
        for held in np.eye(count, dtype=bool)[mine] if alone else [mine]:
            for row, block in enumerate(blocks):
                raw[row, held] = distances(block.values[held], fit_normal_model(block.values[~held]))
    usual = tuple(float(np.median(row)) / _voice(block, len(videos)) for row, block in zip(raw, blocks, strict=True))
    normal_models = tuple(fit_normal_model(block.values) for block in blocks)
    reference = Reference(name, tuple(block.name for block in blocks), normal_models, usual, appearance)
    return reference, (_joined(raw / np.array(usual)[:, None]) * further).astype(np.float32)


def compare(views: Sequence[Blocks], reference: Reference) -> Floats:
    """[N] how far repetitions are from a reference, about 1 for a normal one: the geometric mean over views of them,
    each of blocks in units."""
    return joined(ratios(views, reference))


def ratios(views: Sequence[Blocks], reference: Reference) -> _Doubles:
    """[V, B, N] how far repetitions are from a reference in each block of each view, about 1 for a normal one."""
    return np.stack(
        [
            [
                distances(block.values, normal) / usual
                for block, normal, usual in zip(blocks, reference.normal_models, reference.usual, strict=True)
            ]
            for blocks in views
        ]
    )


def joined(of_blocks: _Doubles) -> Floats:
    """[N] the geometric mean over views of what their blocks [V, B, N] say together."""
    logarithms = [np.log(np.maximum(_joined(view), 1e-9)) for view in of_blocks]
    far: Floats = np.exp(np.mean(logarithms, axis=0)).astype(np.float32)
    return far


def origins(blocks: Blocks) -> dict[Origin, list[int]]:
    """Which of the blocks are statistics, and which are what an autoencoder cannot explain, as far as there are any."""
    found: dict[Origin, list[int]] = {}
    for row, block in enumerate(blocks):
        found.setdefault("autoencoder" if block.name.endswith(RESIDUAL) else "statistics", []).append(row)
    return found


def cells_of(views: Sequence[Blocks], row: int, reference: Reference) -> list[tuple[tuple[str, ...], Floats]]:
    """For each block that `explaining` gives the body part of every row, and what each cell [P, B] of one repetition
    adds to its distance, on average over views of it."""
    shares = []
    told = {block.name for block in explaining(views[0])}
    for of_views, normal, usual in zip(zip(*views, strict=True), reference.normal_models, reference.usual, strict=True):
        first: Block = of_views[0]
        if first.name not in told:
            continue
        squares = np.mean([deviation(block.values[row].ravel(), normal) for block in of_views], axis=0)
        added = added_by_rows(squares.reshape(first.values.shape[1:]), first.name)
        shares.append((first.parts, (added / usual**2).astype(np.float32)))
    return shares


def explaining(blocks: Blocks) -> Blocks:
    """The blocks that tell where a repetition is unusual: the statistics, or residuals where there are no others.

    An autoencoder that fails at one place of a movement fails at others too: of drawn faults the statistics alone name
    the faulty part first more often.
    """
    return tuple(block for block in blocks if not block.name.endswith(RESIDUAL)) or blocks


def flattened(block: Block) -> Floats:
    """Values [N, D] of a block."""
    return np.ascontiguousarray(block.values.reshape(len(block.values), -1))


def _voice(block: Block, videos: int) -> float:
    """0..1 by how much the ratio of a block counts: what an autoencoder says beside few videos is heard less."""
    return min(1.0, videos / _HEARD_FROM) if block.name.endswith(RESIDUAL) else 1.0


def _joined(ratios: _Doubles) -> Floats:
    joined: Floats = ((ratios**ORDER).mean(axis=0) ** (1 / ORDER)).astype(np.float32)
    return joined


def _spread(values: Floats, groups: NDArray[np.str_]) -> Floats:
    residuals = values.astype(np.float64)
    for group in set(groups.tolist()):
        mine = groups == group
        residuals[mine] -= residuals[mine].mean(axis=0)
    squares = (residuals**2).mean(axis=0)
    floor = 0.6**2 * squares.mean() + 1e-8
    unit: Floats = np.sqrt(squares + floor).astype(np.float32)
    return unit
