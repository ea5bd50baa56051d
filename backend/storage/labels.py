"""What people labelled, in the database: annotations as Label Studio last sent them, with their repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import DateTime, Engine, ForeignKey, Index, Select, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from backend.labelstudio.format import AnnotatedRegion, Json, Task
from backend.storage.annotation_json import put_source
from backend.storage.database import Base, batches, now


class Annotation(Base):
    """An annotation as Label Studio last sent it. A deleted one stays, marked, so that nothing is lost."""

    __tablename__ = "annotations"
    __table_args__ = (Index("annotations_by_project", "project"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[int]
    task: Mapped[int] = mapped_column(index=True)
    media: Mapped[str]
    annotator: Mapped[int | None]
    was_cancelled: Mapped[bool] = mapped_column(default=False)
    ground_truth: Mapped[bool] = mapped_column(default=False)
    parent_prediction: Mapped[int | None]
    updated_at: Mapped[str] = mapped_column(default="")
    deleted: Mapped[bool] = mapped_column(default=False)
    received_at: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)


class LabelledRegion(Base):
    """One repetition of an annotation, in seconds of media time."""

    __tablename__ = "labeled_regions"
    id: Mapped[int] = mapped_column(primary_key=True)
    annotation_id: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"), index=True)
    region: Mapped[str]
    start_s: Mapped[float]
    end_s: Mapped[float]
    label: Mapped[str]
    origin: Mapped[str]


class StoredRegion(NamedTuple):
    """A region as the database has it; as a named tuple, since there may be a hundred thousand of them."""

    region: str
    start_s: float
    end_s: float
    label: str
    origin: str


@dataclass(frozen=True)
class ProjectLabels:
    """The annotations of a project that were neither deleted nor skipped, of each person the one of a task that counts,
    the oldest first; and their regions in order of time, by annotation."""

    project: int
    annotations: Sequence[Annotation]
    regions: Mapping[int, Sequence[StoredRegion]]


class DeletedTask(Base):
    """A task that Label Studio no longer has: events about its annotations that still come are late."""

    __tablename__ = "deleted_tasks"
    id: Mapped[int] = mapped_column(primary_key=True)


class LabelsRead(Base):
    """The labeling config that a project's annotations were last pulled by."""

    __tablename__ = "labels_read"
    project: Mapped[int] = mapped_column(primary_key=True)
    label_config: Mapped[str]


# In SQL and for the driver: an event of labels comes while somebody waits for Label Studio, and may be one of hundreds.
# Events are sent by whichever process of Label Studio handled the change, and may overtake each other.
_PUT = """
INSERT INTO annotations (id, project, task, media, annotator, was_cancelled, ground_truth, parent_prediction,
    updated_at, received_at, deleted)
VALUES (:id, :project, :task, :media, :annotator, :was_cancelled, :ground_truth, :parent_prediction,
    :updated_at, :received_at, EXISTS (SELECT 1 FROM deleted_tasks WHERE id = :task))
ON CONFLICT (id) DO UPDATE SET project = excluded.project, task = excluded.task, media = excluded.media,
    annotator = excluded.annotator, was_cancelled = excluded.was_cancelled, ground_truth = excluded.ground_truth,
    parent_prediction = excluded.parent_prediction, updated_at = excluded.updated_at,
    received_at = CASE WHEN excluded.updated_at <> '' AND annotations.updated_at = excluded.updated_at
        THEN annotations.received_at ELSE excluded.received_at END
WHERE excluded.updated_at = '' OR annotations.updated_at <= excluded.updated_at OR annotations.updated_at > :latest
RETURNING id
"""
_DELETE_REGIONS = "DELETE FROM labeled_regions WHERE annotation_id = ?"
_PUT_REGIONS = """
INSERT INTO labeled_regions (annotation_id, region, start_s, end_s, label, origin) VALUES (?, ?, ?, ?, ?, ?)
"""
_CLOCKS_DIFFER = timedelta(days=1)
"""A stored time of change further in the future than this is none: whatever comes next replaces it."""
_new = insert(Annotation)
_DELETE = _new.on_conflict_do_update(
    index_elements=["id"], set_={name: _new.excluded[name] for name in ("deleted", "received_at")}
)


