"""Labels that somebody should look at again: too short or long for a repetition, twice, or where no lift was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, select
from sqlalchemy.orm import Session

from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import ProjectLabels, StoredRegion
from backend.storage.summaries import VideoSummary
from pipeline.datasets.rows import MOVED_S
from pipeline.records import NO_BEGINNING, NO_END, is_same_rep, tiou

_SHORTEST_S = 0.5
_LONGEST_S = 20.0
"""Of all labelled clips that we have, repetitions last 1.2 to 6 s."""
_LATE_S = 0.2


@dataclass(frozen=True)
class OddLabel:
    """A label, and what is odd about it in words. number: of the repetition in its annotation, from 1."""

    project: int
    task: int
    media: str
    annotation: int
    annotator: int | None
    number: int
    start_s: float
    end_s: float
    label: str
    why: str


@dataclass(frozen=True)
class _Video:
    """What an analysis says of a video. nothing: why it has no repetition, in words; "" where it has some."""

    duration_s: float
    nothing: str


def odd_labels(engine: Engine, labels: ProjectLabels, in_use: str) -> list[OddLabel]:
    """The odd labels of a project's annotations, by task and time. in_use: the version of the model in use.

    Summaries of results must be up to date (`backend.storage.summaries.refresh`).
    """
    found: list[OddLabel] = []
    with Session(engine) as session:
        videos = _videos(session, {annotation.task for annotation in labels.annotations}, in_use)
    for annotation in sorted(labels.annotations, key=lambda annotation: (annotation.task, annotation.id)):
        head = annotation.project, annotation.task, annotation.media, annotation.id, annotation.annotator
        drawn, video = labels.regions.get(annotation.id, ()), videos.get((annotation.task, annotation.media))
        for number, one in enumerate(drawn, start=1):
            if why := "; ".join(_oddities(one, drawn[: number - 1], video)):
                place = *head, number
                found.append(OddLabel(*place, one.start_s, one.end_s, one.label, why))
    return found


def _videos(session: Session, tasks: Iterable[int], in_use: str) -> dict[tuple[int, str], _Video]:
    """The videos of tasks by the analysis that can be read of the model in use, or else by the newest; by task and
    address."""
    found: dict[tuple[int, str], _Video] = {}
    for ids in batches(tasks):
        query = select(Job.task, Job.media, VideoSummary.duration_s, VideoSummary.reps, VideoSummary.why_none)
        query = query.join(VideoSummary, VideoSummary.job_id == Job.id).where(Job.task.in_(ids), Job.state == "done")
        query = query.where(VideoSummary.confidence.is_not(None))
        query = query.order_by(case((Job.model_version == in_use, 1), else_=0), Job.updated_at, Job.id)
        for task, media, duration_s, reps, nothing in session.execute(query):
            found[task, media] = _Video(duration_s, "" if reps else nothing or "nobody lifts")
    return found


def _oddities(region: StoredRegion, earlier: Sequence[StoredRegion], video: _Video | None) -> Iterator[str]:
    lasts_s = region.end_s - region.start_s
    if lasts_s < _SHORTEST_S:
        yield f"lasts {max(lasts_s, 0.0):.1f} s only"
    if lasts_s > _LONGEST_S:
        yield f"lasts {lasts_s:.0f} s"
    if twice := _twice(region, earlier):
        yield twice
    if video is None:
        return
    if region.end_s > video.duration_s + _LATE_S:
        yield f"ends after the video, which has {video.duration_s:.1f} s"
    # What the model saw of a lift is no repetition to it, but may well be one to people.
    if video.nothing and video.nothing not in (NO_END, NO_BEGINNING):
        yield f"the model found no lift in the video: {video.nothing}"


def _twice(region: StoredRegion, earlier: Sequence[StoredRegion]) -> str:
    shared, number = max(((tiou(other, region), n) for n, other in enumerate(earlier, start=1)), default=(0.0, 0))
    if number and is_same_rep(earlier[number - 1], region):
        return f"is where repetition {number} is"
    if shared > 0 and min(earlier[number - 1].end_s, region.end_s) - region.start_s > MOVED_S:
        return f"overlaps repetition {number}"
    return ""
