"""The labels of a project as rows of a dataset, read from the database a few hundred tasks at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from backend.database import batches
from backend.errors import LabelConfigError, ResultUnreadable
from backend.jobs import load_analysis
from backend.label_sources import AnnotationSource, sources
from backend.label_store import Annotation, LabeledRegion
from backend.labeling_config import Controls, effective_rate, parse_controls
from backend.labels import origin_of, rank
from backend.ls_export import Proposal, Provenance, RegionNotes, region_notes, to_frame_range
from backend.ls_format import Json
from backend.media import shown_address
from backend.store import Job, Store
from pipeline.export_rows import ExportedRep, split_group, split_of, video_name
from pipeline.records import Analysis

_BATCH = 500
_SAME_REP = 0.5
"""Temporal intersection over union from which two repetitions are the same one."""


@dataclass(frozen=True)
class ChosenVideo:
    """The annotation of a video that counts, and the name of the video's files."""

    annotation: int
    name: str


@dataclass(frozen=True)
class Choice:
    """What of a project's annotations goes into a dataset: by task. repeated: tasks whose video another one has too."""

    videos: dict[int, ChosenVideo]
    repeated: tuple[int, ...]


@dataclass(frozen=True)
class LabeledTask:
    """A task with the repetitions of the annotation that counts, in order; rate: None where it is not known."""

    task: int
    media: str
    digest: str
    data: Json
    result: tuple[Json, ...]
    lead_time: float | None
    rate: float | None
    rows: tuple[ExportedRep, ...]
    provenance: dict[str, Provenance]


@dataclass(frozen=True, slots=True)
class _Region:
    """A stored region; read as such, a hundred thousand of them take half as long as mapped objects."""

    region: str
    start_s: float
    end_s: float
    label: str
    origin: str


def choose(store: Store, project: int) -> Choice:
    """Of each task the annotation that training would learn from; of tasks with the same video the newest one."""
    found: dict[int, tuple[int, str, str]] = {}
    newest: dict[str, int] = {}
    repeated = []
    with Session(store.engine) as session:
        for tasks in _task_batches(session, project):
            chosen = [max(group, key=rank) for group in _annotations(session, project, tasks)]
            digests = _digests(session, chosen)
            for annotation in chosen:
                digest = digests.get(annotation.id, "")
                found[annotation.task] = annotation.id, digest or annotation.media, video_name(annotation.media)
    for task, (annotation_id, video, _) in sorted(found.items(), key=lambda item: -item[1][0]):
        if video in newest:
            repeated.append(task)
        newest.setdefault(video, annotation_id)
    for task in repeated:
        del found[task]
    names = Counter(name for _, _, name in found.values())
    videos = {
        task: ChosenVideo(annotation_id, name if names[name] == 1 else f"{name}-{_short(video)}")
        for task, (annotation_id, video, name) in sorted(found.items())
    }
    return Choice(videos, tuple(sorted(repeated)))


def labeled_tasks(
    store: Store, project: int, choice: Choice, controls: Controls, lifter_key: str
) -> Iterator[LabeledTask]:
    """The chosen annotations with their repetitions, by task. lifter_key: the task data that names the lifter."""
    with Session(store.engine) as session:
        for tasks in batches(choice.videos, _BATCH):
            groups = list(_annotations(session, project, tasks))
            every = [annotation for group in groups for annotation in group]
            chosen = [next(a for a in group if a.id == choice.videos[a.task].annotation) for group in groups]
            ids = [annotation.id for annotation in every]
            regions = _regions(session, ids)
            words = sources(store.engine, [annotation.id for annotation in chosen])
            digests = _digests(session, chosen)
            data = _task_data(session, [a.task for a in chosen if a.id not in words])
            parents = _parents(session, chosen)
            for group, annotation in zip(groups, chosen, strict=True):
                source = words.get(annotation.id)
                known = source.data if source is not None else data.get(annotation.task)
                others = [
                    regions.get(other.id, [])
                    for other in group
                    if other.id != annotation.id and other.annotator != annotation.annotator
                ]
                yield _labeled_task(
                    annotation,
                    choice.videos[annotation.task].name,
                    digests.get(annotation.id, ""),
                    regions.get(annotation.id, []),
                    others,
                    source,
                    known,
                    parents.get(annotation.parent_prediction or 0),
                    controls,
                    lifter_key,
                )
            session.expunge_all()


