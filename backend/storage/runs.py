"""Training runs in SQLite: asked for, one at a time per project, followed, cancelled, repeated when interrupted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, DateTime, func, select, update
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker

from backend.errors import Cancelled, UnknownRun
from backend.labelstudio.format import Json
from backend.storage.database import Base, now
from backend.storage.jobs import Store

MOST_ATTEMPTS = 3
LEARNT_NOTHING = ("skipped", "cancelled")
"""The states of runs after which their labels count as new still. Those of failed runs do not: every further label
would start a run that fails in the same way."""


class Run(Base):
    """A training of a project's model.

    state: queued, running, done, skipped (too few labels), failed, cancelled. reason: why it was asked for. message:
    what came of it. labels_at: labels up to then were learnt from. version: the name of the model that came of it, ""
    for none.
    """

    __tablename__ = "runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    phase: Mapped[str] = mapped_column(default="")
    epoch: Mapped[int] = mapped_column(default=0)
    loss: Mapped[float | None]
    percent: Mapped[float] = mapped_column(default=0.0)
    version: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    labels_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(DateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)

    def as_json(self) -> Json:
        """As GET /jobs shows it; seconds_left is a guess from the pace so far."""
        left = None
        if self.state == "running" and self.started_at is not None and self.percent > 0:
            elapsed = (now() - self.started_at).total_seconds()
            left = round(elapsed * (100.0 - self.percent) / self.percent)
        return {
            "id": self.id,
            "project": self.project,
            "state": self.state,
            "reason": self.reason,
            "phase": self.phase,
            "epoch": self.epoch,
            "loss": self.loss,
            "percent": round(self.percent, 1),
            "seconds_left": left,
            "attempts": self.attempts,
            "version": self.version or None,
            "message": self.message,
            "updated_at": self.updated_at.isoformat(timespec="seconds") + "Z",
        }


HAS_LEARNT = Run.state.not_in(LEARNT_NOTHING)
LEARNT_AT = func.coalesce(Run.labels_at, Run.created_at)
"""Labels of until then are those that a run learns from."""


class Runs:
    """The runs of a store's database. Every method is one transaction and safe to call from any process."""

    def __init__(self, store: Store) -> None:
        self._sessions = sessionmaker(store.engine, expire_on_commit=False)

    def request(self, project: int, reason: str) -> Run:
        """A run that has not begun yet: one that waits already, or a new one."""
        with self._sessions.begin() as session:
            waiting = select(Run).where(Run.project == project, Run.state == "queued", ~Run.is_cancelled)
            # Takes the database's one place for writing before it looks: two requests at once make one run.
            session.execute(update(Run).where(Run.id == -1).values(epoch=0))
            found = session.scalars(waiting).first()
            if found is None:
                found = Run(project=project, reason=reason)
                session.add(found)
                session.flush()
                session.refresh(found)
            return found

    def run(self, run_id: int) -> Run:
        """Raises UnknownRun."""
        with self._sessions.begin() as session:
            found = session.get(Run, run_id)
        if found is None:
            raise UnknownRun(f"There is no run {run_id}. `deadlift jobs` lists them.")
        return found

    def runs(self, project: int | None = None, limit: int = 50) -> Sequence[Run]:
        """The newest first."""
        query = select(Run).order_by(Run.id.desc()).limit(limit)
        if project is not None:
            query = query.where(Run.project == project)
        with self._sessions.begin() as session:
            return session.scalars(query).all()

    def begin(self) -> Run | None:
        """The run that has waited longest, now running."""
        with self._sessions.begin() as session:
            first = select(func.min(Run.id)).where(Run.state == "queued").scalar_subquery()
            values = {"state": "running", "attempts": Run.attempts + 1, "started_at": now(), "percent": 0.0}
            return session.scalars(update(Run).where(Run.id == first).values(**values).returning(Run)).one_or_none()

    def requeue_interrupted(self) -> None:
        """Runs that were going on when their server ended are repeated; to be called when no server is training.

        That was no fault of theirs and does not count as an attempt: they have processes of their own.
        """
        values = {"state": "queued", "phase": "", "percent": 0.0, "attempts": Run.attempts - 1}
        with self._sessions.begin() as session:
            session.execute(update(Run).where(Run.state == "running").values(**values))

    def note(self, run_id: int, phase: str, percent: float, epoch: int = 0, loss: float = math.nan) -> None:
        """Write down how far a run is. Raises Cancelled where somebody wants it to end."""
        values = {"phase": phase, "percent": percent, "epoch": epoch, "loss": None if math.isnan(loss) else loss}
        with self._sessions.begin() as session:
            changed = update(Run).where(Run.id == run_id).values(**values, updated_at=now())
            cancelled = session.scalar(changed.returning(Run.is_cancelled))
        if cancelled:
            raise Cancelled("Cancelled.")

    def note_labels(self, run_id: int, moment: datetime) -> None:
        with self._sessions.begin() as session:
            session.execute(update(Run).where(Run.id == run_id).values(labels_at=moment))

    def finish(self, run_id: int, state: str, message: str, version: str = "") -> None:
        percent = {"percent": 100.0} if state == "done" else {}
        values = {"state": state, "message": message, "version": version, "updated_at": now(), **percent}
        with self._sessions.begin() as session:
            session.execute(update(Run).where(Run.id == run_id).values(**values))

    def retry(self, run_id: int) -> None:
        """Put a run whose process died back into the queue, unless that has happened too often."""
        with self._sessions.begin() as session:
            again = update(Run).where(Run.id == run_id, Run.attempts < MOST_ATTEMPTS)
            if session.scalar(again.values(state="queued", updated_at=now()).returning(Run.id)) is None:
                session.execute(
                    update(Run)
                    .where(Run.id == run_id)
                    .values(state="failed", message="Its process died repeatedly; it was given up.", updated_at=now())
                )

    def cancel(self, run_id: int) -> Run:
        """End a run: at once while it waits, at its next sign of life while it runs; one that is over stays as it is.

        Raises UnknownRun.
        """
        self.run(run_id)
        with self._sessions.begin() as session:
            is_open = Run.state.in_(("queued", "running"))
            session.execute(update(Run).where(Run.id == run_id, is_open).values(is_cancelled=True))
            session.execute(
                update(Run)
                .where(Run.id == run_id, Run.state == "queued")
                .values(state="cancelled", message="Cancelled before it began.")
            )
        return self.run(run_id)

    def learnt_until(self, project: int) -> datetime:
        """Labels after this moment were not learnt from yet, nor is a run for them going on."""
        return self._latest(Run.project == project, HAS_LEARNT)

    def asked_until(self, project: int) -> datetime:
        """Labels after this moment were not asked to be learnt from yet."""
        return self._latest(Run.project == project)

    def _latest(self, *chosen: ColumnElement[bool]) -> datetime:
        with self._sessions.begin() as session:
            last = select(func.max(LEARNT_AT)).where(*chosen)
            found: datetime | None = session.scalar(last)
        return found if found is not None else datetime.min
