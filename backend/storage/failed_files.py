"""What the last archive runs failed with, without a result that the list of videos shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Integer, case, cast, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from backend.storage.jobs import Job
from backend.storage.ledger import OF_PROJECT, Entry
from backend.storage.summaries import VideoSummary


@dataclass(frozen=True)
class FailedFile:
    """A video of an archive run whose last attempt failed. source, media: see `Source`. task: None for none."""

    project: int
    source: str
    media: str
    task: int | None
    attempts: int
    error_message: str
    updated_at: datetime


def failed_files(
    engine: Engine, project: int | None = None, text: str = "", limit: int = -1
) -> tuple[int, Sequence[FailedFile]]:
    """How many files there are, and the newest of them. text: part of the name, or of why it failed.

    Those of the last run into each project: what that no longer had may be gone from the disk. What succeeded, with
    whichever model, is left out, and so is a file whose bytes another one of the project has.
    """
    other, latest, every = aliased(Entry), aliased(Entry), aliased(Entry)
    last_runs = select(every.target, func.max(every.run)).group_by(every.target)
    is_there = exists().where(
        latest.target == Entry.target,
        latest.source == Entry.source,
        tuple_(latest.target, latest.run).in_(last_runs),
    )
    its_project = cast(func.substr(Entry.target, len(OF_PROJECT) + 1), Integer)
    is_same_content = (other.fingerprint == Entry.fingerprint) | (other.updated_at >= Entry.updated_at)
    is_later = tuple_(other.updated_at, other.id) > tuple_(Entry.updated_at, Entry.id)
    is_overtaken = exists().where(
        other.target == Entry.target,
        other.source == Entry.source,
        ((other.state == "done") & is_same_content) | ((other.state == "failed") & is_later),
    )
    digest = case((func.json_valid(Entry.result) == 1, func.json_extract(Entry.result, "$.media_digest")), else_="")
    has_equal = exists().where(
        Job.project == its_project, VideoSummary.job_id == Job.id, digest != "", VideoSummary.media_digest == digest
    )
    # One that waits, as of a server that was told of the task, says nothing of it yet.
    has_job = exists().where(Job.project == its_project, Job.task == Entry.task, Job.state.in_(("done", "failed")))
    query = select(
        its_project.label("project"), Entry.source, Entry.media, Entry.task, Entry.failures.label("attempts"),
        Entry.error_message, Entry.updated_at,
    ).where(
        Entry.state == "failed", Entry.target.startswith(OF_PROJECT), is_there, ~is_overtaken, ~has_job, ~has_equal
    )  # fmt: skip
    if project is not None:
        query = query.where(its_project == project)
    if text:
        named = (column.contains(text, autoescape=True) for column in (Entry.source, Entry.media, Entry.error_message))
        query = query.where(or_(*named))
    with Session(engine) as session:
        count = session.scalar(select(func.count()).select_from(query.subquery())) or 0
        newest = query.order_by(Entry.updated_at.desc(), Entry.id.desc()).limit(limit)
        return count, [FailedFile(**row._mapping) for row in session.execute(newest)] if count else []
