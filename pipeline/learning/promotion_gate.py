"""Whether a retrained detector may replace the one in use, judged on videos that neither has learnt from.

Labels can be wrong. The gate therefore also looks at what earlier labels said, and at repetitions that are called
normal although they differ from the rest of the same lifter's normal ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import appearance_features, blocks_of
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning import training
from pipeline.learning.auroc import auroc
from pipeline.records import LabelledRep, tiou
from pipeline.skelemotion import encode

Doubles = NDArray[np.float64]

_FOLDS = 5
_MOST_ONE_BY_ONE = 10
"""Up to so many videos, each is held out alone; more of them in folds."""
_RESAMPLES = 500
_EVIDENCE = 0.9
"""Share of the resampled sets of videos in which the candidate must be worse to be called worse."""
_MARGIN = 0.1
"""A difference beyond this counts without evidence, if it is of at least two repetitions."""
_LEAST_CONTRADICTED = 3
_UNLIKELY = 0.01
"""As seldom may that many honest repetitions be flagged; calibrated on few labels they are so less often."""

_SUSPECTED = 0.25
"""Share of the normal repetitions, the most unusual ones, that is checked against the rest."""
_CLEARLY = 0.6
_CLEARLY_SHARE = 0.6
"""What was picked for being unusual lies above the rest's threshold by that alone: only a score clearly beyond 0.5
counts, which fewer sound repetitions reach than the nominal false alarms, by this factor."""

_Row = tuple[int, str, bool, float, float]


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may be used, why (one sentence), and the figures that say so.

    doubtful: the videos whose labels should be looked at again, those with most doubtful repetitions first; none where
    nothing is wrong with labels.
    """

    passed: bool
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Judged:
    """Repetitions of unseen videos: which sample each is [N], groups [N], truth (True: anomalous) [N], and both
    detectors' scores [N]."""

    index: NDArray[np.int64]
    groups: NDArray[np.str_]
    truth: NDArray[np.bool_]
    candidate: Doubles
    current: Doubles

    def count(self, wanted: NDArray[np.bool_]) -> Doubles:
        """[V] how many of the wanted repetitions each video has."""
        return np.array([wanted[self.groups == group].sum() for group in np.unique(self.groups)], float)


def judge(
    samples: Sequence[LabelledRep],
    earlier: Sequence[LabelledRep],
    current: Detector,
    base: Detector,
    config: TrainConfig,
    seed: int,
    on_progress: Callable[[float], None] | None = None,
) -> Verdict:
    """Compare what is learnt from `samples` with the detector in use.

    earlier: the labels that `current` was trained on; both are trained anew without each held-out video. Empty for a
    detector that knows no labels of these videos: it judges as it is. Both start from `base`.
    """
    videos = len({sample.group for sample in samples})
    if videos < 2:
        return Verdict(False, "All labels are of one video, which leaves none to judge by. Label a second one.")
    new, old = _unseen(samples, earlier, current, base, config, seed, on_progress)
    changed = _contradicted(samples, earlier)
    contradicted = len(changed)
    figures = _figures(new, "") | {"videos": float(videos), "contradicted": float(contradicted)}
    reasons, doubtful = _reasons(new, base.config.false_alarm_rate, seed), Counter[str]()
    odd = _suspects(samples, new, base, config, seed)
    suspects, remark = len(odd), ""
    figures["suspects"] = float(suspects)
    if contradicted >= _LEAST_CONTRADICTED:
        figures |= _figures(old, "earlier_")
        found = _reasons(old, base.config.false_alarm_rate, seed)
        if found:
            reasons.append(
                f"{contradicted} repetitions that earlier labels call anomalous are called normal, and by those labels "
                + ", ".join(found)
            )
            doubtful.update(changed)
    if _is_unlikely(suspects, int((~new.truth).sum()), _CLEARLY_SHARE * config.detector.false_alarm_rate):
        remark = (
            f"{suspects} repetitions labelled normal look anomalous beside the other normal ones of the same lifter"
        )
        doubtful.update(odd)
        if earlier:
            reasons.append(remark)
    named = tuple(video for video, _ in doubtful.most_common())
    if reasons:
        return Verdict(False, "Not promoted: " + "; ".join(reasons) + ".", figures, named)
    words = f"Not worse on unseen videos: {_in_words(figures)}."
    # Of the very first labels alone, odd ones cannot be told from rare ones: people are told, and decide.
    return Verdict(True, f"{words} But {remark}." if remark else words, figures, named)


