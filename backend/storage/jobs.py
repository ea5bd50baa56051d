"""What must survive a restart, in SQLite: projects and jobs with their results; by `labels` what people labelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import JSON, DateTime, Engine, Index, UniqueConstraint, case, delete, func, select, text, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from backend.errors import NotInLabelStudio
from backend.labelstudio.format import Json, Task
from backend.storage.database import Base, batches, now, open_database
from backend.storage.labels import Annotation, DeletedTask, LabelStore
from backend.storage.received_events import ReceivedEvents

_NAMES_KEPT = 4
"""Anybody who reaches the backend may send it names."""
FAR_AHEAD = timedelta(minutes=10)
"""Longer than any request takes: what was done so far in the future was done by a clock that was set back since."""


class KnownProject(Base):
    """A Label Studio project that the backend was connected to."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    label_config: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)


class LabelStudioName(Base):
    """An address that Label Studio said it is opened at."""

    __tablename__ = "label_studio_names"
    url: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(DateTime, default=now)


class Job(Base):
    """One video of one task under one model version and configuration: from queued to a delivered prediction.

    state: queued, running, done, failed. delivery: "" (not yet), answered (in /predict; whether
    Label Studio kept it is not known), pushed.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("project", "task", "media", "model_version", "config"),
        Index("jobs_by_task", "task"),
        Index("jobs_by_state", "state"),
        Index("jobs_newest", "project", "task", "model_version", "updated_at", "id", "state", "error_type"),
        Index("jobs_by_update", "state", "updated_at"),
        Index("jobs_by_prediction", "prediction_id"),
        Index("jobs_undelivered", "project", "id", sqlite_where=text("state = 'done' AND delivery != 'pushed'")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[int]
    task: Mapped[int]
    media: Mapped[str]
    model_version: Mapped[str]
    config: Mapped[str]
    data: Mapped[Json] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    error_type: Mapped[str] = mapped_column(default="")
    error_message: Mapped[str] = mapped_column(default="")
    result: Mapped[str] = mapped_column(default="")
    delivery: Mapped[str] = mapped_column(default="")
    delivered_at: Mapped[datetime | None]
    prediction_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(DateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)

    @property
    def key(self) -> JobKey:
        return self.project, self.task, self.media, self.model_version


JobKey = tuple[int, int, str, str]
"""Project, task, media and model version: what a job is of, whatever the configuration."""


def new_job(task: Task, media: str, model_version: str, config: str) -> Json:
    """The row of a job that is still to do."""
    moment = now()
    return {
        "project": task.project, "task": task.id, "media": media, "model_version": model_version, "config": config,
        "data": task.data, "state": "queued", "attempts": 0, "error_type": "", "error_message": "", "result": "",
        "delivery": "", "created_at": moment, "updated_at": moment,
    }  # fmt: skip


def put_copy(session: Session, project: int, task: int) -> list[int]:
    """Note in all analyses of a video, whichever model made them, that its task plays a copy that browsers play;
    returns the jobs that this changed.

    Otherwise another model, or another rate of one, that is put in use would have the video called not playable again.
    """
    unplayable, has_copy = (
        case((func.json_valid(Job.result) == 1, func.json_extract(Job.result, f"$.video.{field}")))
        for field in ("unplayable", "has_playable_copy")
    )
    its = (Job.project == project) & (Job.task == task) & (Job.state == "done")
    found = list(session.scalars(select(Job.id).where(its, unplayable != "", func.coalesce(has_copy, 0) == 0)))
    noted = func.json_set(Job.result, "$.video.has_playable_copy", func.json("true"))
    for ids in batches(found):
        # They are as new as before: when a job was changed says which model's was the last.
        session.execute(update(Job).where(Job.id.in_(ids)).values(result=noted, updated_at=Job.updated_at))
    return found


class Store:
    """The database; `labels` and `events` are the rest of it. Every method is one transaction and safe to call from any
    thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_database(url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        # Threads that find SQLite busy try again after up to a tenth of a second: queueing here is faster.
        writing = Lock()
        self.labels = LabelStore(self._engine, writing)
        self.events = ReceivedEvents(self._engine, writing)

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self.events.close()
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with self._sessions.begin() as session:
            yield session

    # Projects

    def remember_project(self, project: int, label_config: str) -> None:
        """Keep the labeling config that a project was last seen with; one that is missing replaces none."""
        row = {"id": project, "label_config": label_config, "seen_at": now()}
        changes = row if label_config else {"seen_at": row["seen_at"]}
        with self._transaction() as session:
            session.execute(
                insert(KnownProject).values(**row).on_conflict_do_update(index_elements=["id"], set_=changes)
            )

    def label_config(self, project: int) -> str:
        """The labeling config that the project was last seen with, or ""."""
        with self._transaction() as session:
            found = session.get(KnownProject, project)
            return found.label_config if found else ""

    def projects(self) -> Sequence[KnownProject]:
        with self._transaction() as session:
            return session.scalars(select(KnownProject).order_by(KnownProject.id)).all()

    def remember_label_studio_name(self, url: str) -> None:
        """Keep a name that Label Studio has; the newest few are kept."""
        with self._transaction() as session:
            session.execute(insert(LabelStudioName).values(url=url, seen_at=now()).on_conflict_do_nothing())
            newest = select(LabelStudioName.url).order_by(LabelStudioName.seen_at.desc()).limit(_NAMES_KEPT)
            session.execute(delete(LabelStudioName).where(LabelStudioName.url.not_in(newest)))

    def label_studio_names(self) -> list[str]:
        """The names of Label Studio, the newest first."""
        with self._transaction() as session:
            return list(session.scalars(select(LabelStudioName.url).order_by(LabelStudioName.seen_at.desc())))

    # Jobs

    def job_for(self, task: Task, media: str, model_version: str, config: str) -> Job:
        """The job of this task, media, version and configuration; made when there is none yet.

        Raises NotInLabelStudio where the task is deleted at this moment.
        """
        (found,) = self.jobs_for([(task, media, model_version)], config)
        if found is None:
            raise NotInLabelStudio(f"Task {task.id} was deleted.")
        return found

    def known_job(self, task: Task, media: str, model_version: str, config: str) -> Job | None:
        """The job of this task, media, version and configuration, if there is one."""
        return self._found([(task, media, model_version)], config).get((task.id, media, model_version))

    def jobs_for(self, wanted: Sequence[tuple[Task, str, str]], config: str) -> list[Job | None]:
        """The jobs of tasks, each given with its media and model version; made where there is none yet.

        None for tasks that are deleted at this moment.
        """
        found = self._found(wanted, config)
        missing = [(task, media, version) for task, media, version in wanted if (task.id, media, version) not in found]
        if missing:  # at most requests there is none, and they need not wait for others to write
            rows = [new_job(task, media, version, config) for task, media, version in missing]
            with self._transaction() as session:
                session.execute(insert(Job).on_conflict_do_nothing(), rows)
            found |= self._found(missing, config)
        return [found.get((task.id, media, version)) for task, media, version in wanted]

    def _found(self, wanted: Sequence[tuple[Task, str, str]], config: str) -> dict[tuple[int, str, str], Job]:
        projects = {task.id: task.project for task, _, _ in wanted}
        found: dict[tuple[int, str, str], Job] = {}
        with self._transaction() as session:
            for ids in batches(projects):
                for job in session.scalars(select(Job).where(Job.task.in_(ids), Job.config == config)):
                    if job.project == projects[job.task]:
                        found[job.task, job.media, job.model_version] = job
        return found

    def job(self, job_id: int) -> Job | None:
        with self._transaction() as session:
            return session.get(Job, job_id)

    def jobs_by_id(self, job_ids: Iterable[int]) -> dict[int, Job]:
        """Those of the jobs that are there, by id."""
        with self._transaction() as session:
            chosen = (select(Job).where(Job.id.in_(ids)) for ids in batches(job_ids))
            return {job.id: job for query in chosen for job in session.scalars(query)}

    def start_jobs(self, job_ids: Sequence[int]) -> list[Job]:
        """Mark jobs as running; without those that are done already, or whose task was deleted."""
        started: list[Job] = []
        with self._transaction() as session:
            for ids in batches(job_ids):
                begin = update(Job).where(Job.id.in_(ids), Job.state != "done")
                begin = begin.values(state="running", attempts=Job.attempts + 1, updated_at=now())
                started += session.scalars(begin.returning(Job), execution_options={"synchronize_session": False})
        order = {job_id: place for place, job_id in enumerate(job_ids)}
        return sorted(started, key=lambda job: order[job.id])

    def finish_job(self, job_id: int, result: str) -> None:
        self.finish_jobs({job_id: result})

    def finish_jobs(self, results: Mapping[int, str], is_first: bool = False) -> None:
        """Keep what came of jobs, by id; those that were forgotten meanwhile are left out.

        is_first: leave out those as well that somebody else (an archive run) finished meanwhile, and delivered.
        """
        with self._transaction() as session:
            for job_id, result in results.items():
                wanted = (Job.id == job_id) & (Job.state != "done") if is_first else Job.id == job_id
                session.execute(
                    update(Job)
                    .where(wanted)
                    .values(state="done", result=result, error_type="", error_message="", updated_at=now())
                )

    def fail_job(self, job_id: int, error_type: str, message: str) -> None:
        with self._transaction() as session:
            session.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(state="failed", error_type=error_type, error_message=message, updated_at=now())
            )

    def requeue_job(self, job_id: int) -> Job | None:
        """Forget what came of a job; None where it was forgotten altogether."""
        with self._transaction() as session:
            return session.scalars(
                update(Job)
                .where(Job.id == job_id)
                .values(state="queued", result="", delivery="", delivered_at=None, updated_at=now())
                .returning(Job)
            ).one_or_none()

    def claim_answer(self, job_id: int, before: datetime) -> bool:
        """Note that a request is answered with a job's prediction; False where one was answered since `before`.

        What is far in the future counts as long ago: the clock was set back.
        """
        moment = now()
        is_long_ago = (Job.delivered_at < before) | (Job.delivered_at > moment + FAR_AHEAD)
        with self._transaction() as session:
            claim = (
                update(Job)
                .where(Job.id == job_id, Job.delivered_at.is_(None) | is_long_ago)
                .values(delivery="answered", delivered_at=moment)
                .returning(Job.id)
            )
            return session.scalar(claim) is not None

    def mark_pushed(self, job_id: int, prediction_id: int) -> None:
        with self._transaction() as session:
            session.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(delivery="pushed", delivered_at=now(), prediction_id=prediction_id)
            )

    def outdated_predictions(self, wanted: Iterable[JobKey], config: str) -> dict[JobKey, set[int]]:
        """The predictions of tasks that are of the same video and model, but of another configuration: they may have
        other boundaries."""
        asked = set(wanted)
        outdated: dict[JobKey, set[int]] = {one: set() for one in asked}
        own: dict[JobKey, int] = {}
        with self._transaction() as session:
            for ids in batches({task for _, task, _, _ in asked}):
                query = select(Job.project, Job.task, Job.media, Job.model_version, Job.config, Job.prediction_id)
                query = query.where(Job.task.in_(ids), Job.prediction_id.is_not(None))
                for project, task, media, version, its_config, number in session.execute(query):
                    one = project, task, media, version
                    if one in asked and number is not None:
                        if its_config == config:
                            own[one] = number
                        else:
                            outdated[one].add(number)
        # A Label Studio that was set up anew gives its numbers again.
        return {one: numbers - {own.get(one)} for one, numbers in outdated.items()}

    def deliver_again(self, job_ids: Iterable[int]) -> None:
        """Note that Label Studio may lack the predictions of jobs that were delivered."""
        with self._transaction() as session:
            for ids in batches(job_ids):
                lacking = update(Job).where(Job.id.in_(ids), Job.delivery == "pushed")
                session.execute(lacking.values(delivery="", updated_at=Job.updated_at))

    def forget_job(self, job_id: int) -> None:
        with self._transaction() as session:
            session.execute(delete(Job).where(Job.id == job_id))

    def forget_video(self, task: int, media: str) -> None:
        """Forget every job of a task's video at that address, by whatever model."""
        with self._transaction() as session:
            session.execute(delete(Job).where(Job.task == task, Job.media == media))

    def unfinished_jobs(
        self, projects: Iterable[int] | None = None, but: Iterable[int] = (), limit: int = -1
    ) -> Sequence[Job]:
        """The oldest jobs that are queued or running, of all projects or some, without those of the ids in `but`."""
        query = select(Job).where(Job.state.in_(["queued", "running"]))
        if projects is not None:
            query = query.where(Job.project.in_(list(projects)))
        # Not a part of the query: databases take only so many values.
        left_out = set(but)
        most = limit + len(left_out) if limit >= 0 else -1
        with self._transaction() as session:
            found = session.scalars(query.order_by(Job.id).limit(most)).all()
        jobs = [job for job in found if job.id not in left_out]
        return jobs[:limit] if limit >= 0 else jobs

    def unfinished_projects(self) -> list[int]:
        """The projects that have jobs which are queued or running, the one with the oldest of them first."""
        query = select(Job.project).where(Job.state.in_(["queued", "running"]))
        query = query.group_by(Job.project).order_by(func.min(Job.id))
        with self._transaction() as session:
            return list(session.scalars(query))

    def model_versions(self, project: int) -> set[str]:
        """Every version that the project's videos were analyzed with."""
        with self._transaction() as session:
            return set(session.scalars(select(Job.model_version).where(Job.project == project).distinct()))

    def latest_result(self, task: int, media: str) -> str:
        """What came of the newest finished job of that task and address, or ""."""
        return self.latest_results([(task, media)]).get((task, media), "")

    def latest_results(self, wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], str]:
        """What came of the newest finished jobs of tasks and addresses, where there are any."""
        media = set(wanted)
        found: dict[tuple[int, str], str] = {}
        with self._transaction() as session:
            for ids in batches(task for task, _ in wanted):
                query = select(Job.task, Job.media, Job.result).where(Job.task.in_(ids), Job.state == "done")
                for task, address, result in session.execute(query.order_by(Job.updated_at, Job.id)):
                    if (task, address) in media:
                        found[task, address] = result
        return found

    def jobs(self, project: int | None = None, limit: int = 200) -> Sequence[Job]:
        """The newest jobs first."""
        query = select(Job).order_by(Job.updated_at.desc(), Job.id.desc()).limit(limit)
        if project is not None:
            query = query.where(Job.project == project)
        with self._transaction() as session:
            return session.scalars(query).all()

    # Both

    def tasks_of_project(self, task_ids: Iterable[int], project: int) -> set[int]:
        """Which of the tasks are known to be of that project, by a job or an annotation."""
        found: set[int] = set()
        with self._transaction() as session:
            for ids in batches(task_ids):
                found |= set(session.scalars(select(Job.task).where(Job.task.in_(ids), Job.project == project)))
                of_labels = select(Annotation.task).where(Annotation.task.in_(ids), Annotation.project == project)
                found |= set(session.scalars(of_labels))
        return found

    def delete_tasks(self, task_ids: Iterable[int]) -> None:
        """Forget the jobs of tasks that no longer exist; their annotations stay, marked as deleted."""
        with self._transaction() as session:
            for ids in batches(task_ids):
                session.execute(delete(Job).where(Job.task.in_(ids)))
                session.execute(update(Annotation).where(Annotation.task.in_(ids)).values(deleted=True))
                session.execute(insert(DeletedTask).on_conflict_do_nothing(), [{"id": number} for number in ids])
