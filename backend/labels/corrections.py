"""What people did with predictions: repetitions that they accepted, moved, relabelled, added and removed; and how far
two people who labelled one video agree."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from sqlalchemy import Engine, String, cast, or_, select
from sqlalchemy.orm import Session

from backend.errors import LabelConfigError
from backend.labels.proposals import is_moved, jobs_of, proposal_for, shifts_s
from backend.labelstudio.format import UnusedRegion, unused_regions
from backend.labelstudio.labeling_config import Controls, effective_rate, parse_controls
from backend.storage.annotation_json import AnnotationSource
from backend.storage.database import batches
from backend.storage.jobs import Job, KnownProject
from backend.storage.labels import Person, ProjectLabels, StoredRegion, person
from backend.storage.summaries import RepSummary
from pipeline.datasets.rows import MOVED_S
from pipeline.records import Analysis, RepScore, is_same_rep, tiou

Kind = Literal["accepted", "moved", "relabelled", "added", "removed"]
KINDS: tuple[Kind, ...] = ("accepted", "moved", "relabelled", "added", "removed")


@dataclass(frozen=True)
class Correction:
    """A repetition of an annotation beside the predicted one, or one of the two alone.

    version: of the model that predicted, "" where no prediction is known. number: of the predicted repetition, counted
    from 1, 0 for none. start_s, end_s: as the person left it, for a removed one as predicted. label: the person's, ""
    for a removed one. predicted: the model's, "" for an added one. score: the model's, None for an added one, and
    where the repetition could not be judged.
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
class Disagreement:
    """A repetition that two people labelled differently, or that one of them has elsewhere, or not at all.

    start_s, end_s: as the first of them who has it drew it. labels: of each, "" for who does not have it. apart_s: by
    how much the boundary differs that differs most, 0 where one does not have it.
    """

    start_s: float
    end_s: float
    labels: tuple[str, str]
    apart_s: float = 0.0

    @property
    def is_of_both(self) -> bool:
        return all(self.labels)

    @property
    def is_moved(self) -> bool:
        """Whether a boundary differs by more than rounding to frames explains."""
        return self.apart_s > MOVED_S


@dataclass(frozen=True)
class Agreement:
    """Two annotations of one task: how many repetitions both, the first or the second have. boundary_s, most_s: mean
    and largest difference of their boundaries, None where they share no repetition. differences: in order of time; a
    boundary differs where a corrected one would count as moved."""

    project: int
    task: int
    media: str
    annotators: tuple[int | None, int | None]
    both: int
    only_first: int
    only_second: int
    boundary_s: float | None
    most_s: float | None
    differences: tuple[Disagreement, ...]

    @property
    def same_label(self) -> int:
        """How many repetitions both drew and labelled equally."""
        return self.both - sum(one.is_of_both and one.labels[0] != one.labels[1] for one in self.differences)


@dataclass(frozen=True)
class _Predicted:
    number: int
    start_s: float
    end_s: float
    label: str
    score: float | None


def _predicted(number: int, start_s: float, end_s: float, score: RepScore) -> _Predicted:
    return _Predicted(number, start_s, end_s, score.label, score.score if score.reliable else None)


@dataclass(frozen=True)
class _Labelled:
    """An annotation with what was drawn in it, and the prediction that it began with. unused: what was drawn with a
    label that is not used."""

    id: int
    project: int
    task: int
    media: str
    annotator: int | None
    drawn: tuple[StoredRegion, ...]
    version: str
    predicted: tuple[_Predicted, ...]
    lead_s: float | None
    unused: tuple[UnusedRegion, ...]


@dataclass(frozen=True)
class LabelReport:
    """All that is known about how a project was labelled."""

    corrections: tuple[Correction, ...]
    work: tuple[AnnotatorWork, ...]
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class Called:
    """What somebody called a repetition of an analysis, by its number from 1."""

    number: int
    annotator: int | None
    label: str


def called(analysis: Analysis, labels: ProjectLabels) -> list[Called]:
    """What people called the repetitions of an analysis, also of one that they did not begin with."""
    reps = [
        _predicted(number, rep.start_s, rep.end_s, score)
        for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1)
    ]
    found: list[Called] = []
    for one in labels.annotations:
        for region in labels.regions.get(one.id, ()):
            best = max(reps, key=lambda rep: tiou(rep, region), default=None)
            if best is not None and is_same_rep(best, region):
                found.append(Called(best.number, one.annotator, region.label))
    return sorted(found, key=lambda one: (one.number, one.annotator or 0))