def _unseen(
    samples: Sequence[LabelledRep],
    earlier: Sequence[LabelledRep],
    current: Detector,
    base: Detector,
    config: TrainConfig,
    seed: int,
    on_progress: Callable[[float], None] | None,
) -> tuple[_Judged, _Judged]:
    """New and earlier repetitions, each judged by detectors that have not seen its video."""
    new: list[_Row] = []
    old: list[_Row] = []
    folds = _folds(sorted({s.group for s in (*samples, *earlier)}), seed)
    for number, fold in enumerate(folds):
        candidate = _fitted([s for s in samples if s.group not in fold], base, config, seed)
        rival = _fitted([s for s in earlier if s.group not in fold], base, config, seed) if earlier else current
        new += _rows(samples, fold, candidate, rival)
        old += _rows(earlier, fold, candidate, rival)
        if on_progress is not None:
            on_progress((number + 1) / len(folds))
    return _judged(new), _judged(old)


def _rows(samples: Sequence[LabelledRep], fold: Set[str], candidate: Detector, rival: Detector) -> Iterator[_Row]:
    """The repetitions of the fold's videos that both detectors can judge, video by video."""
    for group in sorted(fold):
        mine = [index for index, sample in enumerate(samples) if sample.group == group]
        if mine:
            reps = [samples[index].rep for index in mine]
            ours, theirs = (one.score(samples[mine[0]].pose, reps) for one in (candidate, rival))
            for index, a, b in zip(mine, ours, theirs, strict=True):
                if a.reliable and b.reliable:
                    yield index, group, samples[index].label == "anomalous", a.score, b.score


def _judged(rows: Sequence[_Row]) -> _Judged:
    return _Judged(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.str_),
        np.array([row[2] for row in rows], dtype=bool),
        np.array([row[3] for row in rows], dtype=float),
        np.array([row[4] for row in rows], dtype=float),
    )


def _folds(videos: Sequence[str], seed: int) -> list[set[str]]:
    order = np.random.default_rng(seed).permutation(len(videos))
    count = len(videos) if len(videos) <= _MOST_ONE_BY_ONE else _FOLDS
    return [{videos[i] for i in order[first::count]} for first in range(count)]


def _fitted(samples: Sequence[LabelledRep], base: Detector, config: TrainConfig, seed: int) -> Detector:
    """What is learnt from these samples: nothing where they are too few."""
    try:
        return training.train(samples, config, seed, base=base)[0]
    except DatasetError:
        return base


def _figures(judged: _Judged, prefix: str) -> dict[str, float]:
    figures = {"normals": float((~judged.truth).sum()), "anomalies": float(judged.truth.sum())}
    for name, scores in (("candidate", judged.candidate), ("current", judged.current)):
        if (~judged.truth).any():
            figures[f"{name}_false_alarms"] = float((scores[~judged.truth] >= 0.5).mean())
        if judged.truth.any():
            figures[f"{name}_misses"] = float((scores[judged.truth] < 0.5).mean())
        if judged.truth.any() and (~judged.truth).any():
            figures[f"{name}_auroc"] = auroc(scores[~judged.truth], scores[judged.truth])
    return {prefix + name: round(value, 4) for name, value in figures.items()}


def _in_words(figures: dict[str, float]) -> str:
    words = []
    for name, label in (("false_alarms", "false alarms"), ("misses", "misses"), ("auroc", "AUROC")):
        if f"candidate_{name}" in figures:
            before, after = figures[f"current_{name}"], figures[f"candidate_{name}"]
            words.append(f"{label} {before:.2f} -> {after:.2f}")
    return ", ".join(words) or "no repetition could be judged"


def _reasons(judged: _Judged, rate: float, seed: int) -> list[str]:
    """In which respects the candidate is worse.

    False alarms up to the nominal `rate` are what a detector is made for. More misses are worse unless false alarms
    fall by as much.
    """
    normal, odd = ~judged.truth, judged.truth
    if not normal.any():
        return ["no normal repetition of an unseen video could be judged"]
    figures = _figures(judged, "")
    videos = len(np.unique(judged.groups))
    draws = np.random.default_rng(seed).integers(videos, size=(_RESAMPLES, videos))
    normals, alarms = judged.count(normal), _net(judged, normal)
    reasons = []
    extra = float(alarms.sum())
    above = figures["candidate_false_alarms"] > rate
    if above and _is_worse(extra, extra / normals.sum(), _ratio(alarms, normals, draws)):
        before, after = figures["current_false_alarms"], figures["candidate_false_alarms"]
        reasons.append(f"false alarms rise from {before:.0%} to {after:.0%}")
    if not odd.any():
        return reasons
    odds, misses = judged.count(odd), -_net(judged, odd)
    change = (extra / normals.sum() + misses.sum() / odds.sum()) / 2
    resampled = (_ratio(alarms, normals, draws) + _ratio(misses, odds, draws)) / 2
    if misses.sum() > 0 and _is_worse(float(misses.sum()), float(change), resampled):
        missed = int((judged.candidate[odd] < 0.5).sum())
        before = int((judged.current[odd] < 0.5).sum())
        reasons.append(f"{missed} of {int(odd.sum())} anomalies are missed, {before} were before")
    loss = figures["current_auroc"] - figures["candidate_auroc"]
    if _is_worse(2.0, loss, _auroc_losses(judged, draws)):
        before, after = figures["current_auroc"], figures["candidate_auroc"]
        reasons.append(f"AUROC falls from {before:.2f} to {after:.2f}")
    return reasons


