"""The labels of a project as rows of a dataset, read from the database a few hundred tasks at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.datasets import queries as queries
from backend.datasets.label_studio_json import Proposal, Provenance, RegionNotes, region_notes, to_frame_range
from backend.errors import LabelConfigError
from backend.labels.labelled import counting, origin_of, rank
from backend.labelstudio.format import Json
from backend.labelstudio.labeling_config import Controls, effective_rate, parse_controls
from backend.labelstudio.media import shown_address
from backend.storage.annotation_json import AnnotationSource, sources
from backend.storage.database import batches
from backend.storage.jobs import Store
from backend.storage.labels import Annotation
from pipeline.datasets.rows import ExportedRep, split_group, split_of, video_name
from pipeline.records import Analysis, tiou

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
class LabelledTask:
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


def choose(store: Store, project: int) -> Choice:
    """The annotations that training would learn from: of each task, and of tasks with the same video, the one that
    counts."""
    found: dict[int, tuple[int, str, str]] = {}
    ranks: dict[int, tuple[bool, str, int]] = {}
    repeated = []
    with Session(store.engine) as session:
        for tasks in queries.task_batches(session, project):
            chosen = [counting(group) for group in queries.of_tasks(session, project, tasks)]
            digests = queries.digests(session, chosen)
            for annotation in chosen:
                digest = digests.get(annotation.id, "")
                found[annotation.task] = annotation.id, digest or annotation.media, video_name(annotation.media)
                ranks[annotation.task] = rank(annotation)
    seen: set[str] = set()
    for task in sorted(found, key=lambda task: ranks[task], reverse=True):
        video = found[task][1]
        if video in seen:
            repeated.append(task)
        seen.add(video)
    for task in repeated:
        del found[task]
    names = Counter(name for _, _, name in found.values())
    videos = {
        task: ChosenVideo(annotation_id, name if names[name] == 1 else f"{name}-{_short(video)}")
        for task, (annotation_id, video, name) in sorted(found.items())
    }
    return Choice(videos, tuple(sorted(repeated)))


def labelled_tasks(
    store: Store, project: int, choice: Choice, controls: Controls, lifter_key: str
) -> Iterator[LabelledTask]:
    """The chosen annotations with their repetitions, by task; without those that were deleted or skipped meanwhile.

    lifter_key: the task data that names the lifter.
    """
    with Session(store.engine) as session:
        for tasks in batches(choice.videos, queries.BATCH):
            groups = {
                annotation: group
                for group in queries.of_tasks(session, project, tasks)
                for annotation in group
                if annotation.id == choice.videos[annotation.task].annotation
            }
            chosen = list(groups)
            regions = queries.regions(session, [one.id for group in groups.values() for one in group])
            words = sources(store.engine, [annotation.id for annotation in chosen])
            digests = queries.digests(session, chosen)
            data = queries.task_data(session, [a.task for a in chosen if a.id not in words])
            parents = queries.parents(session, chosen)
            for annotation, group in groups.items():
                source = words.get(annotation.id)
                known = source.data if source is not None else data.get(annotation.task)
                others = [regions.get(other.id, []) for other in _of_others(group, annotation)]
                yield _labelled_task(
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


def _of_others(group: Sequence[Annotation], annotation: Annotation) -> list[Annotation]:
    """Of each other annotator of the task the annotation that counts."""
    best: dict[int | None, Annotation] = {}
    for other in sorted(group, key=rank):
        if other.annotator != annotation.annotator:
            best[other.annotator] = other
    return list(best.values())


def _labelled_task(
    annotation: Annotation,
    name: str,
    digest: str,
    regions: Sequence[queries.Region],
    others: Sequence[Sequence[queries.Region]],
    source: AnnotationSource | None,
    data: Json | None,
    parent: tuple[str, Analysis] | None,
    controls: Controls,
    lifter_key: str,
) -> LabelledTask:
    rate = effective_rate(controls, data) if data is not None else None
    result = tuple(source.result) if source is not None else ()
    said = region_notes(result, controls)
    named = (data or {}).get(lifter_key)
    lifter = "" if named is None else str(named).strip()
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
        provenances[row.rep] = provenance
    return LabelledTask(
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
    region: queries.Region,
    noted: Provenance | None,
    proposals: Sequence[Proposal] | None,
    version: str,
    others: Sequence[Sequence[queries.Region]],
) -> Provenance:
    """Where a region comes from: by the prediction that its annotation began with, else as an earlier export noted."""
    agreement = _agreement(region, others)
    if agreement is None and noted is not None:
        agreement = noted.agreement
    if region.origin == "manual":
        return Provenance(agreement=agreement)
    if proposals is None:
        return Provenance(noted.model_version, noted.proposal, agreement) if noted else Provenance(agreement=agreement)
    overlap, best = max(((tiou(one, region), number) for number, one in enumerate(proposals)), default=(0.0, 0))
    return Provenance(version, proposals[best] if overlap >= _SAME_REP else None, agreement)


def _agreement(region: queries.Region, others: Sequence[Sequence[queries.Region]]) -> float | None:
    """The share of other annotators' annotations that have the repetition with the same label; None without any."""
    if not others:
        return None
    agreeing = sum(
        any(other.label == region.label and tiou(other, region) >= _SAME_REP for other in regions) for regions in others
    )
    return agreeing / len(others)


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


def _short(video: str) -> str:
    return hashlib.sha256(video.encode()).hexdigest()[:8]