def regions_of(session: Session, annotations: Iterable[int]) -> dict[int, list[StoredRegion]]:
    """The regions of annotations, by the annotation's id, in order of time."""
    stored = LabelledRegion
    columns = (stored.region, stored.start_s, stored.end_s, stored.label, stored.origin)
    found: dict[int, list[StoredRegion]] = {}
    for ids in batches(annotations):
        query = select(stored.annotation_id, *columns).where(stored.annotation_id.in_(ids))
        query = query.order_by(stored.start_s, stored.end_s, stored.id)
        for number, region, start_s, end_s, label, origin in session.execute(query):
            found.setdefault(number, []).append(StoredRegion(region, start_s, end_s, label, origin))
    return found


class LabelStore:
    """The labels of a database. Every method is one transaction and safe to call from any thread.

    writing: held while one is written, by everything that an event makes somebody write.
    """

    def __init__(self, engine: Engine, writing: Lock) -> None:
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._writing = writing

    def put_annotation(
        self,
        annotation: Json,
        task: Task,
        media: str,
        regions: Iterable[AnnotatedRegion],
        received_at: datetime | None = None,
    ) -> None:
        """Store an annotation and its repetitions, replacing what was known of it, unless that is newer.

        A deleted one stays deleted: its event was late, as Label Studio gives no id twice. One that nobody changed
        since keeps the time at which it came: it is nothing new to learn from.
        """
        number = int(annotation["id"])
        row = {
            "id": number,
            "project": task.project,
            "task": task.id,
            "media": media,
            "annotator": _optional_int(annotation.get("completed_by")),
            "was_cancelled": bool(annotation.get("was_cancelled")),
            "ground_truth": bool(annotation.get("ground_truth")),
            "parent_prediction": _optional_int(annotation.get("parent_prediction")),
            "updated_at": str(annotation.get("updated_at") or ""),
            "received_at": (received_at or now()).isoformat(" ", "microseconds"),
            "latest": as_label_studio_writes(now() + _CLOCKS_DIFFER),
        }
        rows = [(number, one.id, one.start_s, one.end_s, one.label, one.origin) for one in regions]
        with self._writing, self._engine.begin() as connection:
            if connection.exec_driver_sql(_PUT, row).first() is None:
                return
            put_source(connection, annotation, task)
            connection.exec_driver_sql(_DELETE_REGIONS, (number,))
            if rows:
                connection.exec_driver_sql(_PUT_REGIONS, rows)

    def delete_annotations(self, annotation_ids: Iterable[int]) -> None:
        """Mark annotations as deleted, also those that are not known yet: their events may still come."""
        mark = {"deleted": True, "received_at": now()}
        unknown = {"project": 0, "task": 0, "media": "", "updated_at": "", "was_cancelled": False}
        rows = [{"id": number, "ground_truth": False, **unknown, **mark} for number in annotation_ids]
        if not rows:
            return
        with self._writing, self._engine.begin() as connection:
            connection.execute(_DELETE, rows)

    def restore_annotations(self, annotation_ids: Iterable[int]) -> None:
        """Take back that annotations were deleted."""
        with self._sessions.begin() as session:
            for ids in batches(annotation_ids):
                session.execute(update(Annotation).where(Annotation.id.in_(ids)).values(deleted=False))

    def deleted_tasks(self) -> set[int]:
        with self._sessions.begin() as session:
            return set(session.scalars(select(DeletedTask.id)))

    def read_by(self, project: int) -> str:
        """The labeling config that the project's annotations were last pulled by, "" for none."""
        with self._sessions.begin() as session:
            found = session.get(LabelsRead, project)
            return found.label_config if found is not None else ""

    def note_read_by(self, project: int, label_config: str) -> None:
        with self._sessions.begin() as session:
            session.merge(LabelsRead(project=project, label_config=label_config))

    def restore_task(self, task: int) -> None:
        """Take back that a task was deleted: events about its annotations count from now on."""
        with self._sessions.begin() as session:
            session.execute(delete(DeletedTask).where(DeletedTask.id == task))

    def deleted_annotations(self) -> set[int]:
        with self._sessions.begin() as session:
            return set(session.scalars(select(Annotation.id).where(Annotation.deleted)))

    def annotations(self, task: int | None = None) -> Sequence[Annotation]:
        query = select(Annotation).order_by(Annotation.id)
        if task is not None:
            query = query.where(Annotation.task == task)
        with self._sessions.begin() as session:
            return session.scalars(query).all()

    def tasks_of(self, annotation_ids: Iterable[int], project: int) -> dict[int, int]:
        """The tasks of annotations of a project, as far as they are known, by the annotations' ids."""
        found: dict[int, int] = {}
        with self._sessions.begin() as session:
            for ids in batches(annotation_ids):
                query = select(Annotation.id, Annotation.task).where(Annotation.id.in_(ids))
                found |= dict(session.execute(query.where(Annotation.project == project)).all())
        return found

    def valid_annotations(self, project: int, skipped: bool = False) -> Sequence[Annotation]:
        """A project's annotations that were not deleted, nor, unless asked for, cancelled; the oldest first."""
        with self._sessions.begin() as session:
            return session.scalars(_valid(project, skipped)).all()

    def of_project(self, project: int, task: int | None = None) -> ProjectLabels:
        """What people labelled in a project, or in one task of it.

        Somebody who annotated a task twice labelled one video: see `counting`.
        """
        query = _valid(project)
        if task is not None:
            query = query.where(Annotation.task == task)
        with self._sessions.begin() as session:
            annotations = _one_of_each(session.scalars(query))
            return ProjectLabels(project, annotations, regions_of(session, [one.id for one in annotations]))

    def normals_since(self, project: int, moment: datetime) -> int:
        """How many normal repetitions people left in annotations that count and were made or changed after then."""
        query = select(func.count()).select_from(LabelledRegion).join(Annotation)
        query = query.where(Annotation.id.in_(that_count(project)), Annotation.received_at > moment)
        query = query.where(LabelledRegion.label == "normal")
        with self._sessions.begin() as session:
            return session.scalar(query) or 0

    def labelled_regions(self, annotation_id: int) -> Sequence[LabelledRegion]:
        with self._sessions.begin() as session:
            return session.scalars(
                select(LabelledRegion).filter_by(annotation_id=annotation_id).order_by(LabelledRegion.start_s)
            ).all()


