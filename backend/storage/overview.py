"""Lists of videos for people to look through: of each task the job that counts, filtered, sorted and counted in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Engine, String, Subquery, case, cast, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import Annotation, LabelledRegion, that_count
from backend.storage.runs import LEARNT_NOTHING, Run
from backend.storage.summaries import RepSummary, VideoSummary
from pipeline.records import ROUNDED_BOW

State = Literal["queued", "running", "done", "failed"]
Issue = Literal[
    "duplicate",
    "codec",
    "variable-rate",
    "low-rate",
    "late-start",
    "not-judged",
    "rounded-back",
    "no-repetitions",
    "two-lifters",
    "unreadable",
]
Labelled = Literal["yes", "no", "normal", "anomalous"]
Order = Literal["least-certain", "to-label", "newest", "most-anomalies", "file"]

InUse = Mapping[int, str]
"""The version of the model in use, at its rate of false alarms, by project."""

LOW_FPS = 15.0
"""Below it the moments of a lift lie too far apart to be cut well."""


@dataclass(frozen=True)
class VideoFilter:
    """Which videos; None and "" stand for all.

    text: part of the address, or the number of the task. score: at least one repetition that could be judged has a
    score in [first, second), or up to 1 where second is 1. confidence: the same of the video's. anomalous: whether a
    repetition was called anomalous. annotator: who labelled it. model: the version of the job that counts. error_types:
    why it failed, as names of exceptions. copy_of_labelled: whether another task of the project that people labelled
    has a video of equal bytes.
    """

    project: int | None = None
    state: State | None = None
    text: str = ""
    issue: Issue | None = None
    labelled: Labelled | None = None
    annotator: int | None = None
    anomalous: bool | None = None
    score: tuple[float, float] | None = None
    confidence: tuple[float, float] | None = None
    model: str = ""
    error_types: tuple[str, ...] | None = None
    copy_of_labelled: bool | None = None


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


_DIGITS = 19
"""Of the smallest number that the database does not hold."""

_IN_ROUNDED = (RepSummary.job_id == Job.id, RepSummary.back_bow >= ROUNDED_BOW)

_COLUMNS = (
    Job.id.label("job"), Job.project, Job.task, Job.media, Job.model_version, Job.state, Job.attempts, Job.error_type,
    Job.error_message, Job.delivery, Job.delivered_at, Job.updated_at, VideoSummary.reps, VideoSummary.anomalies,
    VideoSummary.unreliable, VideoSummary.confidence, VideoSummary.duration_s, VideoSummary.fps,
    VideoSummary.variable_rate, VideoSummary.codec, VideoSummary.width, VideoSummary.height,
    VideoSummary.late_start_s, VideoSummary.media_digest, VideoSummary.why_none, VideoSummary.warning,
    VideoSummary.unplayable,
    select(func.count()).select_from(RepSummary).where(*_IN_ROUNDED).scalar_subquery().label("rounded"),
)  # fmt: skip


def counting_jobs(in_use: InUse, project: int | None = None) -> Subquery:
    """The id of the job of each task that counts: the newest by the model in use, where there is none the newest.

    After a roll-back the model in use is not the one of the last analysis. What a new model made needless is left out.
    """
    is_in_use = tuple_(Job.project, Job.model_version).in_(list(in_use.items()))
    rank = case((is_in_use, "1"), else_="0").concat(cast(Job.updated_at, String)).concat(func.printf("%019d", Job.id))
    # Beside max() SQLite gives other columns of the row that has it: a fifth of the time that row_number() takes.
    query = select(Job.id, func.max(rank).label("rank")).where(~_is_superseded()).group_by(Job.project, Job.task)
    if project is not None:
        query = query.where(Job.project == project)
    return query.subquery()


def first_by(in_use: InUse, rows: Iterable[VideoRow]) -> list[VideoRow]:
    """Jobs of one task, the newest first, in the order in which they count: see `counting_jobs`."""
    return sorted(rows, key=lambda row: in_use.get(row.project) != row.model_version)


def _is_superseded() -> ColumnElement[bool]:
    return (Job.state == "failed") & (Job.error_type == "Superseded")


def videos(
    engine: Engine, in_use: InUse, wanted: VideoFilter, order: Order = "least-certain", limit: int = 50, offset: int = 0
) -> list[VideoRow]:
    """One page of the videos that the filter lets pass."""
    with Session(engine) as session:
        query = _chosen(select(*_COLUMNS), in_use, wanted).order_by(*_ORDERS[order])
        return [VideoRow(**row._mapping) for row in session.execute(query.limit(limit).offset(offset))]


def count_videos(engine: Engine, in_use: InUse, wanted: VideoFilter) -> int:
    """How many videos the filter lets pass."""
    with Session(engine) as session:
        return session.scalar(_chosen(select(func.count()), in_use, wanted)) or 0


def failed_with(wanted: VideoFilter, error_types: tuple[str, ...]) -> VideoFilter:
    """Those of the wanted videos that failed with one of these errors."""
    return replace(wanted, state=wanted.state or "failed", error_types=error_types)


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
    learnt = select(Run.project, func.max(func.coalesce(Run.labels_at, Run.created_at)).label("until"))
    learnt_until = learnt.where(Run.state.not_in(LEARNT_NOTHING)).group_by(Run.project).subquery()
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
    """Of each project the trainings that go on or wait, and the last one that is over; the newest first."""
    is_open = Run.state.in_(("queued", "running"))
    last = select(func.max(Run.id)).where(~is_open).group_by(Run.project)
    query = select(Run).where(is_open | Run.id.in_(last)).order_by(is_open.desc(), Run.id.desc())
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
    query = query.where(~_is_superseded()).order_by(Job.updated_at.desc(), Job.id.desc())
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
    counts = [func.sum(case((_issue(name, in_use, project), 1), else_=0)) for name in names]
    query = _chosen(select(*counts), in_use, VideoFilter(project))
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


def _chosen(query: Any, in_use: InUse, wanted: VideoFilter) -> Any:
    """The query, of the job of each task that counts and its summary, narrowed down to the videos that are wanted."""
    counting = counting_jobs(in_use, wanted.project)
    query = query.select_from(Job).join(counting, counting.c.id == Job.id)
    return query.outerjoin(VideoSummary, VideoSummary.job_id == Job.id).where(*_conditions(in_use, wanted))


def _conditions(in_use: InUse, wanted: VideoFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(Job.state == wanted.state)
    if wanted.model:
        found.append(Job.model_version == wanted.model)
    if wanted.error_types is not None:
        found.append((Job.state == "failed") & Job.error_type.in_(wanted.error_types))
    if wanted.text:
        named = Job.media.contains(wanted.text, autoescape=True)
        is_number = wanted.text.isdecimal() and len(wanted.text) < _DIGITS
        found.append(named | (Job.task == int(wanted.text)) if is_number else named)
    if wanted.issue is not None:
        found.append(_issue(wanted.issue, in_use, wanted.project))
    if wanted.anomalous is not None:
        found.append(VideoSummary.anomalies > 0 if wanted.anomalous else VideoSummary.anomalies == 0)
    if wanted.labelled is not None or wanted.annotator is not None:
        found.append(_labelled(wanted.labelled, wanted.annotator))
    if wanted.copy_of_labelled is not None:
        is_copy = _is_copy_of_labelled()
        found.append(is_copy if wanted.copy_of_labelled else ~is_copy)
    if wanted.confidence is not None:
        found.append(_within(VideoSummary.confidence, wanted.confidence))
    if wanted.score is not None:
        inside = _within(RepSummary.score, wanted.score) & RepSummary.reliable
        found.append(select(RepSummary.number).where(RepSummary.job_id == Job.id, inside).exists())
    return found


def _within(value: Any, bounds: tuple[float, float]) -> ColumnElement[bool]:
    low, high = bounds
    inside: ColumnElement[bool] = (value >= low) & ((value <= high) if high >= 1.0 else (value < high))
    return inside


def _labelled(kind: Labelled | None, annotator: int | None) -> ColumnElement[bool]:
    query = select(Annotation.project, Annotation.task).where(~Annotation.deleted, ~Annotation.was_cancelled)
    if annotator is not None:
        query = query.where(Annotation.annotator == annotator)
    if kind in ("normal", "anomalous"):
        query = query.join(LabelledRegion).where(LabelledRegion.label == kind)
    place = tuple_(Job.project, Job.task)
    return place.not_in(query) if kind == "no" else place.in_(query)


def _is_copy_of_labelled() -> ColumnElement[bool]:
    other, its = aliased(Job), aliased(VideoSummary)
    labelled = select(Annotation.id).where(
        Annotation.project == other.project,
        Annotation.task == other.task,
        ~Annotation.deleted,
        ~Annotation.was_cancelled,
    )
    query = select(its.job_id).join(other, other.id == its.job_id)
    query = query.where(
        VideoSummary.media_digest != "",
        its.media_digest == VideoSummary.media_digest,
        other.project == Job.project,
        other.task != Job.task,
        labelled.exists(),
    )
    # Of a video that was not analyzed nothing is known: no copy.
    return query.correlate(Job, VideoSummary).exists()


def _issue(name: Issue, in_use: InUse, project: int | None) -> ColumnElement[bool]:
    is_done = Job.state == "done"
    if name == "duplicate":
        counting = counting_jobs(in_use, project)
        several = select(VideoSummary.media_digest).join(counting, counting.c.id == VideoSummary.job_id)
        several = several.where(VideoSummary.media_digest != "").group_by(VideoSummary.media_digest)
        return is_done & VideoSummary.media_digest.in_(several.having(func.count() > 1))
    if name == "codec":
        return is_done & (VideoSummary.unplayable != "")
    if name == "variable-rate":
        return is_done & VideoSummary.variable_rate
    if name == "low-rate":
        return is_done & (VideoSummary.fps > 0) & (VideoSummary.fps < LOW_FPS)
    if name == "two-lifters":
        return VideoSummary.warning != ""
    if name == "late-start":
        return is_done & (VideoSummary.late_start_s > 0)
    if name == "not-judged":
        return is_done & (VideoSummary.unreliable > 0)
    if name == "rounded-back":
        return is_done & select(RepSummary.number).where(*_IN_ROUNDED).exists()
    if name == "no-repetitions":
        return is_done & (VideoSummary.reps == 0) & VideoSummary.confidence.is_not(None)
    return is_done & VideoSummary.confidence.is_(None)


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
