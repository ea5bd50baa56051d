"""Annotations as Label Studio's own JSON, in the database: what has to be known to give them back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import JSON, Connection, DateTime, Engine, ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.labelstudio.format import Json, Task
from backend.labelstudio.task_data import with_value_of
from backend.storage.database import Base, batches


class AnnotationSource(Base):
    """An annotation and its task in Label Studio's JSON, as it last sent them.

    data: the task's, by which the frame rate is known that the annotation was drawn at. result: all of its regions
    with all of their controls. begun_at: when somebody began with it (UTC), as far as Label Studio says. Annotations
    that earlier releases stored have no such row, or no such moment, until Label Studio sends them again.
    """

    __tablename__ = "annotation_sources"
    annotation_id: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"), primary_key=True)
    data: Mapped[Json] = mapped_column(JSON)
    result: Mapped[list[Json]] = mapped_column(JSON)
    lead_time: Mapped[float | None]
    begun_at: Mapped[datetime | None] = mapped_column(DateTime)


_MOST_S = 1e15
"""JSON's whole numbers have any number of digits, those of the database have not."""

_PUT = """
INSERT INTO annotation_sources (annotation_id, data, result, lead_time, begun_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (annotation_id) DO UPDATE SET data = excluded.data, result = excluded.result,
    lead_time = excluded.lead_time, begun_at = excluded.begun_at
"""


def put_source(connection: Connection, annotation: Json, task: Task) -> None:
    """Keep an annotation's JSON, in the transaction that stores the annotation."""
    result, lead_time = annotation.get("result"), annotation.get("lead_time")
    items = [item for item in result if isinstance(item, dict)] if isinstance(result, list) else []
    begun_at = _begun_at(annotation)
    row = (
        int(annotation["id"]),
        json.dumps(task.data),
        json.dumps(items),
        float(lead_time) if isinstance(lead_time, int | float) and abs(lead_time) < _MOST_S else None,
        begun_at.isoformat(" ", "microseconds") if begun_at is not None else None,
    )
    connection.exec_driver_sql(_PUT, row)


def _begun_at(annotation: Json) -> datetime | None:
    """When the draft was kept that became the annotation; without one, the time at work before it was made."""
    drafted = utc(str(annotation.get("draft_created_at") or ""))
    if drafted is not None:
        return drafted
    made, lead_time = utc(str(annotation.get("created_at") or "")), annotation.get("lead_time")
    try:
        return made - timedelta(seconds=float(lead_time or 0.0)) if made is not None else None
    except (TypeError, ValueError, OverflowError):
        return made


def utc(text: str) -> datetime | None:
    """A moment that Label Studio wrote, as the database keeps moments; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment
    except (ValueError, OverflowError):  # years have four digits, in UTC as well
        return None


def sources(engine: Engine, annotation_ids: Iterable[int]) -> dict[int, AnnotationSource]:
    """The JSON of annotations, as far as it is kept."""
    found: dict[int, AnnotationSource] = {}
    with Session(engine, expire_on_commit=False) as session:
        for ids in batches(annotation_ids):
            query = select(AnnotationSource).where(AnnotationSource.annotation_id.in_(ids))
            found |= {source.annotation_id: source for source in session.scalars(query)}
    return found


def refresh_data(engine: Engine, current: Mapping[int, Json], frame_rate: str) -> None:
    """Task data as Label Studio has it now, by annotation; but the rate that frames were drawn at stays as it was.

    frame_rate: the Video tag's attribute, which names its place.
    """
    with Session(engine) as session, session.begin():
        for ids in batches(current):
            query = select(AnnotationSource.annotation_id, AnnotationSource.data)
            for number, known in session.execute(query.where(AnnotationSource.annotation_id.in_(ids))).all():
                data = with_value_of(current[number], frame_rate, known)
                if data != known:
                    kept = update(AnnotationSource).where(AnnotationSource.annotation_id == number)
                    session.execute(kept.values(data=data))


def without_source(engine: Engine, annotation_ids: Sequence[int]) -> set[int]:
    """Which of the annotations are kept without their JSON."""
    known: set[int] = set()
    with Session(engine) as session:
        for ids in batches(annotation_ids):
            query = select(AnnotationSource.annotation_id).where(AnnotationSource.annotation_id.in_(ids))
            known |= set(session.scalars(query))
    return set(annotation_ids) - known
