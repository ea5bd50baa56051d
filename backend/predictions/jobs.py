"""The life of a job: a video is analyzed in a worker process, then its prediction is brought to Label Studio."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.exc import DBAPIError

from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import (
    BackendError,
    LabelStudioError,
    LabelStudioRefused,
    NotInLabelStudio,
    ResultUnreadable,
    SchedulerLost,
    WorkerLost,
)
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.logs import about, call_about, subjects
from backend.predictions import delivery
from backend.predictions.active import IMPORTED, ActiveJobs
from backend.predictions.costs import CostFigures
from backend.predictions.retries import is_of_no_video
from backend.predictions.worker import Measured, VideoJob, judge_known, measured_task
from backend.sampling.clusters import Clusters
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.database import batches, explained, now
from backend.storage.jobs import FAR_AHEAD, Job, Store
from pipeline.errors import PipelineError
from pipeline.records import Analysis

log = logging.getLogger(__name__)

GRACE_PERIOD = timedelta(seconds=10)
"""After a delivery. Label Studio first picks the tasks that lack a prediction, then asks us for them: it would store a
prediction a second time that was delivered in between, so a request gets none within this time."""
ANSWER_GRACE_PERIOD = timedelta(minutes=2)
"""After an answer with a prediction: Label Studio stores those of an answer one by one, several in a second."""
_PUSH_ATTEMPTS = 3
_REFUSED_S = 600.0
"""So long nothing is stored again of a task that Label Studio takes nothing for: somebody may change that."""
_TOGETHER = 10
"""Jobs with known landmarks that make up one call: handing one to a worker takes longer than judging it."""


class JobRunner:
    """Runs jobs and delivers what comes of them, each by one thread at a time. Close it to stop its threads."""

    def __init__(self, context: Context, executor: Executor, retry_after_s: float = 1.0) -> None:
        self._context = context
        self._store = context.store
        self._client = context.client
        self._registry = context.registry
        self.figures = CostFigures()
        self._executor = executor
        self._retry_after_s = retry_after_s
        self._deliverers = ThreadPoolExecutor(2, thread_name_prefix="deliver")
        self.active = ActiveJobs()
        self._shown: dict[int, str] = {}
        self._clusters = Clusters(context.store)

    def analyze(self, jobs: Sequence[Job], controls: Controls, priority: int = IMPORTED) -> None:
        """Start on jobs; those that are being worked on already get the priority where theirs is lower.

        Where there is no room they stay in the database, and `active.on_room` is called when there is some again.
        """
        begun: list[Job] = []
        for job in jobs:
            if job.id not in self.active and not self.active.has_room_for(priority):
                continue
            if self.active.begin(job.id, priority):
                begun.append(job)
            else:
                self._raise_priority(job.id, priority)
        submitted: set[int] = set()
        try:
            for work in _calls(self._started(begun, controls)):
                self._submit(work)
                submitted |= work.keys()
        finally:
            for job_id in {job.id for job in begun} - submitted:
                self.active.end(job_id)

    def _started(self, jobs: Sequence[Job], controls: Controls) -> dict[int, VideoJob]:
        """What a worker gets for each job, by id; without those that need no work, or whose model is out of date."""
        models = {project: self._registry.current(project) for project in {job.project for job in jobs}}
        timely: list[Job] = []
        for job in jobs:
            if job.model_version == models[job.project].version:
                timely.append(job)
            else:
                self._store.fail_job(job.id, "Superseded", f"The model is {models[job.project].version} now.")
        known = known_media(self._store, [(job.task, job.media) for job in timely])
        access = self._context.current_access()
        return {
            started.id: VideoJob(
                task=Task(started.task, started.project, started.data),
                media=started.media,
                controls=controls,
                access=access,
                model_dir=models[started.project].folder,
                pose_dir=self._context.pose_dir,
                config=self._context.config,
                known=known.get((started.task, started.media)),
                make_playable=self._context.make_playable,
                rate=models[started.project].rate,
            )
            for started in self._store.start_jobs([job.id for job in timely])
        }

    def deliver(self, job_ids: Sequence[int], controls: Controls) -> None:
        """Start to bring finished jobs' predictions to Label Studio, but for those in progress."""
        begun = [job_id for job_id in job_ids if not self.active.is_put_off(job_id) and self.active.begin(job_id)]
        for together in batches(begun, _TOGETHER):
            self._submit_delivery(together, controls)

    def queue(self) -> Counter[tuple[int, bool]]:
        """How many jobs are being worked on, by priority and by whether they wait for a worker."""
        return self.active.counts(self._executor.waiting())

    def wait(self, jobs: Sequence[Job], deadline: float) -> list[Job]:
        """The jobs as they are after waiting until the deadline (of time.monotonic) for their progress to end."""
        self.active.wait((job.id for job in jobs), deadline)
        known = self._store.jobs_by_id(job.id for job in jobs)
        return [known.get(job.id, job) for job in jobs]

    def close(self) -> None:
        """Stop. What is unfinished is taken up at the next start."""
        self._deliverers.shutdown(wait=False, cancel_futures=True)
        self._executor.close()

    def _raise_priority(self, job_id: int, priority: int) -> None:
        key = self.active.raise_priority(job_id, priority)
        if key is not None:
            self._executor.raise_priority(key, priority)

    def _put_job_off(self, job_id: int, error: BaseException) -> None:
        refused = isinstance(error, LabelStudioRefused)
        self.active.put_off(job_id, _REFUSED_S if refused else getattr(error, "retry_after_s", 0.0))

    def _submit(self, work: Mapping[int, VideoJob]) -> None:
        """Have one job analyzed, or several with known landmarks judged in one call."""
        ids, jobs = list(work), list(work.values())
        # Unlike any other key: for a known one Dask's scheduler returns the result that it has.
        key = f"analyze-{ids[0]}-{uuid.uuid4().hex}"
        priority = self.active.called(ids, key)
        task = jobs[0].task
        if len(jobs) > 1:
            with about(project=task.project):
                judged = self._executor.submit(judge_known, jobs, key=key, priority=priority)
                judged.add_done_callback(partial(call_about, subjects(), self._judged, work))
            return
        with about(job=ids[0], task=task.id, project=task.project):
            analyzed = self._executor.submit(measured_task, jobs[0], key=key, priority=priority)
            analyzed.add_done_callback(partial(call_about, subjects(), self._analyzed, ids[0], jobs[0]))

    def _analyzed(self, job_id: int, work: VideoJob, future: Future[Measured]) -> None:
        """Runs in a thread of the executor, which must not wait for Label Studio."""
        delivering, controls = False, work.controls
        try:
            measured = future.result()
            self._store.finish_job(job_id, dump_analysis(measured.analysis))
            self.figures.done(work.task.project, measured.analysis, measured.cost)
            if self._client.configured:
                self._submit_delivery([job_id], controls)
                delivering = True
        except CancelledError:
            log.info("Job %s was cancelled; it is taken up again.", job_id)
        except (PipelineError, BackendError) as error:
            log.warning("Job %s failed: %s", job_id, error)
            self._put_job_off(job_id, error)
            self.figures.failed(work.task.project, type(error).__name__)
            self._note_failure(job_id, type(error).__name__, str(error))
            self._tell_failure(job_id, controls, error)
        except DBAPIError as error:
            log.warning("What came of job %s was not kept. %s It is taken up again.", job_id, explained(error))
        except Exception:  # the top of a worker: whatever happened, the server and the other jobs go on
            log.exception("Job %s failed unexpectedly.", job_id)
            self.figures.failed(work.task.project, "InternalError")
            self._note_failure(job_id, "InternalError", "Unexpected error; the server's log has the details.")
        finally:
            if not delivering:
                self.active.end(job_id)

    def _tell_failure(self, job_id: int, controls: Controls, error: Exception) -> None:
        """Show it on the task, in a thread of its own; not what has nothing to do with the video."""
        if not self._client.configured or is_of_no_video(error) or isinstance(error, WorkerLost):
            return
        with suppress(RuntimeError):  # shutting down
            self._deliverers.submit(call_about, subjects(), self._told_failure, job_id, controls, str(error))

    def _told_failure(self, job_id: int, controls: Controls, message: str) -> None:
        job = self._store.job(job_id)
        if job is None:
            return
        try:
            delivery.tell_failure(self._client, Task(job.task, job.project, job.data), controls, message)
        except LabelStudioError as error:
            log.warning("Task %s: that its video failed is not told there. %s", job.task, error)
        except Exception:  # the top of a thread
            log.exception("Task %s: that its video failed is not told there.", job.task)

    def _note_failure(self, job_id: int, error_type: str, message: str) -> None:
        """A job whose failure cannot be written down is taken up again in the next round."""
        try:
            self._store.fail_job(job_id, error_type, message)
        except DBAPIError as error:
            log.warning("Job %s: %s", job_id, explained(error))

    def _judged(self, work: Mapping[int, VideoJob], future: Future[list[Analysis | None]]) -> None:
        """Runs in a thread of the executor. Those that could not be judged together go on one by one, each with its own
        errors."""
        going_on: set[int] = set()
        try:
            answers = zip(work, _judgements(future, len(work)), strict=True)
            judged = {job_id: analysis for job_id, analysis in answers if analysis is not None}
            results = {job_id: dump_analysis(analysis) for job_id, analysis in judged.items()}
            for job_id in [job_id for job_id in work if job_id not in results]:
                self._submit({job_id: work[job_id]})
                going_on.add(job_id)
            self._store.finish_jobs(results)
            for job_id in results:
                self.figures.done(work[job_id].task.project, judged[job_id], None)
            if results and self._client.configured:
                self._submit_delivery(list(results), next(iter(work.values())).controls)
                going_on |= results.keys()
        except CancelledError:
            log.info("Jobs %s were cancelled; they are taken up again.", list(work))
        except SchedulerLost as error:
            log.warning("Jobs %s failed: %s", list(work), error)
            for job_id in work:
                self._store.fail_job(job_id, type(error).__name__, str(error))
        except Exception:  # the top of a call: they are taken up again in the next round
            log.exception("What came of jobs %s was not kept.", list(work))
        finally:
            for job_id in work.keys() - going_on:
                self.active.end(job_id)

    def _submit_delivery(self, job_ids: Sequence[int], controls: Controls) -> None:
        try:
            self._deliverers.submit(call_about, subjects(), self._deliver, job_ids, controls)
        except RuntimeError:  # shutting down
            log.info("Jobs %s are delivered at the next start.", list(job_ids))
            for job_id in job_ids:
                self.active.end(job_id)

    def _deliver(self, job_ids: Sequence[int], controls: Controls) -> None:
        stored: set[int] = set()
        waiting = set(job_ids)
        try:
            jobs = [job for job in self._store.jobs_by_id(job_ids).values() if self._is_wanted(job)]
            for project in {job.project for job in jobs}:
                for job in self._push(project, [job for job in jobs if job.project == project], controls):
                    stored.add(project)
                    waiting.discard(job.id)
                    self.active.end(job.id)  # whoever waits for it need not wait for the others
        except Exception:  # the top of a thread
            log.exception("Jobs %s could not be delivered.", list(job_ids))
        finally:
            for job_id in waiting:
                self.active.end(job_id)
        for project in stored:
            self.show_version(project)

    def _is_wanted(self, job: Job) -> bool:
        # Label Studio is perhaps just storing the answer. If it does not, the next round delivers.
        if job.delivery == "answered" and in_grace_period(job, now()):
            return False
        if job.model_version != self._registry.current(job.project).version:
            log.info("Task %s: its prediction by %s is out of date.", job.task, job.model_version)
            return False
        return True

    def _push(self, project: int, jobs: Sequence[Job], controls: Controls) -> Iterator[Job]:
        """Yields jobs as Label Studio stores their predictions; the next round or start tries the others again."""
        ours = self._store.model_versions(project) if self._context.remove_superseded else set()
        for attempt in range(1, _PUSH_ATTEMPTS + 1):
            deliveries = [self._delivery(job, ours) for job in jobs]
            outcomes = delivery.push_all(self._client, deliveries, controls)
            failed: list[Job] = []
            for job, made, outcome in zip(jobs, deliveries, outcomes, strict=True):
                if isinstance(outcome, NotInLabelStudio):
                    log.info("Task %s is forgotten: %s", job.task, outcome)
                    self._store.forget_job(job.id)
                elif isinstance(outcome, LabelStudioError):
                    log.warning("Task %s, attempt %d to store its prediction: %s", job.task, attempt, outcome)
                    self._put_job_off(job.id, outcome)
                    if not self.active.is_put_off(job.id):
                        failed.append(job)
                else:
                    self._store.mark_pushed(job.id, outcome)
                    log.info("Task %s: %d repetitions predicted.", job.task, len(made.analysis.reps))
                    yield job
            if not failed:
                return
            jobs = failed
            time.sleep(attempt * self._retry_after_s)

    def _delivery(self, job: Job, ours: set[str]) -> delivery.Delivery:
        analysis = load_analysis(job.result)
        cluster = self._clusters.shown(job.project, analysis)
        return delivery.Delivery(Task(job.task, job.project, job.data), analysis, ours - {job.model_version}, cluster)

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


