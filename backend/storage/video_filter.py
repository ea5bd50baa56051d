"""Which videos are meant: of each task the job that counts, narrowed down in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, String, Subquery, case, cast, func, select, tuple_

from backend.storage.jobs import Job
from backend.storage.labels import Annotation, LabelledRegion
from backend.storage.summaries import RepSummary, VideoSummary
from pipeline.records import CUT_SHORT, ROUNDED_BOW, TWO_PEOPLE

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
    "cut-short",
    "unreadable",
]
Labelled = Literal["yes", "no", "normal", "anomalous"]

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


_DIGITS = 19
"""Of the smallest number that the database does not hold."""

IN_ROUNDED = (RepSummary.job_id == Job.id, RepSummary.back_bow >= ROUNDED_BOW)
"""A repetition of the job whose back looks rounded."""


def failed_with(wanted: VideoFilter, error_types: tuple[str, ...]) -> VideoFilter:
    """Those of the wanted videos that failed with one of these errors."""
    return replace(wanted, state=wanted.state or "failed", error_types=error_types)


def counting_jobs(in_use: InUse, project: int | None = None) -> Subquery:
    """The id of the job of each task that counts: the newest by the model in use, where there is none the newest.

    After a roll-back the model in use is not the one of the last analysis. What a new model made needless is left out.
    """
    is_in_use = tuple_(Job.project, Job.model_version).in_(list(in_use.items()))
    rank = case((is_in_use, "1"), else_="0").concat(cast(Job.updated_at, String)).concat(func.printf("%019d", Job.id))
    # Beside max() SQLite gives other columns of the row that has it: a fifth of the time that row_number() takes.
    query = select(Job.id, func.max(rank).label("rank")).where(~is_superseded()).group_by(Job.project, Job.task)
    if project is not None:
        query = query.where(Job.project == project)
    return query.subquery()


def is_superseded() -> ColumnElement[bool]:
    """Of a job that a new model made needless before it was done."""
    return (Job.state == "failed") & (Job.error_type == "Superseded")


def chosen(query: Any, in_use: InUse, wanted: VideoFilter) -> Any:
    """The query, of the job of each task that counts and its summary, narrowed down to the videos that are wanted."""
    counting = counting_jobs(in_use, wanted.project)
    query = query.select_from(Job).join(counting, counting.c.id == Job.id)
    return query.outerjoin(VideoSummary, VideoSummary.job_id == Job.id).where(*conditions(in_use, wanted))


def conditions(in_use: InUse, wanted: VideoFilter) -> list[ColumnElement[bool]]:
    """What holds of the job of a video, and of its summary, that the filter lets pass; but for its project."""
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
        found.append(has_issue(wanted.issue, in_use, wanted.project))
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
    """No subquery looks at the job itself: each is worked out once, not for every video."""
    theirs = select(Annotation.project, Annotation.task).where(~Annotation.deleted, ~Annotation.was_cancelled)
    tasks = theirs.distinct().subquery()
    labelled = select(tasks.c.project, tasks.c.task, VideoSummary.media_digest)
    labelled = labelled.join(Job, (Job.task == tasks.c.task) & (Job.project == tasks.c.project))
    labelled = labelled.join(VideoSummary, VideoSummary.job_id == Job.id)
    files = labelled.where(VideoSummary.media_digest != "").distinct().subquery()
    of_any = select(files.c.project, files.c.media_digest)
    of_several = of_any.group_by(files.c.project, files.c.media_digest).having(func.count() > 1)
    # Of a video that was not analyzed nothing is known: no copy.
    digest = func.coalesce(VideoSummary.media_digest, "")
    its_file, itself = tuple_(Job.project, digest), tuple_(Job.project, Job.task, digest)
    is_labelled = itself.in_(select(files.c.project, files.c.task, files.c.media_digest))
    return its_file.in_(of_several) | (its_file.in_(of_any) & ~is_labelled)


def has_issue(name: Issue, in_use: InUse, project: int | None) -> ColumnElement[bool]:
    """Of a job, with its summary, whose video has the issue."""
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
        return VideoSummary.warning.contains(TWO_PEOPLE)
    if name == "cut-short":
        return VideoSummary.warning.contains(CUT_SHORT)
    if name == "late-start":
        return is_done & (VideoSummary.late_start_s > 0)
    if name == "not-judged":
        return is_done & (VideoSummary.unreliable > 0)
    if name == "rounded-back":
        return is_done & select(RepSummary.number).where(*IN_ROUNDED).exists()
    if name == "no-repetitions":
        return is_done & (VideoSummary.reps == 0) & VideoSummary.confidence.is_not(None)
    return is_done & VideoSummary.confidence.is_(None)