def _net(judged: _Judged, wanted: NDArray[np.bool_]) -> Doubles:
    """[V] how many more of the wanted repetitions the candidate flags."""
    more = judged.count(wanted & (judged.candidate >= 0.5)) - judged.count(wanted & (judged.current >= 0.5))
    return np.asarray(more, float)


def _ratio(part: Doubles, whole: Doubles, draws: NDArray[np.int64]) -> Doubles:
    """[B] the pooled ratio in each resampled set of videos, NaN where nothing was drawn."""
    wholes = whole[draws].sum(axis=1)
    return np.asarray(np.where(wholes > 0, part[draws].sum(axis=1) / np.maximum(wholes, 1), np.nan))


def _auroc_losses(judged: _Judged, draws: NDArray[np.int64]) -> Doubles:
    names = np.unique(judged.groups)
    rows = [np.flatnonzero(judged.groups == name) for name in names]
    losses = []
    for draw in draws:
        chosen = np.concatenate([rows[i] for i in draw])
        truth = judged.truth[chosen]
        if truth.all() or not truth.any():
            continue
        values = [auroc(s[chosen][~truth], s[chosen][truth]) for s in (judged.current, judged.candidate)]
        losses.append(values[0] - values[1])
    return np.array(losses, float)


def _is_worse(count: float, change: float, resampled: Doubles) -> bool:
    """Whether a change for the worse is more than luck: paired bootstrap over videos, or too large to wait for it."""
    known = resampled[np.isfinite(resampled)]
    if change <= 0:
        return False
    return bool((len(known) and (known > 0).mean() >= _EVIDENCE) or (change > _MARGIN and count >= 2))


def _contradicted(samples: Sequence[LabelledRep], earlier: Sequence[LabelledRep]) -> list[str]:
    """The video of every repetition that was anomalous by the earlier labels and is normal by the new ones."""
    return [
        old.group
        for old in earlier
        if old.label == "anomalous"
        and any(new.group == old.group and new.label == "normal" and tiou(new.rep, old.rep) > 0.5 for new in samples)
    ]


def _suspects(
    samples: Sequence[LabelledRep], judged: _Judged, base: Detector, config: TrainConfig, seed: int
) -> list[str]:
    """The video of every repetition labelled normal that is far from the other normal ones of its lifter.

    The most unusual ones by a detector that has not seen their video are set aside, and judged by what is learnt from
    the rest: honest ones mostly turn out normal. A lifter or camera of whom too little is left is not judged.
    """
    normal = ~judged.truth
    most = int(_SUSPECTED * normal.sum())
    order = judged.index[normal][np.argsort(-judged.candidate[normal], kind="stable")]
    aside = sorted(int(index) for index in order[:most])
    rest = [s for i, s in enumerate(samples) if s.label == "normal" and i not in set(aside)]
    if not aside:
        return []
    clean = _fitted(rest, base, config, seed)
    found: list[str] = []
    for group in dict.fromkeys(samples[i].group for i in aside):
        mine = [samples[i] for i in aside if samples[i].group == group]
        reps = [sample.rep for sample in mine]
        images = np.stack([encode(mine[0].pose, rep, clean.config.encode).image for rep in reps])
        if clean.reference_of(np.median(appearance_features(blocks_of(images)), axis=0)) is not None:
            scores = clean.score(mine[0].pose, reps)
            found += [group for one in scores if one.reliable and one.score >= _CLEARLY]
    return found


def _is_unlikely(found: int, of: int, rate: float) -> bool:
    from scipy import stats

    return found > 0 and of > 0 and float(stats.binom.sf(found - 1, of, rate)) < _UNLIKELY
