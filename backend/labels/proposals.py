"""What the model had proposed where people labelled: by the prediction that an annotation names, else by our own jobs.

Label Studio forgets the prediction of an annotation that was kept as a draft for a while: it is submitted without
`parent_prediction`. The regions still have the ids of the prediction ("rep3"), so that they are found in what we had
brought to the task before the draft was begun.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import ResultUnreadable
from backend.storage.analysis_json import load_analysis
from backend.storage.annotation_json import AnnotationSource, utc
from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import Annotation
from pipeline.datasets.rows import MOVED_S
from pipeline.records import Analysis, RepLabel, is_same_rep, tiou

Origin = Literal["untouched", "changed", "manual"]

_OUR_ID = re.compile(r"rep([1-9]\d{0,5})")


class Region(Protocol):
    """A region as the database has it. origin: Label Studio's word, which misses moved boundaries."""

    @property
    def region(self) -> str: ...
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def label(self) -> str: ...
    @property
    def origin(self) -> str: ...


class Predicted(Protocol):
    """A predicted repetition, as far as regions are compared with it."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def label(self) -> str: ...


Rep = TypeVar("Rep", bound=Predicted)


@dataclass(frozen=True)
class PredictedRep:
    """A repetition as the model proposed it: seconds, label, score 0..1 (None where it could not be judged; exports of
    earlier releases have one there too), and how sure it was, 0..1."""

    start_s: float
    end_s: float
    label: RepLabel
    score: float | None
    confidence: float


@dataclass(frozen=True)
class Proposals:
    """What an annotation began with. is_named: whether the annotation names it; else it is what the task had then."""

    model_version: str
    reps: tuple[PredictedRep, ...]
    is_named: bool = True


@dataclass(frozen=True)
class _Stored:
    """A finished job: when it came into being and was brought to Label Studio (UTC), and whether the number of its
    prediction there is known."""

    id: int
    made_at: datetime
    delivered_at: datetime | None
    is_numbered: bool


def proposals_of(session: Session, annotations: Sequence[Annotation]) -> dict[int, Proposals]:
    """What annotations began with, by the annotation's id, as far as it is known and can be read."""
    named = _named(session, annotations)
    jobs = named | _of_the_time(session, [a for a in annotations if a.id not in named])
    read: dict[int, tuple[str, tuple[PredictedRep, ...]]] = {}
    for ids in batches(set(jobs.values())):
        query = select(Job.id, Job.model_version, Job.result).where(Job.id.in_(ids))
        for job, version, result in session.execute(query):
            if (reps := _readable(result)) is not None:
                read[job] = version, reps
    return {number: Proposals(*read[job], is_named=number in named) for number, job in jobs.items() if job in read}


def jobs_of(session: Session, annotations: Sequence[Annotation]) -> dict[int, int]:
    """The jobs that annotations began with, by the annotation's id, as far as they are known; reads no result."""
    named = _named(session, annotations)
    return named | _of_the_time(session, [a for a in annotations if a.id not in named])


def proposal_for(region: Region, reps: Sequence[Rep]) -> Rep | None:
    """The repetition that a region was made of: by its id, else the one that it overlaps; None for a drawn one."""
    said = _OUR_ID.fullmatch(region.region)
    if region.origin == "manual" and not said:
        return None
    # Label Studio calls a region manual as well that a program stored with our id and somebody then saved.
    by_id = said and region.origin not in ("", "manual") and int(said[1]) <= len(reps)
    named = reps[int(said[1]) - 1] if said and by_id else None
    if named is not None and is_same_rep(named, region):
        return named
    best = max(reps, key=lambda one: tiou(one, region), default=None)
    # An id of another prediction names another repetition; one that somebody moved far is still the one it names.
    return best if best is not None and is_same_rep(best, region) else named


def origin_of(region: Region, proposal: Predicted | None, is_known: bool) -> Origin:
    """Whether a person left, changed or drew a region: by what differs from the proposal.

    is_known: whether it is known what the annotation began with; without that Label Studio's word counts.
    """
    if proposal is None and region.origin in ("", "manual"):
        return "manual"
    if proposal is None:
        return "untouched" if region.origin == "prediction" and not is_known else "changed"
    return "changed" if region.label != proposal.label or is_moved(region, proposal) else "untouched"


def is_moved(region: Region, proposal: Predicted) -> bool:
    """Whether a person moved a boundary of a region."""
    return max(abs(shift) for shift in shifts_s(region, proposal)) > MOVED_S