def report(engine: Engine, labels: ProjectLabels) -> LabelReport:
    """What people did in a project. Summaries of results must be up to date (`backend.storage.summaries.refresh`)."""
    labelled = _labelled(engine, labels)
    found = {one.id: _corrections(one) for one in labelled}
    return LabelReport(
        tuple(correction for one in labelled for correction in found[one.id]),
        tuple(_work(labelled, found)),
        tuple(_agreements(labelled)),
    )


def _labelled(engine: Engine, labels: ProjectLabels) -> list[_Labelled]:
    predicted = defaultdict[int, list[_Predicted]](list)
    versions: dict[int, str] = {}
    with Session(engine) as session:
        jobs = jobs_of(session, labels.annotations)
        lead_s = _lead_times(session, [one.id for one in labels.annotations])
        unused = _unused(session, labels)
        for ids in batches(set(jobs.values())):
            for job, version in session.execute(select(Job.id, Job.model_version).where(Job.id.in_(ids))):
                versions[job] = version
            columns = (RepSummary.job_id, RepSummary.number, RepSummary.start_s, RepSummary.end_s)
            query_reps = select(*columns, RepSummary.score, RepSummary.reliable).where(RepSummary.job_id.in_(ids))
            for job, number, start_s, end_s, score, reliable in session.execute(query_reps.order_by(RepSummary.number)):
                its = RepScore(score, 0.0, 0.0, reliable=reliable)
                predicted[job].append(_predicted(number, start_s, end_s, its))
    found: list[_Labelled] = []
    for one in labels.annotations:
        regions, job = labels.regions.get(one.id, ()), jobs.get(one.id, 0)
        reps = predicted.get(job, [])
        if one.parent_prediction is None and all(proposal_for(region, reps) is None for region in regions):
            job, reps = 0, []  # begun empty, for all that is known: nothing says that anything was removed
        head = one.id, one.project, one.task, one.media, one.annotator
        began = versions.get(job, ""), tuple(reps)
        more = lead_s.get(one.id), unused.get(one.id, ())
        found.append(_Labelled(*head, tuple(regions), *began, *more))
    return found


def _unused(session: Session, labels: ProjectLabels) -> dict[int, tuple[UnusedRegion, ...]]:
    """By annotation, its regions with labels that are not used."""
    found: dict[int, tuple[UnusedRegion, ...]] = {}
    controls = {project: _controls(session, project) for project in {one.project for one in labels.annotations}}
    for project, its in controls.items():
        if its is None or not its.unused:
            continue
        result = cast(AnnotationSource.result, String)
        named = or_(*(result.contains(json.dumps(label), autoescape=True) for label in its.unused))
        for ids in batches(one.id for one in labels.annotations if one.project == project):
            query = select(AnnotationSource).where(AnnotationSource.annotation_id.in_(ids), named)
            for source in session.scalars(query):
                regions = unused_regions(source.result, its, effective_rate(its, source.data))
                found[source.annotation_id] = regions
    return found


def _controls(session: Session, project: int) -> Controls | None:
    known = session.get(KnownProject, project)
    try:
        return parse_controls(known.label_config) if known else None
    except LabelConfigError:
        return None


def _lead_times(session: Session, annotations: Iterable[int]) -> dict[int, float | None]:
    """Seconds that Label Studio counted, by annotation."""
    found: dict[int, float | None] = {}
    for ids in batches(annotations):
        query = select(AnnotationSource.annotation_id, AnnotationSource.lead_time)
        query = query.where(AnnotationSource.annotation_id.in_(ids))
        found |= {row.annotation_id: row.lead_time for row in session.execute(query)}
    return found


def _corrections(one: _Labelled) -> list[Correction]:
    pairs, added, removed = _matched(one)
    head = (one.project, one.task, one.media, one.id, one.annotator, one.version)
    found: list[Correction] = []
    for mine, its in pairs:
        kind: Kind = "moved" if is_moved(mine, its) else "accepted"
        kind = "relabelled" if mine.label != its.label else kind
        times, shifts = (mine.start_s, mine.end_s), shifts_s(mine, its)
        found.append(Correction(*head, kind, its.number, *times, mine.label, its.label, its.score, *shifts))
    found += [Correction(*head, "added", 0, its.start_s, its.end_s, its.label, "", None) for its in added]
    found += [
        Correction(*head, "removed", its.number, its.start_s, its.end_s, "", its.label, its.score) for its in removed
    ]
    return sorted(found, key=lambda correction: correction.start_s)


