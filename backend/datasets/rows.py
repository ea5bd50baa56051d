"""The labels of a project as rows of a dataset, read from the database a few hundred tasks at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from backend.datasets import queries
from backend.errors import LabelConfigError
from backend.labels.proposals import Proposals, origin_of, proposal_for, proposals_of, shifts_s
from backend.labels.region_notes import Provenance, RegionNotes, region_notes
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.file_names import name_for_files
from backend.labelstudio.format import Json, UnusedRegion, unused_regions
from backend.labelstudio.labeling_config import DEFAULT_RATE, Controls, effective_rate, parse_controls
from backend.storage.annotation_json import sources
from backend.storage.database import batches
from backend.storage.jobs import Store
from backend.storage.labels import Annotation, StoredRegion, of_others, rank, regions_of
from pipeline.datasets.filters import Filters
from pipeline.datasets.frames import nearest_frames
from pipeline.datasets.rows import ExportedRep, split_group, split_of, video_name
from pipeline.records import is_same_rep


@dataclass(frozen=True)
class ChosenVideo:
    """The annotation of a video that counts, and the name of the video's files."""

    annotation: int
    name: str


@dataclass(frozen=True)
class LabelChoice:
    """What of a project's annotations goes into a dataset: by task. repeated: tasks whose video another one has too."""

    videos: dict[int, ChosenVideo]
    repeated: tuple[int, ...]


