"""Lists of videos for people to look through: of each task the job that counts, filtered, sorted and counted in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from sqlalchemy import Engine, and_, case, func, select, true
from sqlalchemy.orm import Session

from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import Annotation, LabelledRegion, that_count
from backend.storage.runs import HAS_LEARNT, LEARNT_AT, Run
from backend.storage.summaries import RepSummary, VideoSummary
from backend.storage.video_filter import (
    IN_ROUNDED,
    InUse,
    Issue,
    State,
    VideoFilter,
    chosen,
    conditions,
    counting_jobs,
    has_issue,
    is_superseded,
)

Order = Literal["least-certain", "to-label", "newest", "most-anomalies", "file"]


@dataclass(frozen=True)
class VideoRow:
    """A job of a task, and what it says where it is done; rates in frames per second, times in seconds. rounded: how
    many repetitions have a back that looks rounded."""

    job: int
    project: int
    task: int
    media: str
    model_version: str
    state: State
    attempts: int
    error_type: str
    error_message: str
    delivery: str
    delivered_at: datetime | None
    updated_at: datetime
    reps: int | None
    anomalies: int | None
    unreliable: int | None
    confidence: float | None
    duration_s: float | None
    fps: float | None
    variable_rate: bool | None
    codec: str | None
    width: int | None
    height: int | None
    late_start_s: float | None
    media_digest: str | None
    why_none: str | None
    warning: str | None
    unplayable: str | None
    rounded: int


Kind = TypeVar("Kind", bound=str)


class RepRow(NamedTuple):
    """A repetition of an analysis, as light as thousands of them need to be; times in seconds."""

    project: int
    task: int
    job: int
    number: int
    start_s: float
    end_s: float
    score: float
    reliable: bool


_COLUMNS = (
    Job.id.label("job"), Job.project, Job.task, Job.media, Job.model_version, Job.state, Job.attempts, Job.error_type,
    Job.error_message, Job.delivery, Job.delivered_at, Job.updated_at, VideoSummary.reps, VideoSummary.anomalies,
    VideoSummary.unreliable, VideoSummary.confidence, VideoSummary.duration_s, VideoSummary.fps,
    VideoSummary.variable_rate, VideoSummary.codec, VideoSummary.width, VideoSummary.height,
    VideoSummary.late_start_s, VideoSummary.media_digest, VideoSummary.why_none, VideoSummary.warning,
    VideoSummary.unplayable,
    select(func.count()).select_from(RepSummary).where(*IN_ROUNDED).scalar_subquery().label("rounded"),
)  # fmt: skip


def first_by(in_use: InUse, rows: Iterable[VideoRow]) -> list[VideoRow]:
    """Jobs of one task, the newest first, in the order in which they count: see `counting_jobs`."""
    return sorted(rows, key=lambda row: in_use.get(row.project) != row.model_version)


def videos(
    engine: Engine, in_use: InUse, wanted: VideoFilter, order: Order = "least-certain", limit: int = 50, offset: int = 0
) -> list[VideoRow]:
    """One page of the videos that the filter lets pass."""
    with Session(engine) as session:
        query = chosen(select(*_COLUMNS), in_use, wanted).order_by(*_ORDERS[order])
        return [VideoRow(**row._mapping) for row in session.execute(query.limit(limit).offset(offset))]


def count_videos(engine: Engine, in_use: InUse, wanted: VideoFilter) -> int:
    """How many videos the filter lets pass."""
    with Session(engine) as session:
        return session.scalar(chosen(select(func.count()), in_use, wanted)) or 0


def count_each(
    engine: Engine, in_use: InUse, wanted: VideoFilter, narrower: Mapping[Kind, VideoFilter]
) -> dict[Kind, int]:
    """How many of the wanted videos each of the narrower filters lets pass as well, with one look at them all."""
    counts = (func.sum(case((and_(true(), *conditions(in_use, one)), 1), else_=0)) for one in narrower.values())
    with Session(engine) as session:
        found = session.execute(chosen(select(*counts), in_use, wanted)).one()
    return {kind: count or 0 for kind, count in zip(narrower, found, strict=True)}


def states(engine: Engine, in_use: InUse, error_types: Sequence[str] | None = None) -> dict[int, dict[str, int]]:
    """Of each project how many tasks are in each state; error_types: those alone that failed with one of them."""
    counting = counting_jobs(in_use)
    query = select(Job.project, Job.state, func.count()).join(counting, counting.c.id == Job.id)
    if error_types is not None:
        query = query.where(Job.state == "failed", Job.error_type.in_(error_types))
    found: dict[int, dict[str, int]] = {}
    with Session(engine) as session:
        for project, state, count in session.execute(query.group_by(Job.project, Job.state)):
            found.setdefault(project, {})[state] = count
    return found


def label_counts(engine: Engine) -> dict[int, dict[str, tuple[int, int]]]:
    """Of each project, by label: how many repetitions people left in annotations that count, and how many of them since
    the last training that learnt from them, or failed."""
    learnt = select(Run.project, func.max(LEARNT_AT).label("until"))
    learnt_until = learnt.where(HAS_LEARNT).group_by(Run.project).subquery()
    is_new = learnt_until.c.until.is_(None) | (Annotation.received_at > learnt_until.c.until)
    counts = func.count(), func.sum(case((is_new, 1), else_=0))
    query = select(Annotation.project, LabelledRegion.label, *counts).join(LabelledRegion)
    query = query.outerjoin(learnt_until, learnt_until.c.project == Annotation.project)
    query = query.where(Annotation.id.in_(that_count()))
    found: dict[int, dict[str, tuple[int, int]]] = {}
    with Session(engine) as session:
        for project, label, every, new in session.execute(query.group_by(Annotation.project, LabelledRegion.label)):
            found.setdefault(project, {})[label] = every, new
    return found


def current_runs(engine: Engine) -> dict[int, list[Run]]:
    """Of each project the trainings that go on or wait, and the last one that is over, with the last one that came to
    something where that one did not; the newest first."""
    is_open = Run.state.in_(("queued", "running"))
    last = select(func.max(Run.id)).where(~is_open).group_by(Run.project)
    finished = select(func.max(Run.id)).where(Run.state == "done").group_by(Run.project)
    query = select(Run).where(is_open | Run.id.in_(last) | Run.id.in_(finished)).order_by(is_open.desc(), Run.id.desc())
    found: dict[int, list[Run]] = {}
    with Session(engine, expire_on_commit=False) as session:
        for run in session.scalars(query):
            found.setdefault(run.project, []).append(run)
    return found


def outcomes(engine: Engine, in_use: InUse) -> dict[tuple[int, str, str], int]:
    """How many tasks there are, by project, state, and the name of the error where they failed."""
    counting = counting_jobs(in_use)
    query = select(Job.project, Job.state, Job.error_type, func.count()).join(counting, counting.c.id == Job.id)
    with Session(engine) as session:
        rows = session.execute(query.group_by(Job.project, Job.state, Job.error_type))
        return {(project, state, error_type): count for project, state, error_type, count in rows}


def run_counts(engine: Engine) -> dict[tuple[int, str], int]:
    """How many trainings there are and were, by project and state."""
    query = select(Run.project, Run.state, func.count()).group_by(Run.project, Run.state)
    with Session(engine) as session:
        return {(project, state): count for project, state, count in session.execute(query)}


def task_jobs(engine: Engine, task: int, project: int | None = None) -> list[VideoRow]:
    """Every job of a task, the newest first; without what a new model made needless."""
    query = select(*_COLUMNS).outerjoin(VideoSummary, VideoSummary.job_id == Job.id).where(Job.task == task)
    query = query.where(~is_superseded()).order_by(Job.updated_at.desc(), Job.id.desc())
    if project is not None:
        query = query.where(Job.project == project)
    with Session(engine) as session:
        return [VideoRow(**row._mapping) for row in session.execute(query.limit(500))]


def confidences(engine: Engine, in_use: InUse, project: int | None) -> list[float]:
    """The confidences of all analyzed videos."""
    counting = counting_jobs(in_use, project)
    query = select(VideoSummary.confidence).join(counting, counting.c.id == VideoSummary.job_id)
    with Session(engine) as session:
        return [found for found in session.scalars(query) if found is not None]


def issue_counts(engine: Engine, in_use: InUse, project: int | None) -> dict[Issue, int]:
    """How many videos have each issue."""
    names: tuple[Issue, ...] = get_args(Issue)
    counts = [func.sum(case((has_issue(name, in_use, project), 1), else_=0)) for name in names]
    query = chosen(select(*counts), in_use, VideoFilter(project))
    with Session(engine) as session:
        row = session.execute(query).one()
    return {name: count or 0 for name, count in zip(names, row, strict=True)}


def duplicates(
    engine: Engine, in_use: InUse, project: int | None, limit: int
) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Videos of equal bytes that several tasks have: the digest, and (project, task, address) of each."""
    counting = counting_jobs(in_use, project)
    several = (
        select(VideoSummary.media_digest)
        .join(counting, counting.c.id == VideoSummary.job_id)
        .where(VideoSummary.media_digest != "")
        .group_by(VideoSummary.media_digest)
        .having(func.count() > 1)
        .limit(limit)
    )
    query = select(VideoSummary.media_digest, Job.project, Job.task, Job.media).join(Job, Job.id == VideoSummary.job_id)
    query = query.join(counting, counting.c.id == Job.id).where(VideoSummary.media_digest.in_(several))
    found: dict[str, list[tuple[int, int, str]]] = {}
    with Session(engine) as session:
        for digest, its_project, task, media in session.execute(query.order_by(Job.project, Job.task)):
            found.setdefault(digest, []).append((its_project, task, media))
    return list(found.items())


