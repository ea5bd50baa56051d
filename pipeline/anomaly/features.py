"""SkeleMotion images pooled to a few numbers per body part and piece of a phase: what repetitions are compared by.

Three blocks, each compared on its own and then combined: where limbs point, how fast joints go, which way they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.posture import ANGLE_LANDMARKS, ANGLE_PARTS, COLUMNS_PER_BIN, angles_of
from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX, LANDMARKS
from pipeline.records import ROUNDED_BOW, Floats, Phase, Pose
from pipeline.skelemotion import CHANNELS, WALK, Encoded, phase_of_column

_LIMBS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("head", ("nose",), ("left_shoulder", "right_shoulder")),
    ("back", ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    ("shoulders", ("left_shoulder",), ("right_shoulder",)),
    ("arms", ("left_elbow",), ("left_shoulder",)),
    ("arms", ("right_elbow",), ("right_shoulder",)),
    ("arms", ("left_wrist",), ("left_elbow",)),
    ("arms", ("right_wrist",), ("right_elbow",)),
    ("hips", ("left_hip",), ("right_hip",)),
    ("hips", ("left_hip",), ("left_knee",)),
    ("hips", ("right_hip",), ("right_knee",)),
    ("knees", ("left_knee",), ("left_ankle",)),
    ("knees", ("right_knee",), ("right_ankle",)),
    ("feet", ("left_ankle",), ("right_ankle",)),
    ("feet", ("left_foot_index",), ("left_ankle",)),
    ("feet", ("right_foot_index",), ("right_ankle",)),
)
_JOINTS: tuple[tuple[str, str], ...] = (
    ("head", "nose"),
    ("shoulders", "left_shoulder"),
    ("shoulders", "right_shoulder"),
    ("arms", "left_elbow"),
    ("arms", "right_elbow"),
    ("arms", "left_wrist"),
    ("arms", "right_wrist"),
    ("hips", "left_hip"),
    ("hips", "right_hip"),
    ("knees", "left_knee"),
    ("knees", "right_knee"),
    ("feet", "left_ankle"),
    ("feet", "right_ankle"),
)
# Keeps the direction of a joint that hardly moves from being noise blown up.
_LEAST_MOTION = 0.05
_LEAST_SPEED = 0.6


_PART_OF = (
    {name: part for part, name in _JOINTS}
    | dict.fromkeys([f"{side}_{joint}" for side in ("left", "right") for joint in ("pinky", "index", "thumb")], "arms")
    | dict.fromkeys([f"{side}_{joint}" for side in ("left", "right") for joint in ("heel", "foot_index")], "feet")
)
PARTS_OF_WALK = tuple(_PART_OF[LANDMARKS[landmark]] for landmark in WALK)
"""The body part of each of the 45 rows of a SkeleMotion image."""


@dataclass(frozen=True)
class Block:
    """One kind of feature: values [N, P, B, F], and the body part of each of the P rows."""

    name: str
    values: Floats
    parts: tuple[str, ...]

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | Sequence[int]) -> Block:
        """The same block with the chosen repetitions only."""
        return Block(self.name, self.values[chosen], self.parts)


Blocks = tuple[Block, ...]
OUTLINE = "outline"
"""The name of the block of the back's outline."""
RESIDUAL = " residual"
"""Ends the name of a block that says what an autoencoder cannot explain in another, which its name begins with."""

# The direction of a limb is its own; its place depends on the limbs below it as well, and counts half.
_OWN_SHARE = {"posture": np.array([1.0, 1.0, 0.5, 0.5], np.float32)}


def added_by_rows(squares: Floats, name: str) -> Floats:
    """[P, B] what each row and piece of time of a block adds to a squared distance: the mean of squares [P, B, F]."""
    shares = _OWN_SHARE.get(name.removesuffix(RESIDUAL))
    result: Floats = (squares if shares is None else squares * shares).mean(axis=-1)
    return result


@dataclass(frozen=True)
class Features:
    """All that N repetitions of one video, or of several, are judged by.

    blocks: what is compared with other repetitions of the lifter. angles [N, P, B]: of the joints, in degrees.
    bows [N]: how far the back bulges, in trunk lengths, NaN where nothing is said of it. appearances [N, D]: what
    lifter and camera are known by. shots: the camera shot of each.
    """

    blocks: Blocks
    angles: Floats
    bows: Floats
    appearances: Floats
    shots: tuple[int, ...]

    def rows(self, chosen: Sequence[int]) -> Features:
        """The same with the chosen repetitions only."""
        picked = list(chosen)
        blocks = tuple(block.rows(picked) for block in self.blocks)
        shots = tuple(self.shots[i] for i in picked)
        return Features(blocks, self.angles[picked], self.bows[picked], self.appearances[picked], shots)

    def with_more(self, other: Features) -> Features:
        """The same with other repetitions after them."""
        blocks = tuple(
            Block(one.name, np.concatenate([one.values, more.values]), one.parts)
            for one, more in zip(self.blocks, other.blocks, strict=True)
        )
        angles, bows, appearances = (
            np.concatenate([mine, theirs])
            for mine, theirs in (
                (self.angles, other.angles),
                (self.bows, other.bows),
                (self.appearances, other.appearances),
            )
        )
        return Features(blocks, angles, bows, appearances, self.shots + other.shots)