def counting(annotations: Iterable[Annotation]) -> Annotation:
    """The one of a task's annotations that counts. Give it only those that were neither deleted nor cancelled.

    The rule of training, of exported datasets and of what pages count: of a task the annotation of the highest rank
    counts. Of tasks with the same video the one counts whose annotation has the highest rank; pages, and the number of
    labels from which a training begins, count each task.
    """
    return max(annotations, key=rank)


def of_others(annotations: Iterable[Annotation], chosen: Annotation) -> list[Annotation]:
    """Of everybody else who annotated a task the annotation that counts."""
    found: dict[Person, list[Annotation]] = {}
    for one in annotations:
        found.setdefault(person(one.annotator, one.id), []).append(one)
    found.pop(person(chosen.annotator, chosen.id), None)
    return list(map(counting, found.values()))


Person = tuple[int | None, int]


def person(annotator: int | None, annotation: int) -> Person:
    """Who made an annotation: what nobody known made is each by somebody of its own."""
    return annotator, annotation if annotator is None else 0


def rank(annotation: Annotation) -> tuple[bool, str, int]:
    """A ground truth comes before all others, then the newest; of annotations of the same moment the last made."""
    return annotation.ground_truth, annotation.updated_at, annotation.id


def _one_of_each(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Of each person the annotation of a task that counts."""
    found: dict[tuple[int, Person], list[Annotation]] = {}
    for one in annotations:
        found.setdefault((one.task, person(one.annotator, one.id)), []).append(one)
    return sorted(map(counting, found.values()), key=lambda one: one.id)


def that_count(project: int | None = None) -> Select[int]:
    """A query for the ids of the annotations that count, as `counting` says, of a project or of all."""
    by_rank = Annotation.ground_truth.desc(), Annotation.updated_at.desc(), Annotation.id.desc()
    place = func.row_number().over(partition_by=(Annotation.project, Annotation.task), order_by=by_rank)
    valid = select(Annotation.id, place.label("place")).where(~Annotation.deleted, ~Annotation.was_cancelled)
    if project is not None:
        valid = valid.where(Annotation.project == project)
    ranked = valid.subquery()
    return select(ranked.c.id).where(ranked.c.place == 1)


def _valid(project: int, skipped: bool = False) -> Select[Annotation]:
    query = select(Annotation).where(Annotation.project == project, ~Annotation.deleted)
    if not skipped:
        query = query.where(~Annotation.was_cancelled)
    return query.order_by(Annotation.id)


def as_label_studio_writes(moment: datetime) -> str:
    """A moment (UTC) in the form of an annotation's updated_at: such texts have the order of their times."""
    return moment.isoformat("T", "microseconds") + "Z"


def _optional_int(value: Any) -> int | None:
    """A whole number that the database can hold, also in digits; None for anything else."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < 20 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
