"""Projects that could not be connected, and why: Label Studio shows its users nothing of that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, Engine, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.storage.database import Base, now

_LONGEST = 500
_KEPT = 50
"""Anybody who reaches the backend may ask for a set-up."""


class RefusedSetup(Base):
    """A project whose last set-up was refused: why, in words for people, and when (UTC)."""

    __tablename__ = "refused_setups"
    project: Mapped[int] = mapped_column(primary_key=True)
    message: Mapped[str]
    refused_at: Mapped[datetime] = mapped_column(DateTime)


def note_refused(engine: Engine, project: int, message: str) -> bool:
    """Keep why a project was refused; returns whether that is news."""
    kept = message[:_LONGEST]
    with Session(engine) as session, session.begin():
        known = session.get(RefusedSetup, project)
        is_news = known is None or known.message != kept
        row = {"project": project, "message": kept, "refused_at": now()}
        session.execute(insert(RefusedSetup).values(**row).on_conflict_do_update(index_elements=["project"], set_=row))
        newest = select(RefusedSetup.project).order_by(RefusedSetup.refused_at.desc()).limit(_KEPT)
        session.execute(delete(RefusedSetup).where(RefusedSetup.project.not_in(newest)))
    return is_news


def forget_refused(engine: Engine, project: int) -> None:
    """The project is connected now, or gone."""
    with Session(engine) as session, session.begin():
        if session.get(RefusedSetup, project) is not None:
            session.execute(delete(RefusedSetup).where(RefusedSetup.project == project))


def refused_setups(engine: Engine) -> Sequence[RefusedSetup]:
    """The projects whose last set-up was refused, the latest first."""
    with Session(engine, expire_on_commit=False) as session:
        return session.scalars(select(RefusedSetup).order_by(RefusedSetup.refused_at.desc())).all()
