"""Whether a retrained detector (the candidate) may replace the one in use, judged on videos new to both.

It may unless it is worse: by false alarms, missed anomalies or AUROC. Labels can be wrong, and a detector that has
learnt from wrong ones is not worse by them. The gate therefore also judges by the earlier labels, where new ones
contradict them, and searches for repetitions labelled normal that differ from the lifter's other normal ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.detector import Detector
from pipeline.anomaly.methods import quarters_of
from pipeline.errors import DatasetError
from pipeline.learning import mislabelled, training
from pipeline.learning.auroc import auroc
from pipeline.learning.rates import RATES, UnseenAtRate, are_enough, unseen_at_rates
from pipeline.records import DECISION, LabelledRep, is_same_rep

Doubles = NDArray[np.float64]

# Of each quarter, so many parts are held out one after the other: up to twelve videos, each is held out alone. Whole
# quarters left too little to learn from: of 19 labelled clips (25 faulty repetitions) in one order, models without a
# quarter missed 16 faults, models without a video 6, and without a twelfth 6 as well. Of more than `_MANY` videos a
# quarter leaves enough, and twelve folds would take minutes.
_PARTS = 3
_MANY = 48
# A difference counts where the candidate is worse in this share of resampled sets of videos, or where it is larger than
# the margin and of two repetitions or more.
_RESAMPLES = 500
_EVIDENCE = 0.9
_MARGIN = 0.1
# The number of labels contradicted from which the gate also judges by the earlier labels.
_LEAST_CONTRADICTED = 3

_Row = tuple[str, bool, float, float, tuple[float, ...]]
"""A repetition: video, whether it is anomalous, scores of the candidate and of the current one, scores of the candidate
at each of several rates of false alarms."""


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may be used, and the figures that it was judged by.

    reason: why it may not, in a sentence or two. remark: what people should know of labels though it may; "" for
    nothing. given_up: the repetitions that earlier labels call anomalous and new ones normal, where they are many
    enough to tell. doubtful: the videos whose labels should be checked, those with most doubtful repetitions first;
    empty where nothing seems wrong with labels. rates: what the candidate does at several nominal rates of false
    alarms, that by which it was judged among them.
    """

    passed: bool
    reason: str = ""
    remark: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    given_up: tuple[LabelledRep, ...] = ()
    doubtful: tuple[str, ...] = ()
    rates: tuple[UnseenAtRate, ...] = ()


@dataclass(frozen=True)
class _UnseenScores:
    """Scores of N repetitions by detectors that have not learnt from their videos.

    groups: [N] their V different videos. truth: [N] by labels, True is anomalous. candidate, current: [N] scores 0..1
    of the two detectors. at_rates: [N, R] those of the candidate at several nominal rates of false alarms.
    """

    groups: NDArray[np.str_]
    truth: NDArray[np.bool_]
    candidate: Doubles
    current: Doubles
    at_rates: Doubles

    def count(self, wanted: NDArray[np.bool_]) -> Doubles:
        """[V] how many of the wanted repetitions [N] each video has."""
        return np.array([wanted[self.groups == group].sum() for group in np.unique(self.groups)], float)

    def more_flagged(self, wanted: NDArray[np.bool_]) -> Doubles:
        """[V] how many more of the wanted repetitions [N] of each video the candidate flags."""
        return self.count(wanted & (self.candidate >= DECISION)) - self.count(wanted & (self.current >= DECISION))


