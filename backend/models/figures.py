"""What a model was judged by, with how many repetitions and how sure that makes it; a verdict that claims no more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from backend.models.found_words import found_words, unjudged_words
from backend.models.registry import BASE, Registry, Version
from pipeline.anomaly.versions import percent
from pipeline.counts import counted
from pipeline.learning.rates import are_enough
from pipeline.records import DECISION

Kind = Literal["better", "not-worse", "same", "too-few", "refused", "chosen", "start"]

VERDICTS: dict[Kind, str] = {
    "better": "better",
    "not-worse": "not worse, not shown to be better",
    "same": "no difference seen",
    "too-few": "too few to tell",
    "refused": "not promoted",
    "chosen": "chosen by a person",
    "start": "the beginning",
}
_AUROC = "AUROC"
TITLES = {"false_alarms": "False alarms", "misses": "Missed anomalies", "auroc": _AUROC}
"""What figures are called, by their stored names."""
_BETTER_IN = {
    TITLES["false_alarms"]: "leaving good repetitions alone",
    TITLES["misses"]: "finding faults",
    _AUROC: "telling faulty from good repetitions (AUROC)",
}
JUDGED = "Each video judged by models made without it"
"""What figures and rates of false alarms are of, in words."""
TWO_COUNTS = (
    "False alarms are counted in two ways: among the figures every normal repetition weighs the same, in the table of "
    "rates every video does, however many repetitions it has. So the two shares may differ."
)
OF_ITS_OWN_LABELS = (
    "Each verdict is by the labels of its own training and at its nominal rate of false alarms, and so is what it says "
    "of the model before: the numbers in one of them compare, those in different ones do not."
)
_START = "What every project starts with."
_EARLIER = "earlier_"
_CHANCE = 0.5
"""The AUROC of scores that say nothing."""
_MOST_POINTS = 200
_Z = 1.96
"""Of an interval that holds the true value with a probability of 95 %."""


@dataclass(frozen=True)
class Rate:
    """A rate or an AUROC, 0..1, and the interval that holds its true value with a probability of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One figure of the new model (candidate) and of the one that was in use then (current), on unseen videos.

    of: what it is a share of, in words; n: how many those are. lower_is_better: of the two.
    """

    title: str
    n: int
    of: str
    candidate: Rate
    current: Rate
    lower_is_better: bool

    @property
    def is_better(self) -> bool:
        """Whether the intervals lie apart, with the new model on the better side."""
        if self.lower_is_better:
            return self.candidate.high < self.current.low
        return self.candidate.low > self.current.high


@dataclass(frozen=True)
class Verdict:
    """What can be said about a model: in a word, and in a sentence or two."""

    kind: Kind
    words: str


@dataclass(frozen=True)
class CurvePoint:
    """False alarms and recall, 0..1, where repetitions from this score on are called anomalous."""

    threshold: float
    false_alarms: float
    recall: float


@dataclass(frozen=True)
class Curve:
    """False alarms against recall of scores that were given before people labelled. points: by falling threshold, so
    many as can be told apart. decision: where repetitions are called anomalous now."""

    normals: int
    anomalies: int
    points: tuple[CurvePoint, ...]
    decision: CurvePoint

    @property
    def is_enough(self) -> bool:
        """Whether there are repetitions enough to tell anything by it."""
        return are_enough(self.normals, self.anomalies)


def share(count: float, n: int) -> Rate:
    """A rate of n repetitions with Wilson's interval; all of 0..1 where there are none."""
    if n <= 0:
        return Rate(0.0, 0.0, 1.0)
    value, spread = count / n, _Z * _Z / n
    middle = (value + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(value * (1 - value) / n + spread / (4 * n)) / (1 + spread)
    return Rate(value, max(0.0, min(value, middle - half)), min(1.0, max(value, middle + half)))


def area(value: float, normals: int, anomalies: int) -> Rate:
    """An AUROC with the interval of Hanley and McNeil; where it is 0 or 1, which has none, that of a share of the
    smaller group."""
    if min(normals, anomalies) <= 0:
        return Rate(value, 0.0, 1.0)
    if value in (0.0, 1.0):
        return share(value * min(normals, anomalies), min(normals, anomalies))
    square = value * value
    one, two = value / (2 - value), 2 * square / (1 + value)
    variance = value * (1 - value) + (anomalies - 1) * (one - square) + (normals - 1) * (two - square)
    half = _Z * math.sqrt(max(0.0, variance) / (normals * anomalies))
    return Rate(value, max(0.0, value - half), min(1.0, value + half))


def learnt_words(run: Mapping[str, Any]) -> str:
    """The normal repetitions that a model has learnt from, such as "21 normal repetitions of 4 videos, without 2 that
    could not be judged"; "" where that is not stored."""
    labels, metrics = run.get("labels") or {}, run.get("metrics") or {}
    if "normal" not in labels:
        return ""
    learnt = metrics.get("normals", labels["normal"])
    count, left = counted(learnt, "normal repetition"), labels["normal"] - learnt
    count = f"{count} of {counted(metrics['videos'], 'video')}" if "videos" in metrics else count
    return f"{count}, without {left} that could not be judged" if left > 0 else count


def judged_words(run: Mapping[str, Any]) -> str:
    """The anomalous repetitions that a model was judged with, such as "14 anomalous repetitions of 5 videos"; ""
    where that is not stored, and without any."""
    labels = run.get("labels") or {}
    if not labels.get("anomalous"):
        return ""
    count, videos = counted(labels["anomalous"], "anomalous repetition"), labels.get("anomalous_videos")
    return count if videos is None else f"{count} of {counted(videos, 'video')}"


def confirmed_words(run: Mapping[str, Any]) -> str:
    """How many of the repetitions that people called anomalous a model flags as it is, also in videos that it has
    learnt from, while its figures are of models made without each video; "" where that is not stored, and where there
    are none."""
    kept = run.get("confirmed") or {}
    if not kept.get("anomalous"):
        return ""
    of = counted(kept["anomalous"], "repetition")
    flagged = f"it flags {kept['flagged']} (before: {kept['flagged_before']})"
    gate = run.get("gate") or {}
    at = at_rate_words(gate)
    said = f"As it is, made of these videos as well{at}: of {of} that people called anomalous {flagged}."
    if learnt := kept.get("learnt_as_normal"):
        said += f" The one before had learnt {learnt} of them as normal."
    return said


def at_rate_words(gate: Mapping[str, Any]) -> str:
    """The nominal rate of a stored verdict, such as ", at a nominal rate of false alarms of 5 %"; "" where that is not
    stored."""
    rate = gate.get("rate")
    return "" if rate is None else f", at a nominal rate of false alarms of {percent(rate)} %"


def figures_of(gate: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The figures that a stored verdict has, on the new labels."""
    return _figures(gate.get("figures") or {})


def earlier_figures_of(gate: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Those by the earlier labels, of a verdict on new ones that contradict them; () where they do not."""
    every: Mapping[str, float] = gate.get("figures") or {}
    return _figures({name.removeprefix(_EARLIER): every[name] for name in every if name.startswith(_EARLIER)})


def _figures(stored: Mapping[str, float]) -> tuple[Figure, ...]:
    normals, anomalies = int(stored.get("normals", 0)), int(stored.get("anomalies", 0))
    every = f"repetitions ({normals} normal, {anomalies} anomalous)"
    kinds = (
        ("false_alarms", normals, "normal repetitions", lambda value: share(value * normals, normals)),
        ("misses", anomalies, "anomalous repetitions", lambda value: share(value * anomalies, anomalies)),
        ("auroc", normals + anomalies, every, lambda value: area(value, normals, anomalies)),
    )
    found = []
    for name, n, of, rate_of in kinds:
        keys = f"candidate_{name}", f"current_{name}"
        if all(stored.get(key) is not None for key in keys):
            new, old = (_widened(rate_of(stored[key]), stored, key) for key in keys)
            found.append(Figure(TITLES[name], n, of, new, old, lower_is_better=name != "auroc"))
    return tuple(found)


def _widened(rate: Rate, stored: Mapping[str, float], name: str) -> Rate:
    """The interval up to the ends of that over resampled videos, which models of earlier releases have not: repetitions
    of one video resemble each other, and few videos are resampled to few values."""
    low, high = stored.get(f"{name}_low", rate.low), stored.get(f"{name}_high", rate.high)
    return Rate(rate.value, min(rate.low, low), max(rate.high, high))


def chance_words(gate: Mapping[str, Any]) -> str:
    """That a model is not shown to tell anomalous from normal repetitions, where its AUROC may be that of guesses or is
    lower; "" otherwise."""
    for figure in figures_of(gate):
        auroc = figure.candidate
        if figure.title == _AUROC and auroc.low <= _CHANCE:
            told = f"AUROC {auroc.value:.2f}, {auroc.low:.2f} to {auroc.high:.2f}"
            if auroc.high < _CHANCE:
                return f"It tells anomalous from normal repetitions worse than chance would ({told})."
            return f"It is not shown to tell anomalous from normal repetitions better than chance would ({told})."
    return ""


def verdict_in(registry: Registry, project: int, version: Version) -> Verdict:
    """What can be said of a model of a project, or of its base."""
    if version.name == BASE:
        return Verdict("start", _START)
    was_used = version.name in registry.history(project)
    verdict = verdict_of(version.gate, was_used, version.run.get("labels") or {})
    judged_at, now = version.gate.get("rate"), registry.rate(project) or registry.own_rate(version.model)
    if judged_at is None or judged_at == now:
        return verdict
    at = f"{percent(judged_at)} %{'' if now is None else f', not the {percent(now)} % of now'}"
    return replace(verdict, words=f"{verdict.words} All of that at a nominal rate of false alarms of {at}.")


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What else figures of two models may differ by, from what their trainings stored: such as "different labels and
    different nominal rates of false alarms"; "" for nothing."""
    rates = ((run.get("gate") or {}).get("rate") for run in (one, other))
    found = {
        "labels": one.get("label_digest") != other.get("label_digest"),
        "nominal rates of false alarms": len(set(rates)) > 1,
        "settings for poses (POSE_ENGINE)": one.get("config") != other.get("config"),
    }
    return " and ".join(f"different {kind}" for kind, differs in found.items() if differs)


def in_a_line(verdict: Verdict) -> str:
    """A verdict where there is no badge beside it: only the words of a refusal need that."""
    return f"{VERDICTS['refused'].capitalize()}: {verdict.words}" if verdict.kind == "refused" else verdict.words


def verdict_of(
    gate: Mapping[str, Any], was_used: bool = False, labels: Mapping[str, Any] = MappingProxyType({})
) -> Verdict:
    """What can be said of a model by its stored verdict. That it passed means that nothing spoke against it.

    was_used: whether it is or was in use. One that did not pass is so only where a person put it there. labels: how
    many repetitions people labelled, as the run stored it; empty where that is not known.
    """
    stored: Mapping[str, float] = gate.get("figures") or {}
    reason = str(gate.get("reason", "")).removeprefix("Not promoted: ")
    if not gate.get("passed"):
        unjudged = unjudged_words(stored, labels)
        if was_used:
            return Verdict("chosen", f"A person put it in use.{f' Against it: {reason}' if reason else ''}{unjudged}")
        # What is worse alone would hide what is better.
        both = f" {found_words(stored, labels)}." if figures_of(gate) else ""
        return Verdict("refused", reason[:1].upper() + reason[1:] + both + unjudged)
    normals, anomalies = int(stored.get("normals", 0)), int(stored.get("anomalies", 0))
    remark = gate.get("remark", reason.partition(" But ")[2])  # in one text with the reason in earlier releases
    but = f" But {remark[:1].lower()}{remark[1:]}" if remark else ""
    doubt = f" {chance}" if (chance := chance_words(gate)) else ""
    more = f"{unjudged_words(stored, labels)}{but}{doubt}"
    judged = found_words(stored, labels)
    figures = figures_of(gate)
    if not are_enough(normals, anomalies):
        return Verdict("too-few", f"{judged}: too few to tell, and no figure speaks against it.{more}")
    better = [_BETTER_IN[figure.title] for figure in figures if figure.is_better]
    if better:
        return Verdict("better", f"{judged}: better in {', '.join(better)}, beyond what chance explains.{more}")
    if all(figure.candidate.value == figure.current.value for figure in figures):
        return Verdict("same", f"{judged}: every figure is the same as before.{more}")
    return Verdict("not-worse", f"{judged}: not worse, the differences are no larger than chance explains.{more}")


def curve(scored: Iterable[tuple[float, bool]]) -> Curve | None:
    """The curve of (score, whether a person called it anomalous); None without both kinds."""
    ordered = sorted(scored, reverse=True)
    anomalies = sum(is_anomalous for _, is_anomalous in ordered)
    normals = len(ordered) - anomalies
    if not (normals and anomalies):
        return None
    points = [CurvePoint(1.0, 0.0, 0.0)]
    alarms = found = 0
    for index, (score, is_anomalous) in enumerate(ordered):
        found, alarms = found + is_anomalous, alarms + (not is_anomalous)
        if index + 1 == len(ordered) or ordered[index + 1][0] != score:
            points.append(CurvePoint(score, alarms / normals, found / anomalies))
    flagged = [is_anomalous for score, is_anomalous in ordered if score >= DECISION]
    decision = CurvePoint(DECISION, flagged.count(False) / normals, flagged.count(True) / anomalies)
    step = -(-len(points) // _MOST_POINTS)
    thinned = [point for index, point in enumerate(points) if index % step == 0 or index == len(points) - 1]
    return Curve(normals, anomalies, tuple(thinned), decision)
