"""How well repetitions were cut: matching by temporal overlap, boundary and count errors, and trivial baselines.

Conventions of temporal action localisation: F1 at a temporal intersection over union (Lea et al. 2017, "Temporal
Convolutional Networks for Action Segmentation and Detection"), mean average precision over tIoU .5:.05:.95 (Caba
Heilbron et al. 2015, "ActivityNet"), count MAE and off-by-one accuracy (Hu et al. 2022, "TransRAC"; here the MAE is
in repetitions and not divided by the true count, since negatives count none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment

from pipeline.landmarks import INDEX
from pipeline.learning.groundtruth import MarkedClip, read_clips
from pipeline.records import Interval, Pose, Rep, tiou

F1_LEVELS = (0.25, 0.5, 0.75)
MAP_LEVELS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
# Boundary errors are measured on pairs that overlap at all well enough to be the same repetition.
_PAIR_LEVEL = 0.25
# A predicted repetition that lies mostly in a partial one is neither right nor wrong.
_IN_PARTIAL = 0.5


@dataclass(frozen=True)
class Span:
    """A repetition that a person marked by start and end alone, in seconds of media time."""

    start_s: float
    end_s: float
    top_s: None = None


@dataclass(frozen=True)
class ClipTruth:
    """What a person marked in one video. partial: (start_s, seconds until which it may last) of lifts not seen to the
    end. uncertain: the marks are good to half a second only."""

    name: str
    reps: tuple[Rep | Span, ...]
    partial: tuple[tuple[float, float], ...] = ()
    is_deadlift: bool = True
    uncertain: bool = False


@dataclass(frozen=True)
class ClipResult:
    """What was found in one video, beside the truth. confidence 0..1 ranks the repetitions of different videos."""

    truth: ClipTruth
    found: tuple[Rep, ...]
    confidence: float

    @property
    def count_error(self) -> int:
        return len(counted(self)) - len(self.truth.reps)


@dataclass(frozen=True)
class Scores:
    """Pooled over clips. f1 by tIoU level; map: mean average precision; errors in seconds [P, 3] of the matched
    pairs, found minus true (start, top, end; NaN for a lockout that was not marked); counts are about clips,
    false_on_negatives about repetitions."""

    f1: dict[float, float]
    map: float
    errors: NDArray[np.float64]
    clips: int
    exact_counts: int
    count_mae: float
    off_by_one: float
    false_on_negatives: int
    true_reps: int
    found_reps: int

    def mae_ms(self) -> tuple[float, float, float]:
        """Mean absolute error of start, top and end in ms; NaN where nothing matched, or no lockout was marked."""
        start, top, end = (column[~np.isnan(column)] for column in np.abs(self.errors).T * 1000)
        return _mean(start), _mean(top), _mean(end)


def load_groundtruth(path: str | Path) -> tuple[ClipTruth, ...]:
    """Read a ground-truth JSON. Raises the DatasetError of `read_clips`."""
    return tuple(map(_clip, read_clips(Path(path))))


def match(found: Sequence[Interval], truth: Sequence[Interval], level: float) -> list[tuple[int, int]]:
    """One-to-one pairs (index found, index true) with the largest total tIoU, each of at least `level`."""
    if not found or not truth:
        return []
    overlap = np.array([[tiou(one, other) for other in truth] for one in found])
    rows, columns = linear_sum_assignment(np.where(overlap >= level, overlap, 0.0), maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if overlap[r, c] >= level]


def counted(result: ClipResult) -> tuple[Rep, ...]:
    """The found repetitions but those that lie in a partial one and match no whole one."""
    matched = {index for index, _ in match(result.found, result.truth.reps, _PAIR_LEVEL)}
    return tuple(
        rep for index, rep in enumerate(result.found) if index in matched or not _in_partial(rep, result.truth.partial)
    )


def evaluate_reps(results: Sequence[ClipResult]) -> Scores:
    """Pool clips into one set of figures. Raises ValueError without a clip."""
    if not results:
        raise ValueError("Expected at least one clip, got none.")
    found = [counted(result) for result in results]
    truth = [result.truth.reps for result in results]
    errors = [
        (a.start_s - b.start_s, np.nan if b.top_s is None else a.top_s - b.top_s, a.end_s - b.end_s)
        for mine, theirs in zip(found, truth, strict=True)
        for a, b in ((mine[i], theirs[j]) for i, j in match(mine, theirs, _PAIR_LEVEL))
    ]
    count_errors = np.array([result.count_error for result in results])
    return Scores(
        f1={level: _f1(found, truth, level) for level in F1_LEVELS},
        map=float(np.mean([_average_precision(results, level) for level in MAP_LEVELS])),
        errors=np.array(errors, float).reshape(-1, 3),
        clips=len(results),
        exact_counts=int((count_errors == 0).sum()),
        count_mae=float(np.abs(count_errors).mean()),
        off_by_one=float((np.abs(count_errors) <= 1).mean()),
        false_on_negatives=sum(len(r.found) for r in results if not r.truth.is_deadlift),
        true_reps=sum(map(len, truth)),
        found_reps=sum(map(len, found)),
    )


def hysteresis_reps(pose: Pose, joint: str, low: float = 0.35, high: float = 0.65) -> tuple[Rep, ...]:
    """The trivial counter to compare with: mean height of a joint ("shoulder", "wrist"), smoothed over a fifth of a
    second, scaled to 0..1 by its 5th and 95th percentile; up above `high`, down below `low`. A repetition lasts from
    the last crossing of `low` before an up to the next one after it, its top is where `high` was reached.
    """
    seen = pose.detected
    if seen.sum() < 3:
        return ()
    time = np.arange(pose.time[seen][0], pose.time[seen][-1], 0.02)
    raw = -pose.image[seen][:, [INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]], 1].mean(axis=1)
    height = gaussian_filter1d(np.interp(time, pose.time[seen], raw), 0.2 / 0.02)
    bottom, top = np.percentile(height, [5, 95])
    level = (height - bottom) / max(top - bottom, 1e-9)
    reps: list[Rep] = []
    start_s: float | None = None
    top_s: float | None = None
    for at, value in zip(time.tolist(), level.tolist(), strict=True):
        if value < low:
            if start_s is not None and top_s is not None:
                reps.append(Rep(start_s, top_s, at))
            start_s, top_s = at, None
        elif value > high and start_s is not None and top_s is None:
            top_s = at
    return tuple(reps)


def _clip(clip: MarkedClip) -> ClipTruth:
    reps: list[Rep | Span] = []
    partial: list[tuple[float, float]] = []
    for row in sorted(clip.reps, key=lambda rep: rep.start_s):
        if row.end_s is None:
            partial.append((row.start_s, np.inf if clip.duration_s is None else clip.duration_s))
        elif row.top_s is None:
            reps.append(Span(row.start_s, row.end_s))
        else:
            reps.append(Rep(row.start_s, row.top_s, row.end_s))
    return ClipTruth(clip.file, tuple(reps), tuple(partial), clip.is_deadlift, clip.uncertain)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _in_partial(rep: Rep, partial: Sequence[tuple[float, float]]) -> bool:
    return any(min(rep.end_s, end) - max(rep.start_s, start) > _IN_PARTIAL * rep.duration_s for start, end in partial)


def _f1(found: Sequence[Sequence[Interval]], truth: Sequence[Sequence[Interval]], level: float) -> float:
    hits = sum(len(match(mine, theirs, level)) for mine, theirs in zip(found, truth, strict=True))
    total = sum(map(len, found)) + sum(map(len, truth))
    return 2.0 * hits / total if total else 1.0


def _average_precision(results: Sequence[ClipResult], level: float) -> float:
    """Area under the interpolated precision-recall curve, repetitions ranked by the confidence of their clip."""
    ranked: list[tuple[float, bool]] = []
    for result in results:
        mine = counted(result)
        hits = {index for index, _ in match(mine, result.truth.reps, level)}
        ranked += [(result.confidence, index in hits) for index in range(len(mine))]
    total = sum(len(result.truth.reps) for result in results)
    if not total or not ranked:
        return 1.0 if not total and not ranked else 0.0
    confidence = np.array([c for c, _ in ranked])
    order = np.argsort(-confidence, kind="stable")
    hit = np.array([h for _, h in ranked], float)[order]
    # Repetitions of equal confidence have no order among them: the curve has a point only where confidence changes.
    last = np.append(np.diff(confidence[order]) != 0, True)
    recall = (np.cumsum(hit) / total)[last]
    precision = (np.cumsum(hit) / np.arange(1, len(hit) + 1))[last]
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.append(0.0, recall)) * envelope))
