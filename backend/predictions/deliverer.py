"""Brings what came of jobs to Label Studio in threads of its own: a project at a time, later where it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from backend.context import Context
from backend.errors import LabelStudioError, LabelStudioRefused, NotInLabelStudio
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.logs import call_about, subjects
from backend.predictions import delivery
from backend.predictions.active import IMPORTED, ActiveJobs
from backend.sampling.clusters import Clusters
from backend.storage.analysis_json import load_analysis
from backend.storage.database import batches, now
from backend.storage.jobs import FAR_AHEAD, Job

log = logging.getLogger(__name__)

GRACE_PERIOD = timedelta(seconds=10)
"""After a delivery. Label Studio first picks the tasks that lack a prediction, then asks us for them: it would store a
prediction a second time that was delivered in between, so a request gets none within this time."""
ANSWER_GRACE_PERIOD = timedelta(minutes=2)
"""After an answer with a prediction: Label Studio stores those of an answer one by one, several in a second."""
_ATTEMPTS = 3
_REST_S = 30.0
"""So long nothing is delivered after Label Studio answered nobody at every attempt, unless it answers meanwhile."""
_REFUSED_S = 600.0
"""So long nothing is stored again of a task that Label Studio takes nothing for: somebody may change that."""
TOGETHER = 10
"""Jobs of one call, to a worker or to Label Studio."""


class Deliverer:
    """Each job by one thread at a time, of those in `active`, which it ends. Close it to stop its threads.

    on_overtaken gets tasks that a prediction was brought to while another model was put in use.
    """

    def __init__(self, context: Context, active: ActiveJobs, retry_after_s: float) -> None:
        self.on_overtaken: Callable[[Sequence[Task], Controls], None] = lambda tasks, controls: None
        self._remove_superseded = context.remove_superseded
        self._config = context.config.digest()
        self._store = context.store
        self._client = context.client
        self._registry = context.registry
        self._active = active
        self._retry_after_s = retry_after_s
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="deliver")
        self._clusters = Clusters(context.store)
        self._shown: dict[int, str] = {}
        self._pushed: set[tuple[int, str]] = set()  # project and model version
        self._tasks: set[int] = set()  # that a thread brings predictions to
        self._is_task_free = threading.Condition()
        self._rest_until = 0.0  # of time.monotonic

    @property
    def rests(self) -> bool:
        """Whether nothing is delivered just now: Label Studio answered nobody a moment ago, and has not since."""
        return self._client.fault is not None and time.monotonic() < self._rest_until

    def deliver(self, job_ids: Sequence[int], controls: Controls, priority: int = IMPORTED) -> None:
        """Start to bring finished jobs' predictions to Label Studio, but for those in progress.

        Where there is no room they stay in the database, and `on_room` is called when there is some again; they stay
        there while Label Studio answers nobody as well.
        """
        if self.rests:
            return
        begun = [
            job_id
            for job_id in job_ids
            if not self._active.is_put_off(job_id)
            and self._active.has_room_for(priority, is_done=True)
            and self._active.begin(job_id, priority, is_done=True)
        ]
        for together in batches(begun, TOGETHER):
            self.go_on(together, controls)

    def go_on(self, job_ids: Sequence[int], controls: Controls) -> None:
        """The same with jobs that are being worked on already, until now by somebody else."""
        try:
            self._threads.submit(call_about, subjects(), self._deliver, job_ids, controls)
        except RuntimeError:  # shutting down
            log.info("Jobs %s are delivered at the next start.", list(job_ids))
            for job_id in job_ids:
                self._active.end(job_id)

    def tell_failure(self, job_id: int, controls: Controls, message: str) -> None:
        """Show on the task that its video failed, soon, also where it is tried again: people see what they wait for."""
        if not self._client.configured or self.rests:
            return
        with suppress(RuntimeError):  # shutting down
            self._threads.submit(call_about, subjects(), self._told_failure, job_id, controls, message)

    def put_off(self, job_id: int, error: BaseException) -> None:
        """Leave a job alone for as long as whoever refused asks for."""
        refused = isinstance(error, LabelStudioRefused)
        self._active.put_off(job_id, _REFUSED_S if refused else getattr(error, "retry_after_s", 0.0))

    def others_pushed(self, project: int, version: str) -> bool:
        """Whether a project got predictions of other model versions than that since this was last asked."""
        its_own = {one for one in self._pushed.copy() if one[0] == project}
        self._pushed -= its_own
        return bool(its_own - {(project, version)})

    def show_version(self, project: int) -> None:
        """Once per model: a project's score column and sampling use one model version, which must be the one in use."""
        version = self._registry.current(project).version
        if self._shown.get(project) == version:
            return
        try:
            self._client.show_model_version(project, version, self._store.model_versions(project) - {version})
        except LabelStudioError as error:
            log.warning("Project %s does not show the scores of %s yet: %s", project, version, error)
            return
        self._shown[project] = version

    def close(self) -> None:
        """Stop. What is left is delivered at the next start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _told_failure(self, job_id: int, controls: Controls, message: str) -> None:
        job = self._store.job(job_id)
        if job is None or job.state != "failed" or self.rests:
            return
        try:
            delivery.tell_failure(self._client, Task(job.task, job.project, job.data), controls, message)
        except LabelStudioError as error:
            log.warning("Task %s: that its video failed is not told there. %s", job.task, error)
        except Exception:  # the top of a thread
            log.exception("Task %s: that its video failed is not told there.", job.task)

    def _deliver(self, job_ids: Sequence[int], controls: Controls) -> None:
        stored: set[int] = set()
        overtaken: list[Job] = []
        waiting = set(job_ids)
        try:
            if self.rests:  # of many that were begun together only the first ones are tried
                return
            jobs = self._store.jobs_by_id(job_ids).values()
            for project in {job.project for job in jobs}:
                its_jobs = [job for job in jobs if job.project == project]
                with self._alone_with({job.task for job in its_jobs}):
                    for job in self._push(project, its_jobs, controls, overtaken):
                        stored.add(project)
                        waiting.discard(job.id)
                        self._active.end(job.id)  # whoever waits for it need not wait for the others
        except Exception:  # the top of a thread
            log.exception("Jobs %s could not be delivered.", list(job_ids))
        finally:
            for job_id in waiting:
                self._active.end(job_id)
        for project in stored:
            self.show_version(project)
        if overtaken:
            self._give_way(overtaken, controls)

    @contextmanager
    def _alone_with(self, tasks: AbstractSet[int]) -> Iterator[None]:
        """While no other thread brings a prediction of another model to one of the tasks: each removes the other's."""
        with self._is_task_free:
            self._is_task_free.wait_for(lambda: not tasks & self._tasks)
            self._tasks |= tasks
        try:
            yield
        finally:
            with self._is_task_free:
                self._tasks -= tasks
                self._is_task_free.notify_all()

    def _give_way(self, jobs: Sequence[Job], controls: Controls) -> None:
        """Have the model that was put in use while these were pushed look after their tasks: its predictions may be
        gone, or not be alone."""
        try:
            self.on_overtaken([Task(job.task, job.project, job.data) for job in jobs], controls)
        except Exception:  # the top of a thread
            log.exception("Tasks %s may lack a prediction of the model in use.", [job.task for job in jobs])

    def _is_in_use(self, job: Job) -> bool:
        return job.model_version == self._registry.current(job.project).version

    def _is_wanted(self, job: Job) -> bool:
        # Label Studio is perhaps just storing the answer. If it does not, the next round delivers.
        if job.delivery == "answered" and in_grace_period(job, now()):
            return False
        if not self._is_in_use(job):
            log.info("Task %s: its prediction by %s is out of date.", job.task, job.model_version)
            return False
        return True

    def _push(self, project: int, jobs: Sequence[Job], controls: Controls, overtaken: list[Job]) -> Iterator[Job]:
        """Yields jobs as Label Studio stores their predictions; the next round or start tries the others again.

        Adds to `overtaken` those that may have changed something there, while another model was put in use.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            jobs = [job for job in jobs if self._is_wanted(job)]
            if not jobs:
                return
            superseded = self._superseded(project)
            deliveries = self._deliveries(jobs, superseded)
            outcomes = delivery.push_all(self._client, deliveries, controls)
            # In this order: a model that is put in use later is one that a round looks after.
            self._pushed.update((project, job.model_version) for job in jobs)
            overtaken += [job for job in jobs if not self._is_in_use(job)]
            failed: list[Job] = []
            rest_s = 0.0
            for job, made, outcome in zip(jobs, deliveries, outcomes, strict=True):
                if isinstance(outcome, NotInLabelStudio):
                    log.info("Task %s is forgotten: %s", job.task, outcome)
                    self._store.forget_job(job.id)
                elif isinstance(outcome, LabelStudioError):
                    log.warning("Task %s, attempt %d to store its prediction: %s", job.task, attempt, outcome)
                    self.put_off(job.id, outcome)
                    if outcome.answers_nobody:
                        rest_s = max(_REST_S, outcome.retry_after_s)
                    if not self._active.is_put_off(job.id):
                        failed.append(job)
                else:
                    self._store.mark_pushed(job.id, outcome)
                    log.info("Task %s: %d repetitions predicted.", job.task, len(made.analysis.reps))
                    yield job
            if not failed or attempt == _ATTEMPTS:
                self._rest_until = max(self._rest_until, time.monotonic() + rest_s)
                return
            jobs = failed
            time.sleep(attempt * self._retry_after_s)

    def _superseded(self, project: int) -> set[str]:
        """The model versions whose predictions may go: never that of the model in use at this moment."""
        if not self._remove_superseded:
            return set()
        return self._store.model_versions(project) - {self._registry.current(project).version}

    def _deliveries(self, jobs: Sequence[Job], superseded: set[str]) -> list[delivery.Delivery]:
        outdated = self._store.outdated_predictions((job.key for job in jobs), self._config)
        return [
            delivery.Delivery(
                Task(job.task, job.project, job.data),
                analysis := load_analysis(job.result),
                superseded - {job.model_version},
                self._clusters.shown(job.project, analysis),
                outdated[job.key],
                self._remove_superseded,
            )
            for job in jobs
        ]


def in_grace_period(job: Job, moment: datetime) -> bool:
    """Whether Label Studio may at that moment not have noticed, or not stored yet, what it was given of this job."""
    if job.delivered_at is None:
        return False
    period = ANSWER_GRACE_PERIOD if job.delivery == "answered" else GRACE_PERIOD
    return moment - period <= job.delivered_at <= moment + FAR_AHEAD