def _matched(one: _Labelled) -> tuple[list[tuple[StoredRegion, _Predicted]], list[StoredRegion], list[_Predicted]]:
    """Pairs of what was drawn and predicted; and what of either is left. Of several regions that were made of one
    predicted repetition, it stays with the one that has its id, else with the one that is most like it."""
    made = [(mine, its) for mine in one.drawn if (its := proposal_for(mine, one.predicted)) is not None]
    pairs: dict[int, tuple[StoredRegion, _Predicted]] = {}
    for mine, its in sorted(made, key=_likeness, reverse=True):
        pairs.setdefault(its.number, (mine, its))
    kept = {id(mine) for mine, _ in pairs.values()}
    added = [mine for mine in one.drawn if id(mine) not in kept]
    # Somebody kept those, as something that we do not use: nobody removed them.
    unused = {its.number for mine in one.unused if (its := proposal_for(mine, one.predicted)) is not None}
    removed = [its for its in one.predicted if its.number not in pairs and its.number not in unused]
    return list(pairs.values()), added, removed


def _likeness(pair: tuple[StoredRegion, _Predicted]) -> tuple[bool, float]:
    mine, its = pair
    return mine.region == f"rep{its.number}", tiou(mine, its)


def _work(labelled: Iterable[_Labelled], found: dict[int, list[Correction]]) -> list[AnnotatorWork]:
    groups = defaultdict[tuple[int | None, str], list[_Labelled]](list)
    for one in labelled:
        groups[one.annotator, one.version].append(one)
    result: list[AnnotatorWork] = []
    for (annotator, version), mine in groups.items():
        every = [correction for one in mine for correction in found[one.id]]
        shifts = [abs(shift) for one in every for shift in (one.start_shift_s, one.end_shift_s) if abs(shift) > MOVED_S]
        leads = [one.lead_s for one in mine if one.lead_s]
        counts = {kind: sum(one.kind == kind for one in every) for kind in KINDS}
        mean = sum(shifts) / len(shifts) if shifts else None
        result.append(AnnotatorWork(annotator, version, len(mine), counts, mean, sum(leads), len(leads)))
    return sorted(result, key=lambda work: (work.annotator or 0, work.version))


def _agreements(labelled: Iterable[_Labelled]) -> list[Agreement]:
    of_task = defaultdict[int, dict[Person, _Labelled]](dict)
    for one in labelled:
        of_task[one.task][person(one.annotator, one.id)] = one
    return [
        _agreement(first, second) for found in of_task.values() for first, second in combinations(found.values(), 2)
    ]


def paired(
    first: Sequence[StoredRegion], second: Sequence[StoredRegion]
) -> tuple[list[tuple[StoredRegion, StoredRegion]], list[StoredRegion], list[StoredRegion]]:
    """The repetitions that two people both drew, those of the first alone, and those of the second alone."""
    left = list(second)
    pairs: list[tuple[StoredRegion, StoredRegion]] = []
    alone: list[StoredRegion] = []
    for mine in first:
        best = max(left, key=lambda its: tiou(mine, its), default=None)
        if best is not None and is_same_rep(mine, best):
            left.remove(best)
            pairs.append((mine, best))
        else:
            alone.append(mine)
    return pairs, alone, left


def _agreement(first: _Labelled, second: _Labelled) -> Agreement:
    pairs, alone, left = paired(first.drawn, second.drawn)
    apart = [(abs(mine.start_s - its.start_s), abs(mine.end_s - its.end_s)) for mine, its in pairs]
    differences = [
        Disagreement(mine.start_s, mine.end_s, (mine.label, its.label), most)
        for (mine, its), most in zip(pairs, map(max, apart), strict=True)
        if mine.label != its.label or most > MOVED_S
    ]
    differences += [Disagreement(one.start_s, one.end_s, (one.label, "")) for one in alone]
    differences += [Disagreement(one.start_s, one.end_s, ("", one.label)) for one in left]
    every = [shift for both in apart for shift in both]
    return Agreement(
        first.project,
        first.task,
        first.media,
        (first.annotator, second.annotator),
        len(pairs),
        len(alone),
        len(left),
        sum(every) / len(every) if every else None,
        max(every, default=None),
        tuple(sorted(differences, key=lambda one: one.start_s)),
    )
