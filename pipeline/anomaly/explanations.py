"""Why a repetition looks unusual: its distance taken apart by body part and phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from pipeline.anomaly.features import PARTS_OF_WALK, Blocks, landmarks_of_rows, phase_of_bin
from pipeline.landmarks import INDEX, LANDMARKS
from pipeline.records import BodyPart, Floats, Phase, Reason
from pipeline.skelemotion import CHANNELS, WALK, Encoded

Cells = Sequence[tuple[tuple[str, ...], Floats]]
"""For each block the body part of each of its P rows, and [P, B] what every row and piece of time adds to a squared
distance."""
_MOST = 3
_LEAST_SHARE = 0.1
# Torsos. Feet stand still in a deadlift, so that what they seem to travel in good repetitions is the pose model's
# error: about this much in full view, and more the less they are seen.
_FOOT_DRIFT = 0.1
_HIDDEN_FOOT_DRIFT = 0.5
# No joint of the walk stands for the back: it shows at its ends.
_ENDS = {"back": ("shoulders", "hips")}
# The head goes where the trunk takes it, so that a fault of the hips shows in it as well: it counts that much.
_FOLLOWING = {"head": 2 / 3}
_PLACE = [CHANNELS.index("x"), CHANNELS.index("y")]
_ANKLES = {side: WALK.index(INDEX[f"{side}_ankle"]) for side in ("left", "right")}


def visible(blocks: Blocks, encoded: Encoded) -> list[Floats]:
    """For each block [P] in 0..1: how much of what its rows say a person would see in the picture.

    A hidden landmark is a guess of the pose model. A foot counts as far as it travels more than feet seem to anyway.
    """
    travel = {side: encoded.image[_PLACE, row].std(axis=-1) for side, row in _ANKLES.items()}
    steps = {
        side: _step(float(np.hypot(*travel[side])), float(encoded.seen[WALK[row]])) for side, row in _ANKLES.items()
    }
    result = []
    for block in blocks:
        share, feet = _landmark_shares(landmarks_of_rows(block), block.parts)
        seen = share @ encoded.seen
        for index, sides in feet:
            seen[index] *= min(steps[side] for side in sides)
        result.append(seen)
    return result


@lru_cache(maxsize=16)
def _landmark_shares(
    landmarks: tuple[tuple[int, ...], ...], parts: tuple[str, ...]
) -> tuple[Floats, tuple[tuple[int, frozenset[str]], ...]]:
    """[P, 33] the share of each landmark in a row's mean, and which rows are feet, of which sides."""
    share = np.zeros((len(landmarks), len(LANDMARKS)), np.float32)
    for row, of_row in zip(share, landmarks, strict=True):
        row[list(of_row)] = 1.0 / len(of_row)
    feet = [index for index, part in enumerate(parts) if part == "feet"]
    return share, tuple((index, frozenset(_side(landmark) for landmark in landmarks[index])) for index in feet)


def _side(landmark: int) -> str:
    return "left" if LANDMARKS[landmark].startswith("left") else "right"


def _step(travel: float, seen: float) -> float:
    drift = _FOOT_DRIFT + _HIDDEN_FOOT_DRIFT * (1.0 - seen)
    return travel**2 / (travel**2 + drift**2)


def reasons(cells: Cells, shown: Sequence[Floats], length: int) -> tuple[Reason, ...]:
    """The body parts and phases that carry a distance, strongest first; at most two after the first.

    shown: for each block the weights [P] of its rows, as of `visible`. length: columns of the images that the cells
    come from.
    """
    phases = phase_of_bin(length)
    shares: dict[tuple[str, Phase], float] = {}
    for part, excess in _excess(cells, shown):
        for value, phase in zip(excess, phases, strict=True):
            shares[part, phase] = shares.get((part, phase), 0.0) + float(value)
    total = sum(shares.values())
    if total <= 0:
        return ()
    ranked = sorted(((value / total, *where) for where, value in shares.items()), reverse=True)[:_MOST]
    return tuple(
        Reason(cast(BodyPart, part), phase, share)
        for rank, (share, part, phase) in enumerate(ranked)
        if rank == 0 or share >= _LEAST_SHARE
    )


def heat_over_walk(cells: Cells, shown: Sequence[Floats], length: int) -> Floats:
    """[45, L] in 0..1, the same laid over the rows and columns of a SkeleMotion image: every row of the walk shows what
    its body part adds."""
    heat = np.zeros((len(PARTS_OF_WALK), length), np.float64)
    for part, excess in _excess(cells, shown):
        columns = np.repeat(excess, length // len(excess))
        shown_at = _ENDS.get(part, (part,))
        heat[[index for index, name in enumerate(PARTS_OF_WALK) if name in shown_at], : len(columns)] += columns
    highest = float(heat.max())
    return (heat / highest if highest > 0 else heat).astype(np.float32)


def _excess(cells: Cells, shown: Sequence[Floats]) -> Iterator[tuple[str, Floats]]:
    """For each block and body part what it adds [B] beyond the block's median cell (a little of everything is what
    normal repetitions have too), as a mean over its rows: arms have more joints than a head."""
    for (parts, values), weights in zip(cells, shown, strict=True):
        weighed = values * weights[:, None]
        excess = np.clip(weighed - np.median(weighed), 0.0, None)
        names, shares = _part_shares(parts)
        for name, added in zip(names, shares @ excess, strict=True):
            yield name, _FOLLOWING.get(name, 1.0) * added


@lru_cache(maxsize=16)
def _part_shares(parts: tuple[str, ...]) -> tuple[tuple[str, ...], Floats]:
    """The body parts of a block's rows, and [parts, P] the share of every row in the mean of its part."""
    names = tuple(dict.fromkeys(parts))
    member = np.array([[part == name for part in parts] for name in names], np.float32)
    return names, member / member.sum(axis=1, keepdims=True)
