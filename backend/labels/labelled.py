"""What people labelled, as a set to learn from: one annotation per task, and where each label comes from."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sqlalchemy.orm import Session

from backend.errors import ResultUnreadable
from backend.labels.corrections import paired
from backend.labels.events import save_annotations, store_received_events
from backend.labels.proposals import Origin, Proposals, bounds_s, origin_of, proposal_for, proposals_of
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import AnnotationsSaved, Json
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.task_data import with_value_of
from backend.storage.analysis_json import load_analysis
from backend.storage.annotation_json import refresh_data, sources, without_source
from backend.storage.jobs import Store
from backend.storage.labels import Annotation, StoredRegion, counting, of_others, rank, regions_of
from pipeline.records import RepLabel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnRep:
    """A repetition as a person left it. proposed_by: the version of the model that predicted it, "" for none. span_s:
    the seconds that it is judged by, see `proposals.bounds_s`."""

    start_s: float
    end_s: float
    label: RepLabel
    origin: Origin
    proposed_by: str
    span_s: tuple[float, float]


@dataclass(frozen=True)
class LabelledVideo:
    """A task with the repetitions of the annotation that counts. media_digest: "" while the video is not analyzed.
    contested: how many of them somebody else gave the other label."""

    task: int
    annotation: int
    annotator: int | None
    media: str
    media_digest: str
    reps: tuple[DrawnRep, ...]
    contested: int = 0


def labelled_videos(store: Store, project: int) -> list[LabelledVideo]:
    """The project's labels: of each task the annotation that counts, the highest rank first."""
    store_received_events(store)
    of_task = defaultdict[int, list[Annotation]](list)
    for annotation in store.labels.valid_annotations(project):
        of_task[annotation.task].append(annotation)
    chosen = [counting(annotations) for annotations in of_task.values()]
    others = {one.id: of_others(of_task[one.task], one) for one in chosen}
    with Session(store.engine) as session:
        began_with = proposals_of(session, chosen)
        drawn = regions_of(session, [one.id for one in (*chosen, *chain.from_iterable(others.values()))])
    results = store.latest_results([(annotation.task, annotation.media) for annotation in chosen])
    return [
        LabelledVideo(
            annotation.task,
            annotation.id,
            annotation.annotator,
            annotation.media,
            _digest_of(results.get((annotation.task, annotation.media), "")),
            _drawn(drawn.get(annotation.id, ()), began_with.get(annotation.id)),
            _contested(drawn.get(annotation.id, ()), [drawn.get(one.id, ()) for one in others[annotation.id]]),
        )
        for annotation in sorted(chosen, key=rank, reverse=True)
    ]


def pull(client: LabelStudioClient, store: Store, project: int) -> int:
    """Make the store's annotations of a project those that Label Studio has; returns how many it has.

    They are read by the labeling config that it has now; where that is not the one of the last pull, all are read anew.
    What an event said meanwhile is kept. Raises LabelStudioError, LabelConfigError.
    """
    store_received_events(store)
    known = {annotation.id: annotation for annotation in store.labels.valid_annotations(project, skipped=True)}
    deleted = store.labels.deleted_annotations()
    deleted_tasks = store.labels.deleted_tasks()
    without_origin = without_source(store.engine, list(known))
    config = client.label_config(project)
    controls = parse_controls(config)
    store.remember_project(project, config)
    before = store.labels.read_by(project)
    is_read_anew = not before or parse_controls(before) != controls
    data: dict[int, Json] = {}
    seen: set[int] = set()
    for task, stored in client.annotations(project):
        if task.id in deleted_tasks:
            store.labels.restore_task(task.id)
        for annotation in stored:
            number = int(annotation["id"])
            seen.add(number)
            ours = known.get(number)
            is_news = ours is None or ours.updated_at != str(annotation.get("updated_at") or "")
            if is_news or not annotation.get("updated_at") or number in without_origin:
                save_annotations(store, AnnotationsSaved(((annotation, task),), config))
            elif is_read_anew:
                (known_source,) = sources(store.engine, [number]).values()
                drawn = replace(task, data=with_value_of(task.data, controls.frame_rate, known_source.data))
                save_annotations(store, AnnotationsSaved(((annotation, drawn),), config))
            else:
                data[number] = task.data
    # Who lifted may be noted after the labels: task data has no time of its last change, so it is taken over each time.
    refresh_data(store.engine, data, controls.frame_rate)
    store.labels.note_read_by(project, config)
    store.labels.delete_annotations(set(known) - seen)
    # A list that changed while it was read, page by page, may have lacked them at an earlier pull.
    store.labels.restore_annotations(deleted & seen)
    return len(seen)


def _contested(mine: Sequence[StoredRegion], others: Sequence[Sequence[StoredRegion]]) -> int:
    """How many repetitions of an annotation are called otherwise in one of the others."""
    return len({one for theirs in others for one, its in paired(mine, theirs)[0] if one.label != its.label})


def _digest_of(result: str) -> str:
    """The digest of the video that a result is of; "" where there is none that can be read."""
    try:
        return load_analysis(result).media_digest if result else ""
    except ResultUnreadable:
        return ""


def _drawn(regions: Sequence[StoredRegion], proposals: Proposals | None) -> tuple[DrawnRep, ...]:
    drawn = []
    for region in regions:
        if region.start_s >= region.end_s:
            continue
        proposal = proposal_for(region, proposals.reps if proposals is not None else ())
        origin = origin_of(region, proposal, proposals is not None)
        proposed_by = proposals.model_version if proposals is not None and origin != "manual" else ""
        label: RepLabel = "normal" if region.label == "normal" else "anomalous"
        drawn.append(DrawnRep(region.start_s, region.end_s, label, origin, proposed_by, bounds_s(region, proposal)))
    return tuple(drawn)
