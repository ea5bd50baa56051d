"""Pre-annotation: tasks in, predictions out. One failing task sinks no other; nothing is computed or stored twice."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import BackendError, BadRequest, LabelConfigError, LabelStudioError, NotInLabelStudio, QueueFull
from backend.labelstudio.addresses import public_url
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.labelstudio.records import TaskState
from backend.predictions.active import IMPORTED, OPENED, REQUESTED
from backend.predictions.answers import Answer, TaskError, is_of, prediction_of
from backend.predictions.aside import Aside
from backend.predictions.connected import check_set_up, refusals, those_connected
from backend.predictions.costs import CostFigures
from backend.predictions.jobs import ANSWER_GRACE_PERIOD, JobRunner, in_grace_period
from backend.predictions.retries import OF_THE_VIDEO, OUR_OWN, RETRY_AFTER, has_waited, is_retried, pause
from backend.storage.analysis_json import is_readable
from backend.storage.database import explained, now
from backend.storage.jobs import Job

log = logging.getLogger(__name__)

_ROUND_S = 60.0
_POLL_S = 2.0
"""Other processes promote models as well."""
_LABEL_STUDIO_S = 0.5
"""Time that a request leaves for asking Label Studio what it has."""
_BATCH = 100
"""Tasks that are looked up in the database together."""
_STARTED_AT_ONCE = 16
"""Of a longer list nothing new is finished while the request waits: it is started beside the request."""


class Preannotator:
    """Answers requests for predictions, and makes them before anybody asks. Close it to stop its threads and workers.

    predict_wait_s: the longest that a request waits for unfinished tasks.
    """

    def __init__(self, context: Context, executor: Executor, predict_wait_s: float) -> None:
        self._store = context.store
        self._client = context.client
        self._connections = context.connections
        self._registry = context.registry
        self._config = context.config
        self._remove_superseded = context.remove_superseded
        self._predict_wait_s = predict_wait_s
        self._runner = JobRunner(context, executor)
        self._aside = Aside()
        self._lookups = ThreadPoolExecutor(4, thread_name_prefix="look-up")
        self._closed = threading.Event()
        self._caught_up: dict[int, tuple[str, int]] = {}
        self._catch_up_requests: Counter[int] = Counter()
        self._wake = threading.Event()
        self._runner.active.on_room = self._wake.set

    def model_version(self, project: int | None = None) -> str:
        """The version of the model in use, for a project or for those without one of their own."""
        return self._registry.current(project).version

    def connect(self, project: int, label_config: str, hostname: object = "") -> str:
        """A project was connected, or its settings opened; returns the model version. Raises LabelConfigError.

        hostname: the address that Label Studio says it is opened at.
        """
        name = public_url(hostname)
        if name and name not in self._store.label_studio_names():
            self._store.remember_label_studio_name(name)
        check_set_up(self._store, project, label_config)
        self._store.remember_project(project, label_config)
        return self.model_version(project)

    def predict(self, tasks: Sequence[Task | BadRequest], label_config: str) -> Answer:
        """Predictions of finished tasks at once; waits a little for others, which go on in the background.

        With access to Label Studio, a prediction that it lacks is stored there by us alone, not through the answer:
        two ways would now and then store two. The answer carries what Label Studio has already (it asks for that
        without storing it, as a test), or what we cannot store because we do not reach it.

        Raises LabelConfigError; what is wrong with one task is in the answer.
        """
        controls = parse_controls(label_config)
        asked_at = now()
        deadline = time.monotonic() + self._predict_wait_s
        requested, errors = self._requested_jobs(tasks, controls)
        self._start_requested(list(requested.values()), controls, OPENED if len(tasks) == 1 else REQUESTED)
        wait_until = deadline - _LABEL_STUDIO_S if self._client.configured else deadline
        jobs = dict(zip(requested, self._runner.wait(list(requested.values()), wait_until), strict=True))
        failed = [job for job in jobs.values() if job.state == "failed"]
        errors += [TaskError(job.task, job.error_type, job.error_message) for job in failed]
        if self._client.configured:
            answered = self._tasks_to_answer(list(jobs.values()), controls, asked_at, deadline)
        else:
            answered = {task.id: task for task in tasks if isinstance(task, Task)}
        predictions = [prediction_of(jobs.get(position), answered, controls) for position in range(len(tasks))]
        return Answer(predictions, errors)

    def _requested_jobs(
        self, tasks: Sequence[Task | BadRequest], controls: Controls
    ) -> tuple[dict[int, Job], list[TaskError]]:
        """The jobs of a request's tasks, by their position in the request; and what is wrong with other tasks."""
        wanted: dict[int, tuple[Task, str, str]] = {}
        errors: list[TaskError] = []
        named = {task.project for task in tasks if isinstance(task, Task)}
        refused = refusals(self._connections, named, self._lookups)
        for position, task in enumerate(tasks):
            try:
                if isinstance(task, Task) and task.project in refused:
                    raise refused[task.project]
                wanted[position] = self._wanted(task, controls)
            except BackendError as error:
                number = task.id if isinstance(task, Task) else None
                errors.append(TaskError(number, type(error).__name__, str(error)))
        found = self._store.jobs_for(list(wanted.values()), self._config.digest())
        jobs = {position: self._readable(job) for position, job in zip(wanted, found, strict=True) if job is not None}
        return jobs, errors

    def _start_requested(self, jobs: Sequence[Job], controls: Controls, priority: int) -> None:
        if len(jobs) <= _STARTED_AT_ONCE:
            self._start_all(jobs, controls, priority)
        else:
            with suppress(QueueFull):  # they are in the database: the next round takes them up
                self._aside.put(len(jobs), self._start_all, jobs, controls, priority)

    def tasks_created(self, tasks: Sequence[Task], label_config: str) -> None:
        """Start on new tasks before anybody opens them, in the background. Tasks without a video are left alone.

        Raises QueueFull where that would be too many, and nobody could be asked for them later.
        """
        try:
            controls = parse_controls(label_config)
        except LabelConfigError as error:
            log.warning("New tasks are not pre-annotated: %s", error)
            return
        try:
            self._aside.put(len(tasks), self._enqueue_all, tasks, controls)
        except QueueFull:
            if not self._client.configured:
                raise
            for project in {task.project for task in tasks}:
                self.catch_up_soon(project)

    def resume(self) -> None:
        """Go on with what is unfinished, then with tasks that arrived while the server was away.

        Label Studio may not be up yet, or go away: to be called again from time to time.
        """
        failed = self._store.failed_jobs([*OUR_OWN, *OF_THE_VIDEO])
        retried = [job for job in failed if is_retried(job) and self._is_due(job)]
        unfinished = self._store.unfinished_projects()
        connected = those_connected(self._connections, {*unfinished, *(job.project for job in retried)})
        self._take_up_all(job for job in retried if job.project in connected)
        active = self._runner.active
        for with_work in (project for project in unfinished if project in connected):
            # One more than there is room for: so it is known that there are others.
            self._take_up_all(self._store.unfinished_jobs([with_work], active.ids(), active.room() + 1))
        if not self._client.configured:
            return
        projects = self._store.projects()
        connected = those_connected(self._connections, {project.id for project in projects})
        projects = [project for project in projects if project.id in connected]
        for project in projects:
            version = self.model_version(project.id)
            self._take_up_all(self._store.undelivered_jobs(project.id, version, self._config.digest()))
        for project in projects:
            newest = self.model_version(project.id), self._catch_up_requests[project.id]
            if self._caught_up.get(project.id) != newest and not self._closed.is_set():
                self._catch_up(project.id, project.label_config)

    def run_until_closed(self) -> None:
        """Resume now, every minute, and when a model was promoted, until closed. For a thread of its own."""
        seen: dict[int, str] = {}
        next_round, woken = time.monotonic(), False
        while not self._closed.is_set():
            try:
                models = self._models()
                if woken or models != seen or time.monotonic() >= next_round:
                    seen, next_round = models, time.monotonic() + _ROUND_S
                    self.resume()
            except DBAPIError as error:
                log.warning("Unfinished work is taken up later. %s", explained(error))
            except Exception:  # the top of a thread
                log.exception("Unfinished work was not taken up.")
            woken = self._wake.wait(_POLL_S)
            self._wake.clear()

    def _is_due(self, job: Job) -> bool:
        """Whether a failed job has waited long enough for its next attempt."""
        return has_waited(job, pause(job.attempts)) and not self._runner.active.is_put_off(job.id)

    def _models(self) -> dict[int, str]:
        """The version in use of every project. Other processes promote as well."""
        return {project.id: self.model_version(project.id) for project in self._store.projects()}

    def catch_up_soon(self, project: int) -> None:
        """Search at once for tasks of the project that lack a prediction of the model in use now. Does not wait."""
        self._catch_up_requests[project] += 1  # a search that is going on now may have begun too early
        self._wake.set()

    @property
    def costs(self) -> CostFigures:
        """What the analyses of this server took."""
        return self._runner.figures

    def queue(self) -> Counter[tuple[int, bool]]:
        """How many jobs are being worked on, by priority and by whether they wait for a worker."""
        return self._runner.queue()

    def close(self) -> None:
        self._closed.set()
        self._wake.set()
        self._aside.close()
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self._runner.close()

    def _tasks_to_answer(
        self, jobs: Sequence[Job], controls: Controls, asked_at: datetime, deadline: float
    ) -> dict[int, Task]:
        """The tasks, by id and as they are now, whose predictions the answer to a request of Label Studio carries."""
        of_project = defaultdict[int, dict[int, Job]](dict)
        for job in jobs:
            is_over = job.state == "done" and job.id not in self._runner.active
            if is_over and not in_grace_period(job, asked_at):
                of_project[job.project][job.task] = job
        answered: dict[int, Task] = {}
        ask_until = max(deadline, time.monotonic() + _LABEL_STUDIO_S)
        for project, by_task in of_project.items():
            done = list(by_task.values())
            try:
                states = self._states(project, list(by_task), ask_until)
            except LabelStudioError as error:
                log.warning("Answering without knowing what Label Studio has: %s", error)
                answered |= self._claimed(done, asked_at)
                continue
            known = [(job, states[job.task]) for job in done if is_of(job, states.get(job.task), controls)]
            has_it = {job.id for job, state in known if state.prediction_ids(job.model_version)}
            answered |= {job.task: state.task for job, state in known if job.id in has_it}
            self._runner.deliver([job.id for job, _ in known if job.id not in has_it], controls)
            self._runner.wait(done, deadline)
        return answered

    def _claimed(self, jobs: Sequence[Job], asked_at: datetime) -> dict[int, Task]:
        """The tasks, by id, that no other answer carries a prediction of just now: this one does."""
        return {
            job.task: Task(job.task, job.project, job.data)
            for job in jobs
            if self._store.claim_answer(job.id, asked_at - ANSWER_GRACE_PERIOD)
        }

    def _states(self, project: int, task_ids: list[int], deadline: float) -> dict[int, TaskState]:
        """How tasks are in Label Studio, which may be waiting for us with no thread free to answer: hence the deadline
        (of time.monotonic). Raises LabelStudioError."""
        seconds = max(0.0, deadline - time.monotonic())
        try:
            return self._lookups.submit(self._client.task_states, project, task_ids).result(seconds)
        except TimeoutError as error:
            raise LabelStudioError(f"Label Studio did not answer within {seconds:.1f} s.") from error

    def _take_up_all(self, jobs: Iterable[Job]) -> None:
        """Go on with jobs, those of a project together: what their videos share is asked for once."""
        of_project = defaultdict[int, list[Job]](list)
        for job in jobs:
            of_project[job.project].append(job)
        for project, its_jobs in of_project.items():
            for first in range(0, len(its_jobs), _BATCH):
                self._take_up_safely(project, its_jobs[first : first + _BATCH])

    def _take_up_safely(self, project: int, jobs: Sequence[Job]) -> None:
        try:
            self._take_up(project, jobs)
        except Exception:  # whatever it is, the other jobs go on
            if len(jobs) == 1:
                log.exception("Job %s was not taken up.", jobs[0].id)
                return
            for job in jobs:
                self._take_up_safely(project, [job])

    def _take_up(self, project: int, jobs: Iterable[Job]) -> None:
        version, digest = self.model_version(project), self._config.digest()
        waiting = [self._readable(job) for job in jobs if job.id not in self._runner.active]
        for job in waiting:
            if job.state != "done" and (job.model_version, job.config) != (version, digest):
                # The task is asked for again, under the version of today.
                self._store.fail_job(job.id, "Superseded", f"Interrupted; the model is {version} now.")
        try:
            controls = parse_controls(self._store.label_config(project))
        except LabelConfigError as error:
            log.warning("%d jobs of project %s wait: %s", len(waiting), project, error)
            return
        self._runner.deliver([job.id for job in waiting if job.state == "done"], controls)
        current = [job for job in waiting if (job.model_version, job.config) == (version, digest)]
        self._runner.analyze([job for job in current if job.state != "done"], controls)

    def _catch_up(self, project: int, label_config: str) -> None:
        requests = self._catch_up_requests[project]
        try:
            controls = parse_controls(label_config)
            version = self.model_version(project)
            earlier = self._store.model_versions(project) - {version}
            superseded = earlier if self._remove_superseded else set()
            shows = False
            unlabelled: list[Task] = []
            labelled: list[Task] = []
            for task, annotation_count, versions in self._client.tasks(project):
                shows = shows or version in versions
                if annotation_count == 0 and (version not in versions or versions & superseded):
                    unlabelled.append(task)
                elif annotation_count and version not in versions and versions & earlier:
                    labelled.append(task)
                if len(unlabelled) == _BATCH:
                    self._enqueue(unlabelled, controls)
                    unlabelled = []
            # Labelled ones last, and only where the video was analyzed before: so that the project's column of scores,
            # which shows one version, has no gaps where people are done.
            rest = [*unlabelled, *labelled]
            for first in range(0, len(rest), _BATCH):
                self._enqueue(rest[first : first + _BATCH], controls)
            if shows:  # Label Studio takes only a version that it has predictions of
                self._runner.show_version(project)
        except NotInLabelStudio:
            log.info("Project %s is no longer in Label Studio.", project)
        except (LabelStudioError, LabelConfigError) as error:
            log.warning("Project %s was not checked for new tasks yet: %s", project, error)
            return
        self._caught_up[project] = version, requests

    def _enqueue_all(self, tasks: Sequence[Task], controls: Controls) -> None:
        try:
            for first in range(0, len(tasks), _BATCH):
                self._enqueue(tasks[first : first + _BATCH], controls)
        except Exception:  # the top of a thread
            log.exception("New tasks were not taken up; they are at the next start.")

    def _enqueue(self, tasks: Sequence[Task], controls: Controls) -> None:
        """Start on tasks that Label Studio has no prediction of, whatever was delivered before."""
        wanted = []
        for task in tasks:
            try:
                wanted.append(self._wanted(task, controls))
            except BadRequest as error:
                log.warning("Task %s is not pre-annotated: %s", task.id, error)
        found = self._store.jobs_for(wanted, self._config.digest())
        jobs = [self._readable(job) for job in found if job is not None]
        self._start_all(jobs, controls, IMPORTED)
        if self._client.configured:
            self._runner.deliver([job.id for job in jobs if job.state == "done"], controls)

    def _readable(self, job: Job) -> Job:
        """The job, as one that is still to do where nothing can be made of its result."""
        if job.state != "done" or is_readable(job.result):
            return job
        log.warning("Task %s: its stored result cannot be read; its video is analyzed again.", job.task)
        return self._store.requeue_job(job.id) or job

    def _wanted(self, task: Task | BadRequest, controls: Controls) -> tuple[Task, str, str]:
        """A task with its video's address and the model version that it is to be judged by. Raises BadRequest."""
        if isinstance(task, BadRequest):
            raise task
        media = controls.media_of(task.data)
        if not media:
            place = controls.media.removeprefix("$")
            raise BadRequest(f'Task {task.id} has no video address under "{place}" in its data.')
        if not media.isprintable():
            raise BadRequest(f"The video address of task {task.id} has characters that no address has.")
        return task, media, self.model_version(task.project)

    def _start_all(self, jobs: Sequence[Job], controls: Controls, priority: int) -> None:
        """Start on the jobs that are to do. What fails unexpectedly is taken up in the next round."""
        todo = [
            job
            for job in jobs
            if job.state in ("queued", "running")
            or (job.state == "failed" and has_waited(job, RETRY_AFTER) and not self._runner.active.is_put_off(job.id))
        ]
        try:
            self._runner.analyze(todo, controls, priority)
        except Exception:  # may be the top of a thread
            log.exception("%d jobs were not started.", len(todo))
