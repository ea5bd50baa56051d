"""What people did with predictions: repetitions that they accepted, moved, relabelled, added and removed; and how far
two people who labelled one video agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from backend.storage.annotation_json import AnnotationSource
from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import Annotation, LabelledRegion
from backend.storage.summaries import RepSummary
from pipeline.records import tiou

Kind = Literal["accepted", "moved", "relabelled", "added", "removed"]
KINDS: tuple[Kind, ...] = ("accepted", "moved", "relabelled", "added", "removed")

_MOVED_S = 0.1
"""Predicted boundaries are rounded to frames. One that differs by more than this was moved by a person."""
_SAME_TIOU = 0.1
"""A region without the id of a predicted one is that one still where they overlap by more than this."""
_AGREE_TIOU = 0.5
_SHORT_S = 0.5
_LONG_S = 20.0


@dataclass(frozen=True)
class Correction:
    """A repetition of an annotation beside the predicted one, or one of the two alone.

    version: of the model that predicted, "" where no prediction is known. number: of the predicted repetition, counted
    from 1, 0 for none. start_s, end_s: as the person left it, for a removed one as predicted. label: the person's, ""
    for a removed one. predicted: the model's, "" for an added one. score: the model's, None for an added one.
    start_shift_s, end_shift_s: how much later the person put the boundaries than the model, 0 where there are no two.
    """

    project: int
    task: int
    media: str
    annotation: int
    annotator: int | None
    version: str
    kind: Kind
    number: int
    start_s: float
    end_s: float
    label: str
    predicted: str
    score: float | None
    start_shift_s: float = 0.0
    end_shift_s: float = 0.0


@dataclass(frozen=True)
class AnnotatorWork:
    """What one person did with the predictions of one model: how many repetitions of each kind.

    shift_s: mean of how far moved boundaries were moved, in seconds, None where none was. lead_s: seconds that Label
    Studio counted, of all the annotations that it counted any for, `timed` of them.
    """

    annotator: int | None
    version: str
    annotations: int
    counts: dict[Kind, int]
    shift_s: float | None
    lead_s: float
    timed: int

    @property
    def accepted_share(self) -> float | None:
        """0..1 of the predicted repetitions that were left as they were; None without any."""
        predicted = sum(self.counts[kind] for kind in KINDS if kind != "added")
        return self.counts["accepted"] / predicted if predicted and self.version else None


@dataclass(frozen=True)
class Agreement:
    """Two annotations of one task. reps: that both, the first or the second have. same_label: of those that both have.
    boundary_s: mean difference of their boundaries, None where they share no repetition."""

    project: int
    task: int
    media: str
    annotators: tuple[int | None, int | None]
    both: int
    only_first: int
    only_second: int
    same_label: int
    boundary_s: float | None


@dataclass(frozen=True)
class OddLabel:
    """A labelled repetition that somebody should look at again, and why, in words."""

    project: int
    task: int
    media: str
    annotation: int
    annotator: int | None
    start_s: float
    end_s: float
    label: str
    why: str


@dataclass(frozen=True)
class _Drawn:
    region: str
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class _Predicted:
    number: int
    start_s: float
    end_s: float
    score: float

    @property
    def label(self) -> str:
        return "anomalous" if self.score >= 0.5 else "normal"


@dataclass(frozen=True)
class _Labelled:
    """An annotation with what was drawn in it, and the prediction that it began with."""

    id: int
    project: int
    task: int
    media: str
    annotator: int | None
    drawn: tuple[_Drawn, ...]
    version: str
    predicted: tuple[_Predicted, ...]
    lead_s: float | None


@dataclass(frozen=True)
class LabelReport:
    """All that is known about how a project was labelled."""

    corrections: tuple[Correction, ...]
    work: tuple[AnnotatorWork, ...]
    agreements: tuple[Agreement, ...]
    odd: tuple[OddLabel, ...]


def report(engine: Engine, project: int) -> LabelReport:
    """What people did in a project. Summaries of results must be up to date (`backend.storage.summaries.refresh`)."""
    labelled = _labelled(engine, project)
    found = {one.id: _corrections(one) for one in labelled}
    return LabelReport(
        tuple(correction for one in labelled for correction in found[one.id]),
        tuple(_work(labelled, found)),
        tuple(_agreements(labelled)),
        tuple(odd for one in labelled for odd in _odd(one)),
    )


def _labelled(engine: Engine, project: int) -> list[_Labelled]:
    drawn = defaultdict[int, list[_Drawn]](list)
    predicted = defaultdict[int, list[_Predicted]](list)
    with Session(engine) as session:
        columns = (Annotation.id, Annotation.task, Annotation.media, Annotation.annotator)
        query = select(*columns, Job.id, Job.model_version, AnnotationSource.lead_time)
        query = query.outerjoin(
            Job, (Job.prediction_id == Annotation.parent_prediction) & (Job.task == Annotation.task)
        )
        query = query.outerjoin(AnnotationSource, AnnotationSource.annotation_id == Annotation.id)
        query = query.where(Annotation.project == project, ~Annotation.deleted, ~Annotation.was_cancelled)
        # Of two jobs with that prediction, which a Label Studio that was set up anew may cause, the later one.
        rows = {row[0]: row for row in session.execute(query.order_by(Annotation.id, Job.id))}
        for ids in batches(rows):
            regions = select(LabelledRegion.annotation_id, LabelledRegion.region, LabelledRegion.start_s,
                             LabelledRegion.end_s, LabelledRegion.label)  # fmt: skip
            regions = regions.where(LabelledRegion.annotation_id.in_(ids)).order_by(LabelledRegion.start_s)
            for number, region, start_s, end_s, label in session.execute(regions):
                drawn[number].append(_Drawn(region, start_s, end_s, label))
        for ids in batches({row[4] for row in rows.values() if row[4] is not None}):
            reps = select(RepSummary.job_id, RepSummary.number, RepSummary.start_s, RepSummary.end_s, RepSummary.score)
            reps = reps.where(RepSummary.job_id.in_(ids)).order_by(RepSummary.number)
            for job, number, start_s, end_s, score in session.execute(reps):
                predicted[job].append(_Predicted(number, start_s, end_s, score))
    return [
        _Labelled(
            number, project, task, media, annotator, tuple(drawn[number]), version or "", tuple(predicted[job]), lead
        )
        for number, task, media, annotator, job, version, lead in rows.values()
    ]


def _corrections(one: _Labelled) -> list[Correction]:
    pairs, added, removed = _matched(one.drawn, one.predicted)
    head = (one.project, one.task, one.media, one.id, one.annotator, one.version)
    found: list[Correction] = []
    for mine, its in pairs:
        start, end = mine.start_s - its.start_s, mine.end_s - its.end_s
        kind: Kind = "moved" if max(abs(start), abs(end)) > _MOVED_S else "accepted"
        kind = "relabelled" if mine.label != its.label else kind
        times = mine.start_s, mine.end_s
        found.append(Correction(*head, kind, its.number, *times, mine.label, its.label, its.score, start, end))
    found += [Correction(*head, "added", 0, its.start_s, its.end_s, its.label, "", None) for its in added]
    found += [
        Correction(*head, "removed", its.number, its.start_s, its.end_s, "", its.label, its.score) for its in removed
    ]
    return sorted(found, key=lambda correction: correction.start_s)


def _matched(
    drawn: Sequence[_Drawn], predicted: Sequence[_Predicted]
) -> tuple[list[tuple[_Drawn, _Predicted]], list[_Drawn], list[_Predicted]]:
    """Pairs of what was drawn and predicted; and what of either is left. Label Studio keeps the ids of regions."""
    by_id = {f"rep{one.number}": one for one in predicted}
    pairs = [(mine, by_id.pop(mine.region)) for mine in drawn if mine.region in by_id]
    taken = {id(mine) for mine, _ in pairs}
    added: list[_Drawn] = []
    for mine in (mine for mine in drawn if id(mine) not in taken):
        name, overlap = max(((name, tiou(mine, its)) for name, its in by_id.items()), key=_second, default=("", 0.0))
        if overlap > _SAME_TIOU:
            pairs.append((mine, by_id.pop(name)))
        else:
            added.append(mine)
    return pairs, added, list(by_id.values())


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _work(labelled: Iterable[_Labelled], found: dict[int, list[Correction]]) -> list[AnnotatorWork]:
    groups = defaultdict[tuple[int | None, str], list[_Labelled]](list)
    for one in labelled:
        groups[one.annotator, one.version].append(one)
    result: list[AnnotatorWork] = []
    for (annotator, version), mine in groups.items():
        every = [correction for one in mine for correction in found[one.id]]
        shifts = [
            abs(shift) for one in every for shift in (one.start_shift_s, one.end_shift_s) if abs(shift) > _MOVED_S
        ]
        leads = [one.lead_s for one in mine if one.lead_s]
        counts = {kind: sum(one.kind == kind for one in every) for kind in KINDS}
        mean = sum(shifts) / len(shifts) if shifts else None
        result.append(AnnotatorWork(annotator, version, len(mine), counts, mean, sum(leads), len(leads)))
    return sorted(result, key=lambda work: (work.annotator or 0, work.version))


def _agreements(labelled: Iterable[_Labelled]) -> list[Agreement]:
    of_task = defaultdict[int, dict[int | None, _Labelled]](dict)
    for one in labelled:
        of_task[one.task][one.annotator] = one  # the latest of each person
    return [
        _agreement(first, second) for found in of_task.values() for first, second in combinations(found.values(), 2)
    ]


def _agreement(first: _Labelled, second: _Labelled) -> Agreement:
    left = list(second.drawn)
    pairs: list[tuple[_Drawn, _Drawn]] = []
    for mine in first.drawn:
        best = max(left, key=lambda its: tiou(mine, its), default=None)
        if best is not None and tiou(mine, best) >= _AGREE_TIOU:
            left.remove(best)
            pairs.append((mine, best))
    apart = [abs(a.start_s - b.start_s) + abs(a.end_s - b.end_s) for a, b in pairs]
    return Agreement(
        first.project,
        first.task,
        first.media,
        (first.annotator, second.annotator),
        len(pairs),
        len(first.drawn) - len(pairs),
        len(left),
        sum(a.label == b.label for a, b in pairs),
        sum(apart) / (2 * len(apart)) if apart else None,
    )


def _odd(one: _Labelled) -> list[OddLabel]:
    found: list[OddLabel] = []
    for number, mine in enumerate(one.drawn):
        length, before = mine.end_s - mine.start_s, one.drawn[number - 1] if number else None
        if length < _SHORT_S:
            why = f"only {length:.1f} s long"
        elif length > _LONG_S:
            why = f"{length:.0f} s long"
        elif before is not None and before.end_s - mine.start_s > _MOVED_S:
            why = "overlaps the repetition before"
        elif one.version and not one.predicted:
            why = "the model found no lift in this video"
        else:
            continue
        found.append(
            OddLabel(one.project, one.task, one.media, one.id, one.annotator, mine.start_s, mine.end_s, mine.label, why)
        )
    return found
