"""Events about labels as they were received, in the database until their content is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import DateTime, Engine, PoolProxiedConnection, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker

from backend.storage.database import Base, now

HINT = b"hint:"
"""What a received event begins with that is no more than a hint: see `backend/labels/hints.py`."""

# For the driver: an event comes while somebody waits for Label Studio, and may be one of hundreds.
_RECEIVE = "INSERT INTO received_events (body, tries, received_at) VALUES (?, 0, ?)"
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE_TRIES = 10


class ReceivedEvent(Base):
    """The body of an event as it came, until its content is stored.

    tries: how often that was not possible; put_off_until: when it is tried again.
    """

    __tablename__ = "received_events"
    # No number twice: whoever has stored an event must not forget a later one of the same number.
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes]
    received_at: Mapped[datetime] = mapped_column(DateTime)
    tries: Mapped[int] = mapped_column(default=0)
    put_off_until: Mapped[datetime | None]


class ReceivedEvents:
    """The received events of a database. Every method is one transaction and safe to call from any thread.

    writing: as of `LabelStore`.
    """

    def __init__(self, engine: Engine, writing: Lock) -> None:
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._writing = writing
        self._receiving: PoolProxiedConnection | None = None

    def close(self) -> None:
        with self._writing:
            if self._receiving is not None:
                self._receiving.close()
                self._receiving = None

    def receive(self, body: bytes) -> None:
        """Keep an event as it came."""
        row = body, now().isoformat(" ", "microseconds")
        with self._writing:
            # Events come by hundreds: taking a connection for each costs more than the event.
            if self._receiving is None:
                self._receiving = self._engine.raw_connection()
            try:
                self._receiving.cursor().execute(_RECEIVE, row)
                self._receiving.commit()
            except BaseException:
                self._receiving.rollback()
                raise

    def received(self) -> Iterator[ReceivedEvent]:
        """Events that are not stored yet, as they came; without those that are put off."""
        last = 0
        moment, until = now(), ReceivedEvent.put_off_until
        longest = _FIRST_PAUSE * (1 << _LONGEST_PAUSE_TRIES)  # whatever waits for longer was put off by another clock
        is_due = until.is_(None) | (until <= moment) | (until > moment + longest)
        while True:
            query = select(ReceivedEvent).where(ReceivedEvent.id > last, is_due).order_by(ReceivedEvent.id).limit(1)
            with self._sessions.begin() as session:
                found = session.scalars(query).first()
            if found is None:
                return
            last = found.id
            yield found

    def next_due(self, after: datetime) -> datetime | None:
        """When the first event is tried again of those that are put off beyond a moment (UTC); None where none is."""
        until = ReceivedEvent.put_off_until
        with self._sessions.begin() as session:
            return session.scalar(select(func.min(until)).where(until > after))

    def forget(self, number: int) -> None:
        """The content of that event is stored."""
        with self._writing, self._sessions.begin() as session:
            session.execute(delete(ReceivedEvent).where(ReceivedEvent.id == number))

    def wait(self, number: int, pause: timedelta) -> None:
        """Whoever is to be asked about that event answers nobody: it is looked at after the pause, which is no try."""
        with self._writing, self._sessions.begin() as session:
            event = session.get(ReceivedEvent, number)
            if event is not None:
                event.put_off_until = now() + pause

    def put_off(self, number: int, first_pause: timedelta = _FIRST_PAUSE) -> None:
        """The content of that event could not be stored: it is tried again after pauses that double."""
        with self._writing, self._sessions.begin() as session:
            event = session.get(ReceivedEvent, number)
            if event is not None:
                event.put_off_until = now() + first_pause * (1 << min(event.tries, _LONGEST_PAUSE_TRIES))
                event.tries += 1