@dataclass(frozen=True)
class LabelledTask:
    """A task with the repetitions of the annotation that counts, in order; rate: None where it is not known.
    unused: its regions with labels that are not used."""

    task: int
    media: str
    digest: str
    data: Json
    result: tuple[Json, ...]
    lead_time: float | None
    rate: float | None
    rows: tuple[ExportedRep, ...]
    unused: tuple[UnusedRegion, ...]
    provenance: dict[str, Provenance]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The annotation of a task that counts. video: digest of its content, else its address; name: for its files."""

    task: int
    annotation: int
    video: str
    name: str
    rank: tuple[bool, bool, str, int]


@dataclass(frozen=True)
class _FoundAnnotation:
    """What the database has of a chosen annotation.

    name: of the video's files. by_others: the regions of each other annotator. data: the task's, None where it is not
    known. result: the annotation's regions in Label Studio's JSON, empty where it is not kept.
    """

    annotation: Annotation
    name: str
    digest: str
    regions: tuple[StoredRegion, ...]
    by_others: tuple[Sequence[StoredRegion], ...]
    data: Json | None
    result: tuple[Json, ...]
    lead_time: float | None
    proposals: Proposals | None


def choose(store: Store, project: int, filters: Filters | None = None) -> LabelChoice:
    """The annotations that training would learn from: of each task, and of tasks with the same video, the one that
    counts; where filters leave some of them out, of those that they leave."""
    candidates = _candidates(store, project, filters or Filters())
    seen: set[str] = set()
    repeated = []
    for one in sorted(candidates, key=lambda one: one.rank, reverse=True):
        if one.video in seen:
            repeated.append(one.task)
        seen.add(one.video)
    left_out = set(repeated)
    kept = sorted((one for one in candidates if one.task not in left_out), key=lambda one: one.task)
    names = Counter(one.name for one in kept)
    videos = {
        one.task: ChosenVideo(one.annotation, one.name if names[one.name] == 1 else f"{one.name}-{_short(one.video)}")
        for one in kept
    }
    return LabelChoice(videos, tuple(sorted(repeated)))


def _candidates(store: Store, project: int, filters: Filters) -> list[_Candidate]:
    """Of each task the annotation that counts, of those that pass the filters, if any does."""

    def passing_first(one: Annotation) -> tuple[bool, bool, str, int]:
        return filters.of_annotation(one.annotator, one.updated_at, one.ground_truth), *rank(one)

    found = []
    with Session(store.engine) as session:
        for tasks in queries.task_batches(session, project):
            best = [max(group, key=passing_first) for group in queries.of_tasks(session, project, tasks)]
            digests = queries.digests(session, best)
            for a in best:
                name = video_name(name_for_files(a.media))
                found.append(_Candidate(a.task, a.id, digests.get(a.id, "") or a.media, name, passing_first(a)))
    return found


def labelled_tasks(
    store: Store, project: int, choice: LabelChoice, controls: Controls, lifter_key: str
) -> Iterator[LabelledTask]:
    """The chosen annotations with their repetitions, by task; without those that were deleted or skipped meanwhile.

    lifter_key: the task data that names the lifter.
    """
    with Session(store.engine) as session:
        for tasks in batches(choice.videos, queries.BATCH):
            for found in _found(session, store, project, tasks, choice):
                yield _labelled_task(found, controls, lifter_key)
            session.expunge_all()


def _found(
    session: Session, store: Store, project: int, tasks: Sequence[int], choice: LabelChoice
) -> Iterator[_FoundAnnotation]:
    """What the database has of the chosen annotations of some hundred tasks."""
    groups = {
        annotation: group
        for group in queries.of_tasks(session, project, tasks)
        for annotation in group
        if annotation.id == choice.videos[annotation.task].annotation
    }
    chosen = list(groups)
    regions = regions_of(session, [one.id for group in groups.values() for one in group])
    json_of = sources(store.engine, [annotation.id for annotation in chosen])
    digests = queries.digests(session, chosen)
    data = queries.task_data(session, [a.task for a in chosen if a.id not in json_of])
    began_with = proposals_of(session, chosen)
    for annotation, group in groups.items():
        source = json_of.get(annotation.id)
        yield _FoundAnnotation(
            annotation=annotation,
            name=choice.videos[annotation.task].name,
            digest=digests.get(annotation.id, ""),
            regions=tuple(regions.get(annotation.id, [])),
            by_others=tuple(regions.get(other.id, []) for other in of_others(group, annotation)),
            data=source.data if source is not None else data.get(annotation.task),
            result=tuple(source.result) if source is not None else (),
            lead_time=source.lead_time if source is not None else None,
            proposals=began_with.get(annotation.id),
        )


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


def _labelled_task(found: _FoundAnnotation, controls: Controls, lifter_key: str) -> LabelledTask:
    """The repetitions of an annotation as rows; regions without a duration are left out and not counted."""
    annotation = found.annotation
    rate = effective_rate(controls, found.data) if found.data is not None else None
    lifter = _lifter(found.data, lifter_key)
    video = shown_address(annotation.media)
    split = split_of(split_group(lifter, found.digest, video))
    notes_of = region_notes(found.result, controls)
    rows, provenances = [], {}
    for number, region in enumerate((one for one in found.regions if 0 <= one.start_s < one.end_s), 1):
        notes = notes_of.get(region.region, RegionNotes())
        provenance = _provenance(region, notes.provenance, found)
        proposal = provenance.proposal
        shifts = shifts_s(region, proposal) if proposal is not None else (None, None)
        frames = nearest_frames(region.start_s, region.end_s, rate) if rate is not None else (None, None)
        row = ExportedRep(
            rep=f"{found.name}_rep_{number}",
            video=video,
            digest=found.digest,
            name=found.name,
            number=number,
            start_s=region.start_s,
            end_s=region.end_s,
            label="normal" if region.label == "normal" else "anomalous",
            origin=origin_of(region, proposal, provenance.model_version != ""),
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
            start_shift_s=shifts[0],
            end_shift_s=shifts[1],
            ground_truth=annotation.ground_truth,
            lifter=lifter,
            # A tick that stayed on a repetition which somebody then called normal is no fault.
            faults=tuple(notes.faults) if region.label == "anomalous" else (),
            note="\n".join(notes.notes),
        )
        rows.append(row)
        provenances[row.rep] = provenance
    return LabelledTask(
        task=annotation.task,
        media=annotation.media,
        digest=found.digest,
        data=found.data or {},
        result=found.result,
        lead_time=found.lead_time,
        rate=rate,
        rows=tuple(rows),
        unused=unused_regions(list(found.result), controls, rate or DEFAULT_RATE),
        provenance=provenances,
    )


def _lifter(data: Json | None, key: str) -> str:
    """The lifter's name in the task data, "" for none."""
    named = (data or {}).get(key)
    return "" if named is None else str(named).strip()


def _provenance(region: StoredRegion, noted: Provenance | None, found: _FoundAnnotation) -> Provenance:
    """Where a region comes from: by the prediction that its annotation names, else as an earlier export noted, else by
    what its task had when the annotation was begun."""
    agreement = _agreement(region, found.by_others)
    if agreement is None and noted is not None:
        agreement = noted.agreement
    proposals = found.proposals
    if region.origin == "manual" and proposal_for(region, proposals.reps if proposals else ()) is None:
        return Provenance(agreement=agreement)
    if noted is not None and (proposals is None or not proposals.is_named):
        return replace(noted, agreement=agreement)
    if proposals is None:
        return Provenance(agreement=agreement)
    return Provenance(proposals.model_version, proposal_for(region, proposals.reps), agreement)


def _agreement(region: StoredRegion, others: Sequence[Sequence[StoredRegion]]) -> float | None:
    """The share of other annotators' annotations that have the repetition with the same label; None without any."""
    if not others:
        return None
    agreeing = sum(
        any(other.label == region.label and is_same_rep(other, region) for other in regions) for regions in others
    )
    return agreeing / len(others)


def _short(video: str) -> str:
    return hashlib.sha256(video.encode()).hexdigest()[:8]
