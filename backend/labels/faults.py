"""The faults that people ticked beside those that we ticked: do both name the same?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from backend.errors import LabelConfigError
from backend.labels.proposals import jobs_of, proposal_for
from backend.labels.region_notes import region_notes
from backend.labelstudio.format import hinted_fault, ticked_fault
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.storage.annotation_json import AnnotationSource
from backend.storage.database import batches
from backend.storage.jobs import Store
from backend.storage.labels import ProjectLabels, StoredRegion
from backend.storage.summaries import RepSummary
from pipeline.records import Analysis, Reason, RepLabel, RepScore


@dataclass(frozen=True)
class FaultAgreement:
    """One fault. ticked: predicted repetitions that somebody ticked it for, once for each person. Of these, we had
    named the `same` fault, an `other` one, or `none`: by ticking it, or for a back that looks rounded in the note
    alone. unticked: repetitions for which we had ticked it and somebody ticked others alone.
    """

    fault: str
    ticked: int
    same: int
    other: int
    none: int
    unticked: int


@dataclass(frozen=True)
class Ticked:
    """What one person ticked for a repetition of an analysis, and called it. number: of the repetition, from 1. A fault
    of a repetition that was called normal only stayed ticked."""

    number: int
    annotator: int | None
    faults: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class _Judged:
    """A predicted repetition and the fault that we ticked for it, "" for none; hint: the one that its note names
    without a tick, "" for none."""

    number: int
    start_s: float
    end_s: float
    label: RepLabel
    fault: str
    hint: str = ""


def fault_agreements(store: Store, labels: ProjectLabels) -> list[FaultAgreement]:
    """Every fault that people ticked for predicted repetitions that they called anomalous, or that we had ticked there;
    the most ticked first. Repetitions without a ticked fault say nothing: many people tick none. The fault comes ticked
    with the prediction, so that agreement is what people let stand as well as what they chose themselves. Summaries of
    results must be up to date (`backend.storage.summaries.refresh`)."""
    controls = _controls(store, labels.project)
    if controls is None:
        return []
    ticked, same, other, none, unticked = (Counter[str]() for _ in range(5))
    for predicted, hint, faults in _pairs(store, labels, controls):
        for fault in faults:
            ticked[fault] += 1
            (same if fault in (predicted, hint) else other if predicted or hint else none)[fault] += 1
        if predicted and predicted not in faults:
            unticked[predicted] += 1
    names = sorted({*ticked, *unticked}, key=lambda fault: (-ticked[fault], -unticked[fault], fault))
    return [FaultAgreement(name, *(count[name] for count in (ticked, same, other, none, unticked))) for name in names]


def ticked_for(store: Store, project: int, task: int, analysis: Analysis) -> list[Ticked]:
    """What people ticked for the repetitions of an analysis, by repetition and annotation."""
    controls = _controls(store, project)
    if controls is None:
        return []
    reps, labels = judged(analysis, controls), store.labels.of_project(project, task)
    with Session(store.engine) as session:
        drawn = _ticked_regions(session, labels.regions, controls)
    found = [
        Ticked(its.number, one.annotator, faults, region.label)
        for one in labels.annotations
        for region, faults in drawn.get(one.id, [])
        if (its := proposal_for(region, reps)) is not None
    ]
    return sorted(found, key=lambda one: (one.number, one.annotator or 0))


def stands_for(store: Store, project: int, analysis: Analysis) -> tuple[str, ...]:
    """For each repetition of an analysis the fault that we tick, "" for none."""
    controls = _controls(store, project)
    if controls is None:
        return ("",) * len(analysis.reps)
    return tuple(one.fault for one in judged(analysis, controls))


def judged(analysis: Analysis, controls: Controls) -> list[_Judged]:
    """The repetitions of an analysis with the faults that we tick, by the project's labeling config."""
    reps = zip(analysis.reps, analysis.scores, strict=True)
    return [_judged(number, rep.start_s, rep.end_s, score, controls) for number, (rep, score) in enumerate(reps, 1)]


def _controls(store: Store, project: int) -> Controls | None:
    try:
        controls = parse_controls(store.label_config(project))
    except LabelConfigError:
        return None
    return controls if controls.choices else None


def _pairs(store: Store, labels: ProjectLabels, controls: Controls) -> list[tuple[str, str, tuple[str, ...]]]:
    """Of each predicted repetition that somebody ticked faults for: the fault that we had ticked, the one that the note
    named, and theirs."""
    with Session(store.engine) as session:
        drawn = _ticked_regions(session, labels.regions, controls)
        jobs = jobs_of(session, [one for one in labels.annotations if one.id in drawn])
        reps = _summarized(session, set(jobs.values()), controls)
    return [
        (its.fault, its.hint, faults)
        for annotation, regions in drawn.items()
        for region, faults in regions
        if region.label == "anomalous"  # a fault that stayed ticked where somebody called the repetition normal is none
        and (its := proposal_for(region, reps.get(jobs.get(annotation, 0), []))) is not None
    ]


def _summarized(session: Session, jobs: Collection[int], controls: Controls) -> dict[int, list[_Judged]]:
    """By job, what `judged` gives."""
    found = defaultdict[int, list[_Judged]](list)
    columns = (RepSummary.job_id, RepSummary.number, RepSummary.start_s, RepSummary.end_s)
    for ids in batches(jobs):
        query = select(*columns, RepSummary.score, RepSummary.reliable, RepSummary.reasons, RepSummary.back_bow)
        query = query.where(RepSummary.job_id.in_(ids)).order_by(RepSummary.job_id, RepSummary.number)
        for job, number, start_s, end_s, score, reliable, reasons, bow in session.execute(query):
            said = tuple(Reason(part, phase, 0.0) for part, phase in reasons)
            its = RepScore(score, 0.0, 0.0, said, reliable, back_bow=bow)
            found[job].append(_judged(number, start_s, end_s, its, controls))
    return found


def _judged(number: int, start_s: float, end_s: float, score: RepScore, controls: Controls) -> _Judged:
    return _Judged(number, start_s, end_s, score.label, ticked_fault(score, controls), hinted_fault(score, controls))


def _ticked_regions(
    session: Session, regions: Mapping[int, Sequence[StoredRegion]], controls: Controls
) -> dict[int, list[tuple[StoredRegion, tuple[str, ...]]]]:
    """By annotation, those of its regions that faults are ticked for."""
    found: dict[int, list[tuple[StoredRegion, tuple[str, ...]]]] = {}
    for ids in batches(regions):
        query = select(AnnotationSource.annotation_id, AnnotationSource.result)
        query = query.where(cast(AnnotationSource.result, String).contains('"choices"'))  # others are not worth reading
        for number, result in session.execute(query.where(AnnotationSource.annotation_id.in_(ids))):
            noted = region_notes(result, controls).items()
            ticked = {region: tuple(dict.fromkeys(notes.faults)) for region, notes in noted if notes.faults}
            if its := [(one, ticked[one.region]) for one in regions[number] if one.region in ticked]:
                found[number] = its
    return found
