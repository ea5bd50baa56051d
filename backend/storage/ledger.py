"""What came of each video of an archive run, in SQLite: step by step, so that a killed run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Engine,
    Index,
    Select,
    UniqueConstraint,
    case,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, aliased, mapped_column, sessionmaker

from backend.errors import UploadRefused
from backend.labelstudio.format import Task
from backend.storage.database import Base, now

_PAGE = 500
OF_PROJECT = "project "
"""How the names of targets begin that are projects; their number follows."""


@dataclass(frozen=True)
class Source:
    """A video to work on.

    name: what it is known by from run to run: an absolute path, an http(s) address, or "task 17". media: the path or
    address that it is read from. fingerprint changes with its content, as far as that is known without reading it.
    """

    name: str
    media: str
    fingerprint: str
    task: Task | None = None


def target_name(project: int | None = None, folder: Path | None = None) -> str:
    """How the ledger calls a target."""
    return f"{OF_PROJECT}{project}" if project is not None else f"folder {folder and folder.absolute()}"


def is_address(media: str) -> bool:
    return media.startswith(("http://", "https://"))


def is_task(name: str) -> bool:
    """Whether a source is a task that somebody else made, not a video that gets one."""
    return not (is_address(name) or Path(name).is_absolute())


@dataclass(frozen=True)
class RunOptions:
    """What a run makes of what is known of its videos.

    resume: go on there, instead of forgetting it. retry_failed: see `Ledger.forgive`. copies: see
    `Ledger.ask_for_copies`. max_attempts: so often a video may fail before it is given up.
    """

    resume: bool = True
    retry_failed: bool = False
    copies: bool = False
    max_attempts: int = 2


@dataclass(frozen=True)
class KnownFile:
    """A file with a task: its path, the SHA-256 of its bytes in hex, and how many these are."""

    path: str
    digest: str
    size: int
    task: int


class Entry(Base):
    """One video for one target under one model version and configuration.

    target: "project 3" or "folder /abs/path". state: queued, analyzed (`result` is known), done (delivered), failed.
    failures: attempts that failed; an attempt that was interrupted is none. task, prediction: as Label Studio numbers
    them. run: the latest run that it was part of.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("target", "source", "model_version", "config"),
        Index("ledger_by_run", "run", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    target: Mapped[str]
    source: Mapped[str]
    model_version: Mapped[str]
    config: Mapped[str]
    media: Mapped[str]
    fingerprint: Mapped[str]
    run: Mapped[int]
    state: Mapped[str] = mapped_column(default="queued")
    failures: Mapped[int] = mapped_column(default=0)
    error_type: Mapped[str] = mapped_column(default="")
    error_message: Mapped[str] = mapped_column(default="")
    result: Mapped[str] = mapped_column(default="")
    task: Mapped[int | None]
    prediction: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)


def _of_video(field: str) -> ColumnElement[Any]:
    """A field of the video in an entry's result, NULL where there is none."""
    return case((func.json_valid(Entry.result) == 1, func.json_extract(Entry.result, f"$.video.{field}")))


_LACKS_COPY = (func.coalesce(_of_video("unplayable"), "") != "") & (
    func.coalesce(_of_video("has_playable_copy"), 0) == 0
)
_WANTS_COPY = ((Entry.state == "done") & _LACKS_COPY) | (
    (Entry.state == "failed") & (Entry.error_type == UploadRefused.__name__)
)