def judge(
    samples: Sequence[LabelledRep],
    earlier: Sequence[LabelledRep],
    current: Detector,
    candidate: training.Fit,
    on_progress: Callable[[float], None] | None = None,
    rate: float | None = None,
    newest: Sequence[LabelledRep] = (),
) -> Verdict:
    """Compare what is learnt from `samples` with the detector in use.

    Args:
        samples: labelled repetitions that the candidate is trained on.
        earlier: those that `current` was trained on. Both detectors are made without each held-out video.
            Empty for a detector that knows no labels of these videos, which judges as it is.
        current: the detector in use.
        candidate: what was learnt from the samples. Its seed is also that of resampling: equal input and seed give an
            equal verdict.
        on_progress: called with the share 0..1 of the folds that are done; what it raises ends the comparison.
        rate: the nominal rate of false alarms, 0..1, that both are judged at; that of the base by default.
        newest: those of the newest detector that was made of labels, in use or not: what new labels contradict of them
            is told as well.

    Returns:
        The verdict. Labels of a single video never pass.
    """
    videos = len({sample.group for sample in samples})
    if videos < 2:
        return Verdict(False, "All labels are of one video, which leaves none to judge by. Label a second one.")
    base, seed = candidate.base, candidate.seed
    rate = base.config.false_alarm_rate if rate is None else rate
    rates = tuple(sorted({*RATES, rate}))
    new, old = _unseen(samples, earlier, current, candidate, (rate, *rates), on_progress)
    at_rates = unseen_at_rates(rates, new.at_rates.T >= DECISION, new.truth, new.groups)
    contradicted = _relabelled(samples, earlier)
    suspects = mislabelled.search(candidate)
    figures = _figures(new, seed) | {
        "videos": float(videos),
        "contradicted": float(len(contradicted)),
        "suspects": float(len(suspects.rows)),
    }
    reasons, doubtful = _reasons(new, rate, seed), Counter[str]()
    if len(contradicted) >= _LEAST_CONTRADICTED:
        figures |= {f"earlier_{name}": value for name, value in _figures(old, seed).items()}
        if worse := _reasons(old, rate, seed):
            reasons.append("by the earlier labels " + ", ".join(worse))
    remarks = []
    given_up = max(contradicted, _relabelled(samples, newest), key=len)
    if len(given_up) < _LEAST_CONTRADICTED:
        given_up = []
    if given_up:
        # A detector that has learnt them calls them normal too, so that no figure shows what it would no longer find.
        remarks.append(f"{len(given_up)} repetitions that earlier labels call anomalous are called normal")
        doubtful.update(one.group for one in given_up)
    if suspects.is_more_than_chance:
        look = "look anomalous beside the other normal ones of the same lifter"
        # Without earlier labels a rare lift cannot be distinguished from a fault: people get a remark, and decide.
        (reasons if earlier else remarks).append(f"{len(suspects.rows)} repetitions labelled normal {look}")
        doubtful.update(suspects.videos)
    most_first = tuple(video for video, _ in doubtful.most_common())
    if reasons:
        few = "" if _are_enough(figures) else f" That is by few of unseen videos: {_counts(figures)}."
        why = "; ".join([*reasons, *remarks])
        return Verdict(False, f"{why}.{few}", "", figures, tuple(given_up), most_first, at_rates)
    remark = f"{', and '.join(remarks)}." if remarks else ""
    return Verdict(True, "", remark, figures, tuple(given_up), most_first, at_rates)


def _unseen(
    samples: Sequence[LabelledRep],
    earlier: Sequence[LabelledRep],
    current: Detector,
    candidate: training.Fit,
    rates: Sequence[float],
    on_progress: Callable[[float], None] | None,
) -> tuple[_UnseenScores, _UnseenScores]:
    """Scores of the new and of the earlier repetitions, each by detectors that have not learnt from its video.

    rates: first the one that both detectors are judged at, then those that the candidate is shown at.
    """
    new: list[_Row] = []
    old: list[_Row] = []
    quarters = quarters_of([sample.group for sample in (*samples, *earlier)], candidate.quarters)
    rival = _learnt(earlier, candidate, quarters) if earlier else None
    folds = _folds(quarters)
    for number, fold in enumerate(folds):
        theirs = current if not earlier else candidate.base if rival is None else rival.without(fold)
        ours = candidate.without(fold)
        new += _rows(samples, fold, ours, theirs, rates)
        old += _rows(earlier, fold, ours, theirs, rates)
        if on_progress is not None:
            on_progress((number + 1) / len(folds))
    return _in_columns(new, len(rates) - 1), _in_columns(old, len(rates) - 1)


