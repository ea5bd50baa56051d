"""Pre-annotation: tasks in, predictions out. One failing task sinks no other; nothing is computed or stored twice."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import BackendError, BadRequest, LabelConfigError, LabelStudioError, QueueFull
from backend.labelstudio.addresses import public_url
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.labelstudio.records import TaskState
from backend.predictions.active import OPENED, REQUESTED
from backend.predictions.answers import Answer, TaskError, is_of, prediction_of
from backend.predictions.aside import Aside
from backend.predictions.connected import check_set_up, refusals
from backend.predictions.costs import CostFigures
from backend.predictions.deliverer import ANSWER_GRACE_PERIOD, in_grace_period
from backend.predictions.jobs import JobRunner
from backend.predictions.rounds import Rounds
from backend.predictions.starts import Starts, Wanted
from backend.storage.database import now
from backend.storage.jobs import Job

log = logging.getLogger(__name__)

_LABEL_STUDIO_S = 0.5
"""Time that a request leaves for asking Label Studio what it has."""
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
        self._predict_wait_s = predict_wait_s
        self._runner = JobRunner(context, executor)
        self._starts = Starts(context, self._runner)
        self._rounds = Rounds(context, self._runner, self._starts)
        self._aside = Aside()
        self._lookups = ThreadPoolExecutor(4, thread_name_prefix="look-up")

    def model_version(self, project: int | None = None) -> str:
        """The version of the model in use, for a project or for those without one of their own."""
        return self._starts.model_version(project)

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
        wanted: dict[int, Wanted] = {}
        errors: list[TaskError] = []
        named = {task.project for task in tasks if isinstance(task, Task)}
        refused = refusals(self._connections, named, self._lookups)
        for position, task in enumerate(tasks):
            try:
                if isinstance(task, Task) and task.project in refused:
                    raise refused[task.project]
                wanted[position] = self._starts.wanted(task, controls)
            except BackendError as error:
                number = task.id if isinstance(task, Task) else None
                errors.append(TaskError(number, type(error).__name__, str(error)))
        found = zip(wanted, self._starts.jobs_for(list(wanted.values())), strict=True)
        return {position: job for position, job in found if job is not None}, errors

    def _start_requested(self, jobs: Sequence[Job], controls: Controls, priority: int) -> None:
        if len(jobs) <= _STARTED_AT_ONCE:
            self._starts.start_all(jobs, controls, priority)
        else:
            with suppress(QueueFull):  # they are in the database: the next round takes them up
                self._aside.put(len(jobs), self._starts.start_all, jobs, controls, priority)

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
            self._aside.put(len(tasks), self._starts.enqueue_all, tasks, controls)
        except QueueFull:
            if not self._client.configured:
                raise
            for project in {task.project for task in tasks}:
                self.catch_up_soon(project)

    def resume(self) -> None:
        """See `Rounds.resume`."""
        self._rounds.resume()

    def run_until_closed(self) -> None:
        """See `Rounds.run_until_closed`."""
        self._rounds.run_until_closed()

    def catch_up_soon(self, project: int) -> None:
        """See `Rounds.catch_up_soon`."""
        self._rounds.catch_up_soon(project)

    @property
    def costs(self) -> CostFigures:
        """What the analyses of this server took."""
        return self._runner.figures

    def queue(self) -> Counter[tuple[int, bool]]:
        """How many jobs are being worked on, by priority and by whether they wait for a worker."""
        return self._runner.queue()

    def close(self) -> None:
        self._rounds.close()
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
        keys = [job.key for by_task in of_project.values() for job in by_task.values()]
        outdated = self._store.outdated_predictions(keys, self._starts.config)
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
            has_it = {
                job.id for job, state in known if set(state.prediction_ids(job.model_version)) - outdated[job.key]
            }
            answered |= {job.task: state.task for job, state in known if job.id in has_it}
            lacking = [job.id for job, _ in known if job.id not in has_it]
            self._runner.deliverer.deliver(lacking, controls, OPENED if len(jobs) == 1 else REQUESTED)
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
