"""How a repetition of an unknown lifter is judged: by its joint angles, along the direction in which faults move them.

How far a repetition is from those of other lifters says little about how well it is done: people and cameras differ
more than good lifts differ from bad ones (on clips of several lifters such distances separated them worse than chance).
Two faults change the posture of every lifter alike: hips that rise before the chest, and a lockout that is not
finished. How they change the angles is learnt from drawn lifters, with and without the fault; the angles of sound
lifts, and how much they differ from person to person, are learnt from people.

The direction is Fisher's linear discriminant (Fisher, "The use of multiple measurements in taxonomic problems", Annals
of Eugenics 7, 1936): the inverse covariance of sound lifts times the mean change, summed over the faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX
from pipeline.pose.interpolation import values_at
from pipeline.pose.joints import angle_between, lean_of
from pipeline.records import Floats, Pose
from pipeline.skelemotion import Encoded, smooth

ANGLE_PARTS = ("back", "hips", "knees", "knees", "head")
"""The body part of each of the P angles: lean of the trunk, hip, knee, lean of the shin, neck."""
ANGLE_LANDMARKS = tuple(
    tuple(f"{side}_{joint}" for side in ("left", "right") for joint in joints)
    for joints in (
        ("shoulder", "hip"),
        ("shoulder", "hip", "knee"),
        ("hip", "knee", "ankle"),
        ("knee", "ankle"),
        ("ear", "shoulder", "hip"),
    )
)
"""The landmarks that each angle is computed from."""
COLUMNS_PER_BIN = 4
"""Columns of a SkeleMotion image that are one bin of the features: B = L / 4."""
_JOINTS = ("shoulder", "hip", "knee", "ankle", "ear")
_MARGIN_S = 0.3
# Angles further from sound ones than so many standard deviations come from wrong landmarks, and count as so many.
_MOST = 2.5
# The share of the diagonal in the covariance over people: few people say more about how much each angle varies than
# about how angles vary together.
_SHRINKAGE = 0.6
# Degrees whose square is added to every angle's variance, so that no direction is without any.
_LEAST_DEG = 3.0
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class PostureModel:
    """The joint angles of sound lifts, and the direction in which faults change them.

    mean, spread: [P, B] mean and standard deviation of the angles over sound lifts of different people, in degrees.
    weight: [P, B], the direction: what a deviation of one standard deviation adds to the score. videos: how many the
    mean is of.
    """

    mean: Floats
    spread: Floats
    weight: Floats
    videos: int


def angles_of(pose: Pose, encoded: Encoded, config: EncodeConfig) -> Floats:
    """[P, B] angles of the joints in degrees, over the course of a repetition, whatever side it is seen from.

    From the landmarks in metres, each the middle of left and right. Zeros where nothing could be encoded.
    """
    bins = config.length // COLUMNS_PER_BIN
    if not len(encoded.times):
        return np.zeros((len(ANGLE_PARTS), bins), np.float32)
    first, last = encoded.times[0] - _MARGIN_S, encoded.times[-1] + _MARGIN_S
    use = (pose.time >= first) & (pose.time <= last) & pose.detected & (pose.shot == encoded.shot)
    time, world = pose.time[use], pose.world[use].astype(np.float64)
    left, right = ([INDEX[f"{side}_{name}"] for name in _JOINTS] for side in ("left", "right"))
    middles = smooth(time, (world[:, left] + world[:, right]) / 2, config.smooth_s)
    shoulder, hip, knee, ankle, ear = np.moveaxis(values_at(time, middles, encoded.times), 1, 0)
    angles = [
        lean_of(shoulder - hip),
        angle_between(shoulder - hip, knee - hip),
        angle_between(hip - knee, ankle - knee),
        lean_of(knee - ankle),
        angle_between(ear - shoulder, hip - shoulder),
    ]
    columns = np.stack(angles)[:, : bins * COLUMNS_PER_BIN].reshape(len(angles), bins, COLUMNS_PER_BIN)
    means: Floats = columns.mean(axis=-1).astype(np.float32)
    return means


def fit_posture_model(sound: Floats, groups: Sequence[str], drawn: Floats, faults: Floats) -> PostureModel:
    """Fisher's linear discriminant between sound lifts and faulty ones.

    Args:
        sound: angles [N, P, B] of sound repetitions of people, in degrees.
        groups: the video of each.
        drawn: angles [M, P, B] of sound repetitions of drawn lifters: how angles vary together.
        faults: [F, P, B] how each fault changes the angles, in degrees. Cells that no fault changes get no weight.

    Returns:
        The model, whose score of sound lifts has a standard deviation of about 1.

    Raises:
        ValueError: no fault changes anything.
    """
    if not faults.any():
        raise ValueError("Expected faults that change angles, got none.")
    shape = sound.shape[1:]
    means = _video_means(sound, groups).reshape(-1, sound[0].size)
    mean = np.median(means, axis=0)
    apart = (means - mean).T @ (means - mean) / max(len(means) - 1, 1)
    covariance = (1 - _SHRINKAGE) * apart + _SHRINKAGE * np.diag(np.diag(apart))
    covariance += np.cov(drawn.reshape(len(drawn), -1), rowvar=False) + _LEAST_DEG**2 * np.eye(mean.size)
    changes = faults.reshape(len(faults), -1).T.astype(np.float64)
    used = changes.any(axis=1)
    within = covariance[np.ix_(used, used)]
    directions = np.linalg.solve(within, changes[used])
    lengths = np.sqrt((directions * (within @ directions)).sum(axis=0))
    direction = np.zeros(mean.size)
    direction[used] = (directions / np.maximum(lengths, 1e-9)).sum(axis=1)
    direction /= np.sqrt(direction @ covariance @ direction)
    spread = np.sqrt(np.diag(covariance))
    mean, spread, weight = (one.reshape(shape).astype(np.float32) for one in (mean, spread, direction * spread))
    return PostureModel(mean, spread, weight, len(means))


def with_people(model: PostureModel, sound: Floats, groups: Sequence[str]) -> PostureModel:
    """The model with the sound repetitions [N, P, B] of further people (groups: their videos) in its mean."""
    means = _video_means(sound, groups)
    total = model.mean * model.videos + means.sum(axis=0)
    videos = model.videos + len(means)
    return replace(model, mean=(total / videos).astype(np.float32), videos=videos)


def fault_score(angles: Floats, model: PostureModel) -> Floats:
    """[N] how far repetitions [N, P, B] are from sound ones in the direction of faults; about 0 +- 1 for sound ones."""
    total: Floats = (_deviation(angles, model) * model.weight).sum(axis=(1, 2)).astype(np.float32)
    return total


def angle_cells(angles: Floats, model: PostureModel) -> list[tuple[tuple[str, ...], Floats]]:
    """The body part of every angle, and what each cell [P, B] of one repetition [P, B] adds to its fault_score."""
    added = np.clip(_deviation(angles[None], model)[0] * model.weight, 0.0, None)
    return [(ANGLE_PARTS, added.astype(np.float32))]


def _deviation(angles: Floats, model: PostureModel) -> Floats:
    """[N, P, B] how far angles are from sound ones, in standard deviations."""
    deviation: Floats = np.clip((angles - model.mean) / model.spread, -_MOST, _MOST)
    return deviation


def _video_means(values: Floats, groups: Sequence[str]) -> _Doubles:
    names = np.asarray(groups)
    return np.stack([values[names == group].mean(axis=0, dtype=np.float64) for group in dict.fromkeys(groups)])
