"""Jobs that wait to be taken up: failed ones, predictions that Label Studio lacks, and those of a model of before.

There may be a hundred thousand of them, so no more are read than there is room for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, select, text, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from backend.labelstudio.format import Task
from backend.storage.database import batches, now
from backend.storage.jobs import Job, new_job
from backend.storage.summaries import VideoSummary

_ROWS = 1000


class Failure(NamedTuple):
    """As much of a failed job as says whether it is to be tried again."""

    id: int
    error_type: str
    attempts: int
    updated_at: datetime


class JobVersion(NamedTuple):
    """Which model of which project a job is for."""

    id: int
    project: int
    model_version: str


def failed_projects(engine: Engine, error_types: Collection[str]) -> list[int]:
    """The projects that have jobs which failed with one of these errors."""
    query = select(Job.project).where(Job.state == "failed", Job.error_type.in_(error_types))
    with Session(engine) as session:
        return list(session.scalars(query.distinct().order_by(Job.project)))


def failed_jobs(
    engine: Engine,
    project: int,
    error_types: Collection[str],
    is_wanted: Callable[[Failure], bool],
    limit: int,
) -> Sequence[Job]:
    """The oldest jobs of a project that failed with one of these errors and are wanted, so many at most."""
    query = select(Job.id, Job.error_type, Job.attempts, Job.updated_at).order_by(Job.id)
    query = query.where(Job.state == "failed", Job.error_type.in_(error_types), Job.project == project)
    wanted: list[int] = []
    with Session(engine, expire_on_commit=False) as session:
        for row in session.execute(query.execution_options(yield_per=_ROWS)):
            if len(wanted) >= limit:
                break
            if is_wanted(Failure(*row)):
                wanted.append(row.id)
        chosen = (select(Job).where(Job.id.in_(ids)).order_by(Job.id) for ids in batches(wanted))
        return [job for each in chosen for job in session.scalars(each)]


def undelivered_jobs(
    engine: Engine, project: int, model_version: str, config: str, after: int = 0, limit: int = -1
) -> list[int]:
    """Finished jobs of a project that Label Studio is not known to have the prediction of: their ids, in order, so many
    of those above `after`."""
    # As text: the index of these jobs alone is not used where the values are given beside the statement.
    query = select(Job.id).where(Job.project == project, text("jobs.state = 'done' AND jobs.delivery != 'pushed'"))
    query = query.where(Job.model_version == model_version, Job.config == config, Job.id > after)
    with Session(engine) as session:
        return list(session.scalars(query.order_by(Job.id).limit(limit)))


def unreadable_jobs(engine: Engine, project: int, model_version: str, limit: int) -> list[int]:
    """Finished jobs of a project and a model whose result cannot be read, as summaries have it: their ids, so many at
    most."""
    query = select(Job.id).join(VideoSummary, VideoSummary.job_id == Job.id)
    query = query.where(Job.project == project, Job.model_version == model_version, Job.state == "done")
    with Session(engine) as session:
        return list(session.scalars(query.where(VideoSummary.confidence.is_(None)).order_by(Job.id).limit(limit)))


def versions_of(engine: Engine, job_ids: Iterable[int]) -> list[JobVersion]:
    """What the jobs are for; without those that were forgotten."""
    with Session(engine) as session:
        return [
            JobVersion(*row)
            for ids in batches(job_ids)
            for row in session.execute(select(Job.id, Job.project, Job.model_version).where(Job.id.in_(ids)))
        ]


def hand_over(engine: Engine, job_ids: Sequence[int], model_version: str, config: str) -> list[Job]:
    """Have jobs that are not done be those of another model and configuration; returns them.

    Those whose video another job is for already, by that model, fail: they are not needed. Of one that has a prediction
    in Label Studio another job is made: that prediction stays what its own model found.
    """
    handed: list[Job] = []
    with Session(engine, expire_on_commit=False) as session, session.begin():
        for ids in batches(job_ids):
            open_ones = update(Job).where(Job.id.in_(ids), Job.state != "done")
            stored = (Job.state != "done") & Job.prediction_id.is_not(None)
            for job in session.scalars(select(Job).where(Job.id.in_(ids), stored)).all():
                row = new_job(Task(job.task, job.project, job.data), job.media, model_version, config)
                handed += session.scalars(insert(Job).on_conflict_do_nothing().returning(Job), [row])
            unchanged = {"synchronize_session": False}
            session.execute(
                open_ones.where(Job.prediction_id.is_(None))
                .prefix_with("OR IGNORE")
                .values(
                    model_version=model_version,
                    config=config,
                    state="queued",
                    error_type="",
                    error_message="",
                    updated_at=now(),
                ),
                execution_options=unchanged,
            )
            is_of_it = (Job.model_version == model_version) & (Job.config == config)
            message = f"The model is {model_version} now, by which this video has another job."
            session.execute(
                open_ones.where(~is_of_it).values(
                    state="failed", error_type="Superseded", error_message=message, updated_at=now()
                ),
                execution_options=unchanged,
            )
            handed += session.scalars(select(Job).where(Job.id.in_(ids), Job.state == "queued", is_of_it))
    return handed
