"""Tasks become jobs, one for each task, video and model, and jobs begin that are still to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from backend.context import Context
from backend.errors import BadRequest
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.predictions.active import IMPORTED
from backend.predictions.jobs import JobRunner
from backend.predictions.retries import RETRY_AFTER, has_waited
from backend.storage.analysis_json import is_readable
from backend.storage.jobs import Job

log = logging.getLogger(__name__)

Wanted = tuple[Task, str, str]
"""A task, the address of its video, and the model version that it is to be judged by."""
BATCH = 100
"""Tasks that are looked up in the database together."""


class Starts:
    """What requests, events and rounds have in common."""

    def __init__(self, context: Context, runner: JobRunner) -> None:
        self._store = context.store
        self._client = context.client
        self._registry = context.registry
        self._runner = runner
        runner.deliverer.on_overtaken = self.enqueue
        self.config = context.config.digest()

    def model_version(self, project: int | None = None) -> str:
        """The version of the model in use, for a project or for those without one of their own."""
        return self._registry.current(project).version

    def wanted(self, task: Task | BadRequest, controls: Controls) -> Wanted:
        """What a task's job is to be of. Raises BadRequest."""
        if isinstance(task, BadRequest):
            raise task
        media = controls.media_of(task.data)
        if not media:
            place = controls.media.removeprefix("$")
            raise BadRequest(f'Task {task.id} has no video address under "{place}" in its data.')
        if not media.isprintable():
            raise BadRequest(f"The video address of task {task.id} has characters that no address has.")
        return task, media, self.model_version(task.project)

    def jobs_for(self, wanted: Sequence[Wanted]) -> list[Job | None]:
        """The job of each, made where there is none yet; None for tasks that are deleted at this moment."""
        return [job and self.readable(job) for job in self._store.jobs_for(wanted, self.config)]

    def readable(self, job: Job) -> Job:
        """The job, as one that is still to do where nothing can be made of its result."""
        if job.state != "done" or is_readable(job.result):
            return job
        log.warning("Task %s: its stored result cannot be read; its video is analyzed again.", job.task)
        return self._store.requeue_job(job.id) or job

    def enqueue_all(self, tasks: Sequence[Task], controls: Controls) -> None:
        """`enqueue` for any number of tasks; for the top of a thread."""
        try:
            for first in range(0, len(tasks), BATCH):
                self.enqueue(tasks[first : first + BATCH], controls)
        except Exception:  # the top of a thread
            log.exception("New tasks were not taken up; they are at the next start.")

    def enqueue(self, tasks: Sequence[Task], controls: Controls) -> None:
        """Start on tasks that Label Studio may have no prediction of, whatever was delivered before."""
        wanted = []
        for task in tasks:
            try:
                wanted.append(self.wanted(task, controls))
            except BadRequest as error:
                log.warning("Task %s is not pre-annotated: %s", task.id, error)
        jobs = [job for job in self.jobs_for(wanted) if job is not None]
        self.start_all(jobs, controls, IMPORTED)
        if self._client.configured:
            done = [job.id for job in jobs if job.state == "done"]
            self._store.deliver_again(done)  # the next rounds deliver what there is no room for now
            self._runner.deliverer.deliver(done, controls)

    def start_all(self, jobs: Sequence[Job], controls: Controls, priority: int) -> None:
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