def _rows(
    samples: Sequence[LabelledRep], fold: Set[str], candidate: Detector, rival: Detector, rates: Sequence[float]
) -> Iterator[_Row]:
    """The repetitions of the fold's videos that both detectors can judge, video by video."""
    for group in sorted(fold):
        mine = [index for index, sample in enumerate(samples) if sample.group == group]
        if mine:
            pose, reps = samples[mine[0]].pose, [samples[index].rep for index in mine]
            ours, *others = candidate.score_at(rates, pose, reps)
            (theirs,) = rival.score_at(rates[:1], pose, reps)
            for index, a, b, *at in zip(mine, ours, theirs, *others, strict=True):
                if a.reliable and b.reliable:
                    is_odd = samples[index].label == "anomalous"
                    yield group, is_odd, a.score, b.score, tuple(one.score for one in at)


def _in_columns(rows: Sequence[_Row], rates: int) -> _UnseenScores:
    return _UnseenScores(
        np.array([row[0] for row in rows], dtype=np.str_),
        np.array([row[1] for row in rows], dtype=bool),
        np.array([row[2] for row in rows], dtype=float),
        np.array([row[3] for row in rows], dtype=float),
        np.array([row[4] for row in rows], dtype=float).reshape(len(rows), rates),
    )


def _folds(quarters: Mapping[str, int]) -> list[set[str]]:
    """The videos that are held out together: of one quarter, so that a part of what was learnt knows none of them."""
    of_quarter = defaultdict[int, list[str]](list)
    for video, quarter in quarters.items():
        of_quarter[quarter].append(video)
    count = _PARTS if len(quarters) <= _MANY else 1
    parts = (videos[part::count] for videos in of_quarter.values() for part in range(count))
    return [set(videos) for videos in parts if videos]


def _learnt(samples: Sequence[LabelledRep], like: training.Fit, quarters: Mapping[str, int]) -> training.Fit | None:
    """What is learnt from other samples in the same way; None where they are too few."""
    try:
        return training.fit(samples, like.base, like.config, like.seed, quarters=quarters)
    except DatasetError:
        return None


def _figures(scores: _UnseenScores, seed: int) -> dict[str, float]:
    """How many repetitions there are, and rates of either detector as far as there are any; of each rate the ends (low,
    high) of the interval that holds it in 95 % of resampled sets of videos. To four digits."""
    odd, figures = scores.truth, {"normals": float((~scores.truth).sum()), "anomalies": float(scores.truth.sum())}
    resampled = _resampled(scores, _draws(scores, seed))
    for name, values in (("candidate", scores.candidate), ("current", scores.current)):
        found = defaultdict[str, list[float]](list)
        for rows in resampled:
            for rate, value in _rates(odd[rows], values[rows]).items():
                found[rate].append(value)
        for rate, value in _rates(odd, values).items():
            low, high = np.quantile(found[rate] or [value], [0.025, 0.975])
            figures |= {f"{name}_{rate}": value, f"{name}_{rate}_low": float(low), f"{name}_{rate}_high": float(high)}
    return {name: round(value, 4) for name, value in figures.items()}


def _rates(odd: NDArray[np.bool_], scores: Doubles) -> dict[str, float]:
    """The rates of a detector by the scores [N] of repetitions that are anomalous, or not; as far as there are any."""
    rates = {}
    if not odd.all():
        rates["false_alarms"] = float((scores[~odd] >= DECISION).mean())
    if odd.any():
        rates["misses"] = float((scores[odd] < DECISION).mean())
    if odd.any() and not odd.all():
        rates["auroc"] = auroc(scores[~odd], scores[odd])
    return rates


def _draws(scores: _UnseenScores, seed: int) -> NDArray[np.int64]:
    """[B, V] the videos of each resampled set, as numbers of the V that there are."""
    videos = len(np.unique(scores.groups))
    return np.random.default_rng(seed).integers(videos, size=(_RESAMPLES if videos else 0, videos))


