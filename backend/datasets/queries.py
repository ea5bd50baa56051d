"""What an export reads of the database, for some hundred tasks at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from backend.labelstudio.format import Json
from backend.storage.database import batches
from backend.storage.jobs import Job
from backend.storage.labels import Annotation

BATCH = 500


def task_batches(session: Session, project: int) -> Iterator[list[int]]:
    """A project's labelled tasks, some hundred at a time."""
    query = select(Annotation.task).where(Annotation.project == project, ~Annotation.deleted, ~Annotation.was_cancelled)
    yield from batches(session.scalars(query.distinct().order_by(Annotation.task)).all(), BATCH)


def of_tasks(session: Session, project: int, tasks: Iterable[int]) -> Iterator[list[Annotation]]:
    """The annotations of each task that were not deleted or cancelled."""
    query = select(Annotation).where(
        Annotation.project == project, Annotation.task.in_(tasks), ~Annotation.deleted, ~Annotation.was_cancelled
    )
    found = session.scalars(query.order_by(Annotation.task, Annotation.id)).all()
    return (list(group) for _, group in groupby(found, key=lambda annotation: annotation.task))


def digests(session: Session, annotations: Sequence[Annotation]) -> dict[int, str]:
    """Annotation -> digest of its video: by the newest analysis of its task, else of any with the same address."""
    digest = case((func.json_valid(Job.result) == 1, func.json_extract(Job.result, "$.media_digest")), else_="")
    query = select(Job.task, Job.media, digest).where(Job.state == "done").order_by(Job.updated_at, Job.id)
    of_task = {
        (task, media): str(found)
        for task, media, found in session.execute(query.where(Job.task.in_([a.task for a in annotations])))
        if found
    }
    strangers = {a.media for a in annotations if (a.task, a.media) not in of_task}
    of_media = (
        {media: str(found) for _, media, found in session.execute(query.where(Job.media.in_(strangers))) if found}
        if strangers
        else {}
    )
    known = {a.id: of_task.get((a.task, a.media)) or of_media.get(a.media, "") for a in annotations}
    return {number: found for number, found in known.items() if found}


def task_data(session: Session, tasks: Sequence[int]) -> dict[int, Json]:
    """The data of tasks as the newest job of each knew it."""
    query = select(Job.task, Job.data).where(Job.task.in_(tasks)).order_by(Job.updated_at, Job.id)
    return {row.task: row.data for row in session.execute(query)} if tasks else {}
