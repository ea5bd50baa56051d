"""What archive runs failed with, without a result that the list of videos shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, case, cast, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from backend.storage.jobs import Job
from backend.storage.ledger import OF_PROJECT, Entry, is_task
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

    What succeeded, with whichever model, is left out, and so is a file whose bytes another one of the project has, and
    one that is not there any more: the last run into the project that was over its folder no longer had it, nor is it
    found now, as a run may be over some files of a folder alone. Of tasks those of the last run over tasks count.
    """
    other, latest, every = aliased(Entry), aliased(Entry), aliased(Entry)
    last_runs = select(every.target, _folder(every.source), func.max(every.run))
    last_runs = last_runs.group_by(every.target, _folder(every.source))
    was_there = exists().where(
        latest.target == Entry.target,
        latest.source == Entry.source,
        tuple_(latest.target, _folder(latest.source), latest.run).in_(last_runs),
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
        Entry.error_message, Entry.updated_at, was_there.label("was_there"),
    ).where(
        Entry.state == "failed", Entry.target.startswith(OF_PROJECT), ~is_overtaken, ~has_job, ~has_equal
    )  # fmt: skip
    if project is not None:
        query = query.where(its_project == project)
    if text:
        named = (column.contains(text, autoescape=True) for column in (Entry.source, Entry.media, Entry.error_message))
        query = query.where(or_(*named))
    found = []
    with Session(engine) as session:
        for row in session.execute(query.order_by(Entry.updated_at.desc(), Entry.id.desc())):
            values = dict(row._mapping)
            if values.pop("was_there") or _exists(values["source"]):
                found.append(FailedFile(**values))
    return len(found), found if limit < 0 else found[:limit]


def _folder(source: Any) -> ColumnElement[str]:
    """What stands before the name of a file; "" of all tasks. SQLite has no function for it."""
    return func.rtrim(source, func.replace(source, "/", ""))


def _exists(source: str) -> bool:
    """Whether this server finds the file; it need not see what a run elsewhere saw."""
    try:
        return not is_task(source) and Path(source).exists()
    except OSError:
        return False