def controls_of(store: Store, project: int) -> Controls:
    """Raises LabelConfigError where the project was never seen, or its labeling config lacks what is needed."""
    config = store.label_config(project)
    if not config:
        known = ", ".join(str(one.id) for one in store.projects()) or "none"
        raise LabelConfigError(
            f"Project {project} is not known here (known: {known}). Connect the backend to it in Label Studio, or set "
            "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY; DATA_DIR says where labels are kept."
        )
    return parse_controls(config)


def _labeled_task(
    annotation: Annotation,
    name: str,
    digest: str,
    regions: Sequence[_Region],
    others: Sequence[Sequence[_Region]],
    source: AnnotationSource | None,
    data: Json | None,
    parent: tuple[str, Analysis] | None,
    controls: Controls,
    lifter_key: str,
) -> LabeledTask:
    rate = effective_rate(controls, data) if data is not None else None
    result = tuple(source.result) if source is not None else ()
    said = region_notes(result, controls)
    lifter = str((data or {}).get(lifter_key) or "").strip()
    video = shown_address(annotation.media)
    split = split_of(split_group(lifter, digest, video))
    rows, provenances = [], {}
    proposals = _proposals(parent[1]) if parent is not None else None
    for number, region in enumerate(one for one in regions if 0 <= one.start_s < one.end_s):
        notes = said.get(region.region, RegionNotes())
        provenance = _provenance(region, notes.provenance, proposals, parent[0] if parent else "", others)
        proposal = provenance.proposal
        known = proposals if proposals is not None else [proposal] if proposal is not None else None
        boundaries = None if known is None else [(one.start_s, one.end_s, one.label) for one in known]
        frames = to_frame_range(region.start_s, region.end_s, rate) if rate is not None else (None, None)
        row = ExportedRep(
            rep=f"{name}_rep_{number}",
            video=video,
            digest=digest,
            name=name,
            number=number,
            start_s=region.start_s,
            end_s=region.end_s,
            label="normal" if region.label == "normal" else "anomalous",
            origin=origin_of(region.origin, region.start_s, region.end_s, region.label, boundaries),
            split=split,
            task=annotation.task,
            annotation=annotation.id,
            annotator=annotation.annotator,
            region=region.region,
            labeled_at=annotation.updated_at,
            start_frame=frames[0],
            end_frame=frames[1],
            frame_rate=rate,
            score=proposal.score if proposal is not None else None,
            confidence=proposal.confidence if proposal is not None else None,
            model_version=provenance.model_version,
            agreement=provenance.agreement,
            ground_truth=annotation.ground_truth,
            lifter=lifter,
            faults=tuple(notes.faults),
            note="\n".join(notes.notes),
        )
        rows.append(row)
        provenances[region.region] = provenance
    return LabeledTask(
        annotation.task,
        annotation.media,
        digest,
        data or {},
        result,
        source.lead_time if source is not None else None,
        rate,
        tuple(rows),
        provenances,
    )


def _provenance(
    region: _Region,
    noted: Provenance | None,
    proposals: Sequence[Proposal] | None,
    version: str,
    others: Sequence[Sequence[_Region]],
) -> Provenance:
    """Where a region comes from: by the prediction that its annotation began with, else as an earlier export noted."""
    agreement = _agreement(region, others)
    if agreement is None and noted is not None:
        agreement = noted.agreement
    if region.origin == "manual":
        return Provenance(agreement=agreement)
    if proposals is None:
        return Provenance(noted.model_version, noted.proposal, agreement) if noted else Provenance(agreement=agreement)
    overlap, best = max(((_overlap(one, region), number) for number, one in enumerate(proposals)), default=(0.0, 0))
    return Provenance(version, proposals[best] if overlap >= _SAME_REP else None, agreement)


def _agreement(region: _Region, others: Sequence[Sequence[_Region]]) -> float | None:
    """The share of other annotators' annotations that have the repetition with the same label; None without any."""
    if not others:
        return None
    agreeing = sum(
        any(other.label == region.label and _overlap(other, region) >= _SAME_REP for other in regions)
        for regions in others
    )
    return agreeing / len(others)