def repetitions(engine: Engine, in_use: InUse, project: int | None) -> list[RepRow]:
    """Every repetition, by the job of each task that counts."""
    counting = counting_jobs(in_use, project)
    columns = (Job.project, Job.task, Job.id, RepSummary.number, RepSummary.start_s, RepSummary.end_s)
    query = select(*columns, RepSummary.score, RepSummary.reliable).join(counting, counting.c.id == Job.id)
    with Session(engine) as session:
        return [RepRow(*row) for row in session.execute(query.join(RepSummary, RepSummary.job_id == Job.id))]


def media_of_jobs(engine: Engine, jobs: Iterable[int]) -> dict[int, str]:
    """The address of each job's video."""
    found: dict[int, str] = {}
    with Session(engine) as session:
        for ids in batches(jobs):
            rows = session.execute(select(Job.id, Job.media).where(Job.id.in_(ids)))
            found |= {row.id: row.media for row in rows}
    return found


def media_of_tasks(engine: Engine, tasks: Iterable[int]) -> dict[int, str]:
    """The address of each task's video, as far as it is known."""
    found: dict[int, str] = {}
    with Session(engine) as session:
        for ids in batches(tasks):
            query = select(Job.task, Job.media).where(Job.task.in_(ids)).order_by(Job.id)
            found |= {row.task: row.media for row in session.execute(query)}
    return found