def _resampled(scores: _UnseenScores, draws: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """The repetitions of each resampled set of videos (draws [B, V])."""
    rows = [np.flatnonzero(scores.groups == name) for name in np.unique(scores.groups)]
    return [np.concatenate([rows[video] for video in draw]) for draw in draws]


def _are_enough(figures: dict[str, float]) -> bool:
    return are_enough(figures["normals"], figures["anomalies"])


def _counts(figures: dict[str, float]) -> str:
    return f"{figures['normals']:.0f} normal and {figures['anomalies']:.0f} anomalous repetitions"


def _reasons(scores: _UnseenScores, rate: float, seed: int) -> list[str]:
    """In which respects the candidate is worse, in words. rate: the nominal rate of false alarms."""
    if scores.truth.all():
        return ["no normal repetition of an unseen video could be judged"]
    draws = _draws(scores, seed)
    found = [_more_false_alarms(scores, rate, draws)]
    if scores.truth.any():
        found += [_more_misses(scores, draws), _lower_auroc(scores, draws)]
    return [reason for reason in found if reason]


def _more_false_alarms(scores: _UnseenScores, rate: float, draws: NDArray[np.int64]) -> str | None:
    """False alarms up to the nominal rate are what a detector is made for, and no reason."""
    normal = ~scores.truth
    before, after = (float((values[normal] >= DECISION).mean()) for values in (scores.current, scores.candidate))
    alarms, normals = scores.more_flagged(normal), scores.count(normal)
    extra = float(alarms.sum())
    if after > rate and _is_worse(extra, extra / normals.sum(), _ratio(alarms, normals, draws)):
        return f"false alarms rise from {before:.0%} to {after:.0%}"
    return None


def _more_misses(scores: _UnseenScores, draws: NDArray[np.int64]) -> str | None:
    """More misses are a reason unless false alarms fall by as much: it is the mean of both changes that counts."""
    odd, normal = scores.truth, ~scores.truth
    alarms, normals = scores.more_flagged(normal), scores.count(normal)
    misses, odds = -scores.more_flagged(odd), scores.count(odd)
    change = float(alarms.sum() / normals.sum() + misses.sum() / odds.sum()) / 2
    resampled = (_ratio(alarms, normals, draws) + _ratio(misses, odds, draws)) / 2
    if misses.sum() > 0 and _is_worse(float(misses.sum()), change, resampled):
        after, before = (int((values[odd] < DECISION).sum()) for values in (scores.candidate, scores.current))
        return f"{after} of {int(odd.sum())} faulty repetitions are not found, {before} were not before"
    return None


def _lower_auroc(scores: _UnseenScores, draws: NDArray[np.int64]) -> str | None:
    before, after = _aurocs(scores, np.arange(len(scores.truth)))
    sets = [rows for rows in _resampled(scores, draws) if len(np.unique(scores.truth[rows])) == 2]
    losses = [was - is_now for was, is_now in (_aurocs(scores, rows) for rows in sets)]
    if _is_worse(2.0, before - after, np.array(losses, float)):
        return f"it tells faulty from good repetitions less well (AUROC {after:.2f}, before: {before:.2f})"
    return None


def _ratio(part: Doubles, whole: Doubles, draws: NDArray[np.int64]) -> Doubles:
    """[B] the sum of `part` [V] over that of `whole` [V] in each resampled set of videos (draws [B, V]), NaN where the
    latter is 0."""
    wholes = whole[draws].sum(axis=1)
    return np.asarray(np.where(wholes > 0, part[draws].sum(axis=1) / np.maximum(wholes, 1), np.nan))


def _aurocs(scores: _UnseenScores, rows: NDArray[np.intp]) -> tuple[float, float]:
    """The AUROC of the current detector and of the candidate on some repetitions of both labels."""
    odd = scores.truth[rows]
    current, candidate = (auroc(values[rows][~odd], values[rows][odd]) for values in (scores.current, scores.candidate))
    return current, candidate


def _is_worse(count: float, change: float, resampled: Doubles) -> bool:
    """Whether a change for the worse, of `count` repetitions, is more than luck.

    It is by a paired bootstrap over videos (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): in most
    resampled sets the change is for the worse. A large change of several repetitions counts without that.
    """
    if change <= 0:
        return False
    known = resampled[np.isfinite(resampled)]
    return bool((len(known) and (known > 0).mean() >= _EVIDENCE) or (change > _MARGIN and count >= 2))


def _relabelled(samples: Sequence[LabelledRep], earlier: Sequence[LabelledRep]) -> list[LabelledRep]:
    """The repetitions that were anomalous by the earlier labels and are normal by the new ones."""
    return [
        old
        for old in earlier
        if old.label == "anomalous"
        and any(new.group == old.group and new.label == "normal" and is_same_rep(new.rep, old.rep) for new in samples)
    ]