def features_of(
    poses: Sequence[Pose], encoded: Sequence[Encoded], bows: Sequence[float | None], config: EncodeConfig
) -> Features:
    """The features of repetitions, each with the landmarks of its video, and with its back's bow as of `bows_of`."""
    images = np.stack([one.image for one in encoded])
    angles = np.stack([angles_of(pose, one, config) for pose, one in zip(poses, encoded, strict=True)])
    blocks = blocks_of(images)
    back = np.array([np.nan if bow is None else bow for bow in bows], np.float32)
    return Features(blocks, angles, back, appearance_features(blocks), tuple(one.shot for one in encoded))


def blocks_of(images: Floats) -> Blocks:
    """The blocks of images [N, C, J, L] of `skelemotion.encode`.

    posture: limbs as vectors x, y from joint to joint, and the place of the upper joint, in torsos. speed: logarithm of
    torsos per second. direction: cosine and sine of the motion in the picture's plane where there is motion, and the
    share of motion. The planes that need depth are left out: what one camera says about depth is mostly noise.
    """
    binned = _binned(images)
    place = binned[[CHANNELS.index("x"), CHANNELS.index("y")]]
    upper = np.stack([_mean_of(place, names) for _, names, _ in _LIMBS], axis=2)
    lower = np.stack([_mean_of(place, names) for _, _, names in _LIMBS], axis=2)
    joints = [WALK.index(INDEX[name]) for _, name in _JOINTS]
    moving = binned[:, :, joints]
    motion = moving[CHANNELS.index("yx_motion")]
    heading = moving[[CHANNELS.index("yx_cos"), CHANNELS.index("yx_sin")]] / (motion + _LEAST_MOTION)
    speed = np.log(moving[[CHANNELS.index("magnitude")]] + _LEAST_SPEED)
    limbs, parts = tuple(part for part, _, _ in _LIMBS), tuple(part for part, _ in _JOINTS)
    return (
        _block("posture", np.concatenate([upper - lower, upper]), limbs),
        _block("speed", speed, parts),
        _block("direction", np.concatenate([heading, motion[None]]), parts),
    )


def angle_block(features: Features) -> Block:
    """The angles as a block of one number per cell."""
    return Block("angles", features.angles[..., None], ANGLE_PARTS)


def outline_block(features: Features) -> Block:
    """The back's bow as a block of one row, in multiples of the bow from which a back is called rounded: the same at
    all times, since it is the median over them."""
    values = np.repeat(features.bows[:, None] / ROUNDED_BOW, features.angles.shape[2], axis=1)
    return Block(OUTLINE, values[:, None, :, None].astype(np.float32), ("back",))


def outline_cells(outline: Block, length: int) -> list[tuple[tuple[str, ...], Floats]]:
    """The body part of the outline's row, and what each cell [1, B] adds: all of it during the pull, in which it is
    looked at first. length: columns of the images that times are divided like."""
    during = np.array([phase == "pull" for phase in phase_of_bin(length)], np.float32)
    return [(outline.parts, during[None])]


def landmarks_of_rows(block: Block) -> tuple[tuple[int, ...], ...]:
    """For each of the P rows of a block of `features_of` the landmarks that it is computed from."""
    if block.name.removesuffix(RESIDUAL) == "posture":
        return tuple(tuple(INDEX[name] for name in upper + lower) for _, upper, lower in _LIMBS)
    if block.name == "angles":
        return tuple(tuple(INDEX[name] for name in names) for names in ANGLE_LANDMARKS)
    if block.name == OUTLINE:
        return (tuple(INDEX[f"{side}_{joint}"] for joint in ("shoulder", "hip") for side in ("left", "right")),)
    return tuple((INDEX[name],) for _, name in _JOINTS)


def appearance_features(blocks: Blocks) -> Floats:
    """[N, D] the mean length of every limb in the picture, in torsos: it depends on lifter and camera, not on the lift.

    A repetition of the same lifter before the same camera has the same limbs seen from the same side, however it is
    lifted. On clips of several lifters this separated settings with a margin of 3.8 (the figure's place at lockout:
    1.4).
    """
    limbs = next(block for block in blocks if block.name == "posture").values[..., :2]
    return np.ascontiguousarray(np.linalg.norm(limbs, axis=-1).mean(axis=2), dtype=np.float32)


def phase_of_bin(length: int) -> tuple[Phase, ...]:
    """The phase of each of the B pieces of time, for images of `length` columns."""
    return phase_of_column(length)[COLUMNS_PER_BIN // 2 :: COLUMNS_PER_BIN]


def _binned(images: Floats) -> Floats:
    """Images [N, C, J, L] -> means over pieces of time [C, N, J, B]."""
    count, channels, rows, length = images.shape
    bins = length // COLUMNS_PER_BIN
    cut = images[..., : bins * COLUMNS_PER_BIN].reshape(count, channels, rows, bins, COLUMNS_PER_BIN)
    means: Floats = cut.mean(axis=-1).transpose(1, 0, 2, 3)
    return means


def _mean_of(place: Floats, names: tuple[str, ...]) -> Floats:
    rows = [WALK.index(INDEX[name]) for name in names]
    mean: Floats = place[:, :, rows].mean(axis=2)
    return mean


def _block(name: str, values: Floats, parts: tuple[str, ...]) -> Block:
    """values [F, N, P, B] as a block."""
    return Block(name, np.ascontiguousarray(values.transpose(1, 2, 3, 0), dtype=np.float32), parts)
