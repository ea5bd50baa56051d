"""How far a cut into repetitions can be trusted: annotators check the least trusted videos first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.config import SegmentConfig
from pipeline.pose.interpolation import seconds_of
from pipeline.pose.tracks import is_plausible, pixels_per_metre
from pipeline.records import Pose, Rep
from pipeline.reps.half_seen import half_seen
from pipeline.reps.proposals import RepProposal

# Every doubt takes a share of the trust. The scales say at which size a doubt matters: a third of a margin unit, half
# of the poses missing, a boundary that may be off by half a second, a repetition half as long again as the others.
_MARGIN_SCALE = 0.5
_MARGIN_WEIGHT = 0.8
_UNSEEN_WEIGHT = 2.0
_SOFT_FREE_S, _SOFT_SCALE_S = 0.3, 0.8
_SET_UP_SCALE_S = 0.2
_IRREGULAR_FREE = 0.3
_RHYTHM_FREE = 0.5
_MISSING_WEIGHT = 0.7
_MISSING_WEIGHT_ALONE = 1.2
# "No repetition" is a statement about poses that were seen.
_ENOUGH_TO_SAY_NONE = 0.5
_SIZE_FREE, _SIZE_SCALE = 0.12, 0.08


def confidence(pose: Pose, reps: Sequence[Rep], found: Sequence[RepProposal], config: SegmentConfig) -> float:
    """How far the repetitions of a video can be trusted to be all of them, with the right boundaries.

    Low for cues close to their limits on either side, poses missing, boundaries where the shoulders move slowly, and
    repetitions unlike each other or with a pause in which another would fit. Low as well for half a lift as all that
    is seen: people may well call that one.

    Args:
        pose: the landmarks of the person in the video.
        reps: the repetitions that are kept.
        found: all `proposals` of the same pose and configuration, from which the repetitions were taken.
        config: limits and scales of the cut.

    Returns:
        0..1, low where a person should check the cut; 0 without any pose.
    """
    usable = is_plausible(pose)
    if not usable.any():
        return 0.0
    kept = set(reps)
    accepted = [p for p in found if p.rep in kept]
    rejected = [p for p in found if p.rep not in kept]
    trust = _of_margins([p.margin for p in accepted]) * _of_margins([-p.margin for p in rejected])
    trust *= _of_boundaries(accepted) * _of_rhythm(reps)
    trust *= _of_poses(pose, usable, config.max_gap_s, _MISSING_WEIGHT if reps else _MISSING_WEIGHT_ALONE)
    if not reps:
        seconds = seconds_of(pose.time)
        trust *= _of_margins([-half.margin for half in half_seen(pose, config)])
        trust *= min(1.0, float(seconds[usable].sum() / seconds.sum()) / _ENOUGH_TO_SAY_NONE)
    return float(np.clip(trust, 0.0, 1.0))


def _of_margins(margins: Sequence[float]) -> float:
    return min((1.0 - _MARGIN_WEIGHT * float(np.exp(-max(m, 0.0) / _MARGIN_SCALE)) for m in margins), default=1.0)


def _of_boundaries(accepted: Sequence[RepProposal]) -> float:
    if not accepted:
        return 1.0
    unseen = max(p.unseen for p in accepted)
    soft_s = max(0.0, max(p.softness_s for p in accepted) - _SOFT_FREE_S)
    set_up_s = max(p.set_up_s for p in accepted)
    return float(np.exp(-_UNSEEN_WEIGHT * unseen - soft_s / _SOFT_SCALE_S - set_up_s / _SET_UP_SCALE_S))


def _of_rhythm(reps: Sequence[Rep]) -> float:
    """Durations that differ, and a pause in which another repetition would fit."""
    if len(reps) < 2:
        return 1.0
    durations = np.array([rep.duration_s for rep in reps])
    usual = float(np.median(durations))
    irregular = max(float(durations.max()) / usual, usual / float(durations.min())) - 1.0
    periods = np.diff([rep.start_s for rep in reps])
    pause = float(periods.max() / np.median(periods)) - 1.0
    return float(np.exp(-max(0.0, irregular - _IRREGULAR_FREE) - max(0.0, pause - _RHYTHM_FREE)))


def _of_poses(pose: Pose, usable: NDArray[np.bool_], max_gap_s: float, weight: float) -> float:
    """Share of the time whose poses are missing or cannot be used, longer absences (an empty room) not counted; and how
    much the size of the person jumps about, within shots: guesses of an estimator that sees nobody clearly."""
    runs = np.split(np.arange(len(usable)), np.flatnonzero(np.diff(usable.astype(int))) + 1)
    absences = [run for run in runs if not usable[run[0]] and pose.time[run[-1]] - pose.time[run[0]] <= max_gap_s]
    seconds = seconds_of(pose.time)
    missing_s = sum(float(seconds[run].sum()) for run in absences)
    size = np.log(pixels_per_metre(pose)[usable])
    shots = pose.shot[usable]
    wander = float(np.sqrt(np.mean([np.var(size[shots == shot]) for shot in np.unique(shots)])))
    share = missing_s / (missing_s + float(seconds[usable].sum()))
    return (1.0 - min(1.0, weight * share)) * float(np.exp(-max(0.0, wander - _SIZE_FREE) / _SIZE_SCALE))