def _overlap(one: _Region | Proposal, other: _Region) -> float:
    """Intersection over union in time."""
    if one.start_s >= other.end_s or other.start_s >= one.end_s:  # as most are: nothing to work out
        return 0.0
    both = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return both / (max(one.end_s, other.end_s) - min(one.start_s, other.start_s))


def _proposals(analysis: Analysis) -> list[Proposal]:
    return [
        Proposal(
            rep.start_s,
            rep.end_s,
            score.label,
            score.score,
            min(analysis.confidence, 0.5 + abs(score.score - 0.5) if score.reliable else 0.5),
        )
        for rep, score in zip(analysis.reps, analysis.scores, strict=True)
    ]


def _task_batches(session: Session, project: int) -> Iterator[list[int]]:
    query = select(Annotation.task).where(Annotation.project == project, ~Annotation.deleted, ~Annotation.was_cancelled)
    yield from batches(session.scalars(query.distinct().order_by(Annotation.task)).all(), _BATCH)


def _annotations(session: Session, project: int, tasks: Iterable[int]) -> Iterator[list[Annotation]]:
    """The annotations of each task that were not deleted or cancelled."""
    query = select(Annotation).where(
        Annotation.project == project, Annotation.task.in_(tasks), ~Annotation.deleted, ~Annotation.was_cancelled
    )
    found = session.scalars(query.order_by(Annotation.task, Annotation.id)).all()
    return (list(group) for _, group in groupby(found, key=lambda annotation: annotation.task))


def _regions(session: Session, annotation_ids: Sequence[int]) -> dict[int, list[_Region]]:
    """The regions of annotations, in order of time."""
    stored = LabeledRegion
    columns = (stored.region, stored.start_s, stored.end_s, stored.label, stored.origin)
    regions: dict[int, list[_Region]] = {}
    for ids in batches(annotation_ids):
        query = select(LabeledRegion.annotation_id, *columns).where(LabeledRegion.annotation_id.in_(ids))
        query = query.order_by(LabeledRegion.start_s, LabeledRegion.end_s, LabeledRegion.id)
        for annotation_id, region, start_s, end_s, label, origin in session.execute(query):
            regions.setdefault(annotation_id, []).append(_Region(region, start_s, end_s, label, origin))
    return regions


def _digests(session: Session, annotations: Sequence[Annotation]) -> dict[int, str]:
    """Annotation -> digest of its video: by the newest analysis of its task, else of any with the same address."""
    digest = case((func.json_valid(Job.result) == 1, func.json_extract(Job.result, "$.media_digest")), else_="")
    query = select(Job.task, Job.media, digest).where(Job.state == "done").order_by(Job.updated_at, Job.id)
    of_task = {
        (task, media): str(found)
        for task, media, found in session.execute(query.where(Job.task.in_([a.task for a in annotations])))
        if found
    }
    strangers = {a.media for a in annotations if (a.task, a.media) not in of_task}
    of_media = (
        {media: str(found) for _, media, found in session.execute(query.where(Job.media.in_(strangers))) if found}
        if strangers
        else {}
    )
    known = {a.id: of_task.get((a.task, a.media)) or of_media.get(a.media, "") for a in annotations}
    return {number: found for number, found in known.items() if found}


def _task_data(session: Session, tasks: Sequence[int]) -> dict[int, Json]:
    """The data of tasks as the newest job of each knew it."""
    query = select(Job.task, Job.data).where(Job.task.in_(tasks)).order_by(Job.updated_at, Job.id)
    return {row.task: row.data for row in session.execute(query)} if tasks else {}


def _parents(session: Session, annotations: Sequence[Annotation]) -> dict[int, tuple[str, Analysis]]:
    """Prediction -> model version and analysis, of the predictions that annotations began with."""
    wanted = [a.parent_prediction for a in annotations if a.parent_prediction is not None]
    # Jobs are indexed by task, not by prediction.
    query = select(Job.prediction_id, Job.model_version, Job.result).where(Job.task.in_([a.task for a in annotations]))
    found: dict[int, tuple[str, Analysis]] = {}
    for number, version, result in session.execute(query.where(Job.prediction_id.in_(wanted))) if wanted else ():
        try:
            found[int(number or 0)] = version, load_analysis(result)
        except ResultUnreadable:
            continue
    return found


def _short(video: str) -> str:
    return hashlib.sha256(video.encode()).hexdigest()[:8]