def bounds_s(region: Region, proposal: Predicted | None) -> tuple[float, float]:
    """The start and end that a labelled repetition is judged by, in seconds: where nobody moved them those that were
    proposed, for Label Studio keeps whole frames, and half a frame later a score may be on the other side of the
    threshold."""
    if proposal is None or is_moved(region, proposal):
        return region.start_s, region.end_s
    return proposal.start_s, proposal.end_s


def shifts_s(region: Region, proposal: Predicted) -> tuple[float, float]:
    """By how much start and end were moved, in seconds, later positive; within 0.1 s they were only rounded."""
    return region.start_s - proposal.start_s, region.end_s - proposal.end_s


def _named(session: Session, annotations: Iterable[Annotation]) -> dict[int, int]:
    """By annotation, the job of the prediction that it names."""
    naming = [a for a in annotations if a.parent_prediction is not None]
    jobs: dict[tuple[int | None, int], int] = {}
    for numbers in batches({a.parent_prediction for a in naming if a.parent_prediction is not None}):
        query = select(Job.id, Job.prediction_id, Job.task).where(Job.prediction_id.in_(numbers))
        # Of two jobs with that prediction, which a Label Studio that was set up anew may cause, the later one.
        for job, number, task in session.execute(query.order_by(Job.id)):
            jobs[number, task] = job
    return {a.id: jobs[a.parent_prediction, a.task] for a in naming if (a.parent_prediction, a.task) in jobs}


def _of_the_time(session: Session, annotations: Sequence[Annotation]) -> dict[int, int]:
    """By annotation, the job that its task had when it was begun."""
    begun = begun_at(session, annotations)
    stored = _stored(session, annotations)
    found: dict[int, int] = {}
    for annotation in annotations:
        moment = begun.get(annotation.id)
        known = stored.get((annotation.task, annotation.media), [])
        if annotation.parent_prediction is not None:  # somebody else's, unless we never learned the number of ours
            known = [one for one in known if not one.is_numbered]
        chosen = _latest(known, moment) if moment is not None else None
        if chosen is not None:
            found[annotation.id] = chosen.id
    return found


def _latest(stored: Sequence[_Stored], begun: datetime) -> _Stored | None:
    """The last one that was in Label Studio at that moment; of those delivered again since, the last one made."""
    delivered = [one for one in stored if one.delivered_at is not None and one.delivered_at <= begun]
    if delivered:
        return max(delivered, key=lambda one: (one.delivered_at, one.id))
    return max((one for one in stored if one.made_at <= begun), key=lambda one: (one.made_at, one.id), default=None)


def _stored(session: Session, annotations: Iterable[Annotation]) -> dict[tuple[int, str], list[_Stored]]:
    """The finished jobs of tasks and addresses; without what was found: a project's results are many megabytes."""
    found = defaultdict[tuple[int, str], list[_Stored]](list)
    for tasks in batches({a.task for a in annotations}):
        query = select(Job.id, Job.task, Job.media, Job.created_at, Job.delivered_at, Job.prediction_id)
        for number, task, address, made, delivered, prediction in session.execute(
            query.where(Job.task.in_(tasks), Job.state == "done")
        ):
            found[task, address].append(_Stored(number, made, delivered, prediction is not None))
    return found


def begun_at(session: Session, annotations: Iterable[Annotation]) -> dict[int, datetime]:
    """When somebody began with each annotation; where that is not kept, when it was last changed."""
    found = {a.id: moment for a in annotations if (moment := utc(a.updated_at)) is not None}
    for ids in batches(found):
        query = select(AnnotationSource.annotation_id, AnnotationSource.begun_at)
        query = query.where(AnnotationSource.annotation_id.in_(ids), AnnotationSource.begun_at.is_not(None))
        found |= {number: moment for number, moment in session.execute(query) if moment is not None}
    return found


def _readable(result: str) -> tuple[PredictedRep, ...] | None:
    try:
        return predicted_reps(load_analysis(result))
    except ResultUnreadable:
        return None


def predicted_reps(analysis: Analysis) -> tuple[PredictedRep, ...]:
    """The repetitions of an analysis, in the order in which a prediction numbers them."""
    return tuple(
        PredictedRep(
            rep.start_s,
            rep.end_s,
            score.label,
            score.score if score.reliable else None,
            min(analysis.confidence, score.decision_confidence),
        )
        for rep, score in zip(analysis.reps, analysis.scores, strict=True)
    )