def known_media(store: Store, tasks: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Analysis]:
    """The newest analysis of each (task, address), where there is one that names its video by a digest."""
    found: dict[tuple[int, str], Analysis] = {}
    for key, result in store.latest_results(tasks).items():
        with suppress(ResultUnreadable):
            analysis = load_analysis(result)
            if analysis.media_digest:
                found[key] = analysis
    return found


def in_grace_period(job: Job, moment: datetime) -> bool:
    """Whether Label Studio may at that moment not have noticed, or not stored yet, what it was given of this job."""
    if job.delivered_at is None:
        return False
    period = ANSWER_GRACE_PERIOD if job.delivery == "answered" else GRACE_PERIOD
    return moment - period <= job.delivered_at <= moment + FAR_AHEAD


def _calls(work: Mapping[int, VideoJob]) -> list[dict[int, VideoJob]]:
    """The jobs, by id, of each call to a worker: known ones in batches, each other one alone."""
    known = [job_id for job_id, job in work.items() if job.known is not None]
    alone = [[job_id] for job_id, job in work.items() if job.known is None]
    return [{job_id: work[job_id] for job_id in ids} for ids in (*batches(known, _TOGETHER), *alone)]


def _judgements(judged: Future[list[Analysis | None]], count: int) -> list[Analysis | None]:
    """What came of a call for several jobs: None for each where it failed. Raises CancelledError, SchedulerLost."""
    try:
        return judged.result()
    except (CancelledError, SchedulerLost):
        raise
    except Exception as error:  # noqa: BLE001  # is found again by the job that it is an error of, on its own
        log.warning("%d jobs are judged one by one: %s", count, error)
        return [None] * count