def tasks_with(engine: Engine, digests: Iterable[str]) -> set[int]:
    """The tasks, of any project, whose videos have these digests of their bytes."""
    found: set[int] = set()
    with Session(engine) as session:
        for several in batches(digests):
            query = select(Job.task).join(VideoSummary, VideoSummary.job_id == Job.id)
            found |= set(session.scalars(query.where(VideoSummary.media_digest.in_(several))))
    return found


def contents(engine: Engine, project: int) -> list[tuple[str, int]]:
    """Which bytes the videos of a project's tasks had, as far as they were analyzed: (SHA-256 in hex, task)."""
    query = select(VideoSummary.media_digest, Job.task).join(Job, Job.id == VideoSummary.job_id)
    query = query.where(Job.project == project, VideoSummary.media_digest != "").distinct()
    with Session(engine) as session:
        return [(digest, task) for digest, task in session.execute(query.order_by(Job.task))]


_ORDERS: dict[Order, tuple[Any, ...]] = {
    "least-certain": (VideoSummary.confidence.is_(None), VideoSummary.confidence, Job.id.desc()),
    # What no browser plays cannot be labelled; videos without a repetition need no labels, unless we missed one.
    "to-label": (
        VideoSummary.confidence.is_(None),
        VideoSummary.unplayable != "",
        VideoSummary.reps == 0,
        VideoSummary.confidence,
        Job.id.desc(),
    ),
    "newest": (Job.id.desc(),),
    "most-anomalies": (func.coalesce(VideoSummary.anomalies, -1).desc(), Job.id.desc()),
    "file": (Job.media, Job.id.desc()),
}