class Ledger:
    """The archive runs of a database. Every method is one transaction and safe to call from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    def begin(self, target: str, model_version: str, config: str, sources: Iterable[Source]) -> int:
        """Start a run over these videos; returns its number.

        What is known of a video from earlier runs stays, unless it has changed since.
        """
        run = time.time_ns()  # of its own, whoever else begins now
        remaining = iter(sources)
        while page := list(islice(remaining, _PAGE)):
            rows = [
                {
                    "target": target,
                    "source": source.name,
                    "media": source.media,
                    "fingerprint": source.fingerprint,
                    "model_version": model_version,
                    "config": config,
                    "task": source.task.id if source.task else None,
                    "run": run,
                    "state": "queued",
                    "failures": 0,
                    "error_type": "",
                    "error_message": "",
                    "result": "",
                    "updated_at": now(),
                }
                for source in page
            ]
            put = insert(Entry)
            same = Entry.fingerprint == put.excluded.fingerprint
            kept = {
                name: case((same, getattr(Entry, name)), else_=getattr(put.excluded, name))
                for name in ("state", "failures", "error_type", "error_message", "result", "task", "updated_at")
            }
            changes = {"run": run, "media": put.excluded.media, "fingerprint": put.excluded.fingerprint, **kept}
            key = ["target", "source", "model_version", "config"]
            with self._sessions.begin() as session:
                session.execute(put.on_conflict_do_update(index_elements=key, set_=changes), rows)
        return run

    def known(
        self, target: str, model_version: str, config: str, sources: Sequence[Source], options: RunOptions
    ) -> list[str]:
        """The state of each of these videos, as a run over them would begin; nothing is written.

        "given up" are those that failed so often that the run leaves them alone. Results that cannot be read, which a
        run finds anew, are not looked for.
        """
        if not options.resume:
            return ["queued"] * len(sources)
        names = [source.name for source in sources]
        failures = 0 if options.retry_failed else Entry.failures
        state = case(
            (_WANTS_COPY & options.copies, "analyzed"),
            ((Entry.state != "done") & (failures >= options.max_attempts), "given up"),
            else_=Entry.state,
        )
        query = select(Entry.source, Entry.fingerprint, state).where(
            Entry.target == target, Entry.model_version == model_version, Entry.config == config
        )
        states: list[str] = []
        for first in range(0, len(names), _PAGE):
            with self._sessions() as session:
                rows = session.execute(query.where(Entry.source.in_(names[first : first + _PAGE]))).all()
            stored = {(source, fingerprint): state for source, fingerprint, state in rows}
            here = sources[first : first + _PAGE]
            states += [stored.get((source.name, source.fingerprint), "queued") for source in here]
        return states

    def counts(self, run: int, max_failures: int = 1) -> dict[str, int]:
        """How many videos of a run are in which state; "failed" are those that failed so often that they were given
        up, and what is to be tried again is queued."""
        state = case(((Entry.state == "failed") & (Entry.failures < max_failures), "queued"), else_=Entry.state)
        with self._sessions() as session:
            query = select(state, func.count()).where(Entry.run == run).group_by(state)
            return dict(session.execute(query).all())

    def count_equal(self, run: int) -> int:
        """How many finished videos of a run have the task of an equal file, which had it first.

        A task that an earlier run was over, as a task, may be that of the file itself.
        """
        first = select(Entry.task, Entry.target, func.min(Entry.id).label("id"))
        first = first.where(Entry.task.is_not(None), Entry.source.startswith("/"))
        owned = first.group_by(Entry.target, Entry.task).subquery()
        owner = aliased(Entry)
        query = select(func.count()).select_from(Entry)
        query = query.join(owned, (owned.c.task == Entry.task) & (owned.c.target == Entry.target))
        query = query.join(owner, owner.id == owned.c.id)
        query = query.where(Entry.run == run, Entry.state == "done", owner.source != Entry.source)
        query = query.where(Entry.source.startswith("/"))
        with self._sessions() as session:
            return session.scalar(query) or 0

    def count_unfinished(self, run: int, max_failures: int) -> int:
        """How many videos of a run are not delivered and failed less often than that."""
        unfinished = select(func.count()).select_from(Entry).where(Entry.run == run, Entry.state != "done")
        with self._sessions() as session:
            return session.scalar(unfinished.where(Entry.failures < max_failures)) or 0

    def unfinished(self, run: int, failures: int) -> Iterator[Entry]:
        """The videos of a run that are not delivered and failed just so many times, page by page: those that never
        failed first, then the one that failed longest ago, so that runs of a few go through all of them."""
        query = select(Entry).where(Entry.run == run, Entry.state != "done", Entry.failures == failures)
        yield from self._pages(query.where(Entry.error_type == ""))
        by_age = query.where(Entry.error_type != "").order_by(Entry.updated_at, Entry.id).limit(_PAGE)
        page: Sequence[Entry] = ()
        while True:
            after = tuple_(Entry.updated_at, Entry.id) > (page[-1].updated_at, page[-1].id) if page else true()
            with self._sessions() as session:
                page = session.scalars(by_age.where(after)).all()
            if not page:
                return
            yield from page

    def of_run(self, run: int, state: str) -> Iterator[Entry]:
        """The videos of a run that are in that state, page by page."""
        return self._pages(select(Entry).where(Entry.run == run, Entry.state == state))

    def given_up(self, run: int, max_failures: int) -> Iterator[Entry]:
        """The videos of a run that failed so many times, page by page."""
        return self._pages(
            select(Entry).where(Entry.run == run, Entry.state == "failed", Entry.failures >= max_failures)
        )

    def analyzed(self, entry: int, result: str) -> None:
        self._set(entry, state="analyzed", result=result, error_type="", error_message="")

    def has_task(self, entry: int, task: int) -> None:
        self._set(entry, task=task)

    def forget_task(self, entry: Entry) -> None:
        """The video has no task any more, whichever model it was analyzed with."""
        same = update(Entry).where(Entry.target == entry.target, Entry.source == entry.source)
        with self._sessions.begin() as session:
            session.execute(same.values(task=None, updated_at=now()))

    def done(self, entry: int, prediction: int | None) -> None:
        self._set(entry, state="done", prediction=prediction, error_type="", error_message="")

    def failed(self, entry: int, error_type: str, message: str) -> None:
        """Count a failed attempt. A result that was found before is kept."""
        self._set(entry, state="failed", failures=Entry.failures + 1, error_type=error_type, error_message=message)

    def start_over(self, run: int) -> None:
        """Forget what came of the videos of a run, but not which tasks are theirs."""
        with self._sessions.begin() as session:
            session.execute(update(Entry).where(Entry.run == run).values(state="queued", failures=0, result=""))

    def ask_for_copies(self, run: int) -> None:
        """Deliver those videos of a run again that browsers do not play, and that have no copy yet, and those that were
        given up as Label Studio took no upload of them."""
        with self._sessions.begin() as session:
            lacking = update(Entry).where(Entry.run == run, _WANTS_COPY)
            session.execute(lacking.values(state="analyzed", failures=0))

    def forgive(self, run: int) -> None:
        """Give the failed videos of a run all their attempts again. Why they failed, and when, stays until then."""
        with self._sessions.begin() as session:
            unfinished = update(Entry).where(Entry.run == run, Entry.state != "done")
            session.execute(unfinished.values(failures=0, updated_at=Entry.updated_at))

    def queue_again(self, entry: int) -> None:
        """What came of the video cannot be used: it is to be analyzed again."""
        self._set(entry, state="queued", failures=0, result="")

    def task_of(self, entry: Entry) -> int | None:
        """The task of the video, as this run or one with another model made or found it."""
        query = select(Entry.task).where(Entry.target == entry.target, Entry.source == entry.source)
        query = query.where(Entry.fingerprint == entry.fingerprint, Entry.task.is_not(None))
        with self._sessions() as session:
            return session.scalar(query.order_by(Entry.id.desc()).limit(1))

    def owners(self, target: str) -> dict[int, str]:
        """The tasks that are known to be some video file's, with its path: of equal files that of the first."""
        query = select(Entry.task, Entry.source).where(Entry.target == target, Entry.task.is_not(None))
        with self._sessions() as session:
            rows = session.execute(query.order_by(Entry.id.desc()))
            return {task: source for task, source in rows if task and not is_task(source)}

    def known_files(self, target: str) -> list[KnownFile]:
        """The analyzed files that have a task, the earliest first."""
        digest = case((func.json_valid(Entry.result) == 1, func.json_extract(Entry.result, "$.media_digest")), else_="")
        query = select(digest, Entry.fingerprint, Entry.task, Entry.source).where(
            Entry.target == target, Entry.task.is_not(None), digest != ""
        )
        with self._sessions() as session:
            rows = session.execute(query.order_by(Entry.id)).all()
        return [
            KnownFile(source, digest, int(fingerprint.partition("-")[0]), task)
            for digest, fingerprint, task, source in rows
            if Path(source).is_absolute() and fingerprint.partition("-")[0].isdecimal()
        ]

    def _set(self, entry: int, **values: object) -> None:
        with self._sessions.begin() as session:
            session.execute(update(Entry).where(Entry.id == entry).values(**values, updated_at=now()))

    def _pages(self, query: Select[Entry]) -> Iterator[Entry]:
        last = 0
        while True:
            with self._sessions() as session:
                page = session.scalars(query.where(Entry.id > last).order_by(Entry.id).limit(_PAGE)).all()
            if not page:
                return
            yield from page
            last = page[-1].id
