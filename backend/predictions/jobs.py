"""The life of a job: its video is analyzed in a worker process, then its prediction is handed to the deliverer."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial

from sqlalchemy.exc import DBAPIError

from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import BackendError, LabelStudioError, ResultUnreadable, SchedulerLost, StorageFault
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.logs import about, call_about, subjects
from backend.predictions.active import IMPORTED, ActiveJobs
from backend.predictions.costs import CostFigures
from backend.predictions.deliverer import TOGETHER, Deliverer
from backend.predictions.worker import Measured, VideoJob, judge_known, measured_task
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.database import batches, explained
from backend.storage.jobs import Job, Store
from backend.storage.summaries import note_copy
from backend.storage.waiting import versions_of
from pipeline.errors import PipelineError
from pipeline.records import Analysis

log = logging.getLogger(__name__)


class JobRunner:
    """Runs jobs and has what comes of them delivered, each by one thread at a time. Close it to stop its threads."""

    def __init__(self, context: Context, executor: Executor, retry_after_s: float = 1.0) -> None:
        self._context = context
        self._store = context.store
        self._client = context.client
        self._registry = context.registry
        self.figures = CostFigures()
        self._executor = executor
        self.active = ActiveJobs()
        self.deliverer = Deliverer(context, self.active, retry_after_s)

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
        """What a worker gets for each job, by id; without those that need no work. Those whose model is out of date are
        left to the next round, which begins soon after a promotion."""
        models = {project: self._registry.current(project) for project in {job.project for job in jobs}}
        timely = [job for job in jobs if job.model_version == models[job.project].version]
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

    def take_back(self) -> dict[int, int]:
        """Give up calls that no worker has begun, of jobs whose model is no longer in use: nobody works on these now.

        Returns the priority of each, by id.
        """
        waiting = self._executor.waiting()
        calls = {job_id: key for job_id, key in self.active.calls().items() if key in waiting}
        outdated = {
            calls[job.id]
            for job in versions_of(self._store.engine, calls)
            if job.model_version != self._registry.current(job.project).version
        }
        priorities = {job_id: self.active.priority(job_id) for job_id, key in calls.items() if key in outdated}
        self._executor.cancel(outdated)
        return {job_id: priority for job_id, priority in priorities.items() if job_id not in self.active}

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
        self.deliverer.close()
        self._executor.close()

    def _raise_priority(self, job_id: int, priority: int) -> None:
        key = self.active.raise_priority(job_id, priority)
        if key is not None:
            self._executor.raise_priority(key, priority)

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
            self._store.finish_jobs({job_id: dump_analysis(measured.analysis)}, is_first=True)
            if measured.analysis.video.has_playable_copy:
                note_copy(self._store.engine, work.task.project, work.task.id)
            self.figures.done(work.task.project, measured.analysis, measured.cost)
            if self._client.configured:
                self.deliverer.go_on([job_id], controls)
                delivering = True
        except CancelledError:
            log.info("Job %s was cancelled; it is taken up again.", job_id)
        except (PipelineError, BackendError) as error:
            log.warning("Job %s failed: %s", job_id, error)
            self.deliverer.put_off(job_id, error)
            self.figures.failed(work.task.project, type(error).__name__)
            told = controls if _is_of_the_task(error) else None
            self._note_failure(job_id, type(error).__name__, str(error), told)
        except DBAPIError as error:
            log.warning("What came of job %s was not kept. %s It is taken up again.", job_id, explained(error))
        except Exception:  # the top of a worker: whatever happened, the server and the other jobs go on
            log.exception("Job %s failed unexpectedly.", job_id)
            self.figures.failed(work.task.project, "InternalError")
            unexpected = "Unexpected error; the server's log has the details."
            self._note_failure(job_id, "InternalError", unexpected, controls)
        finally:
            if not delivering:
                self.active.end(job_id)

    def _note_failure(self, job_id: int, error_type: str, message: str, controls: Controls | None = None) -> None:
        """Keep why a job failed, and with controls tell it on its task. Where it cannot be kept, the next round takes
        the job up."""
        try:
            self._store.fail_job(job_id, error_type, message)
        except DBAPIError as error:
            log.warning("Job %s: %s", job_id, explained(error))
            return
        if controls is not None:
            self.deliverer.tell_failure(job_id, controls, message)

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
            self._store.finish_jobs(results, is_first=True)
            for job_id in results:
                self.figures.done(work[job_id].task.project, judged[job_id], None)
            if results and self._client.configured:
                self.deliverer.go_on(list(results), next(iter(work.values())).controls)
                going_on |= results.keys()
        except CancelledError:
            log.info("Jobs %s were cancelled; they are taken up again.", list(work))
        except SchedulerLost as error:
            log.warning("Jobs %s failed: %s", list(work), error)
            for job_id in work:
                self._note_failure(job_id, type(error).__name__, str(error))
        except Exception:  # the top of a call: they are taken up again in the next round
            log.exception("What came of jobs %s was not kept.", list(work))
        finally:
            for job_id in work.keys() - going_on:
                self.active.end(job_id)


def known_media(store: Store, tasks: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Analysis]:
    """The newest analysis of each (task, address), where there is one that names its video by a digest."""
    found: dict[tuple[int, str], Analysis] = {}
    for key, result in store.latest_results(tasks).items():
        with suppress(ResultUnreadable):
            analysis = load_analysis(result)
            if analysis.media_digest:
                found[key] = analysis
    return found


def _calls(work: Mapping[int, VideoJob]) -> list[dict[int, VideoJob]]:
    """The jobs, by id, of each call to a worker: known ones in batches, each other one alone."""
    known = [job_id for job_id, job in work.items() if job.known is not None]
    alone = [[job_id] for job_id, job in work.items() if job.known is None]
    return [{job_id: work[job_id] for job_id in ids} for ids in (*batches(known, TOGETHER), *alone)]


def _is_of_the_task(error: Exception) -> bool:
    """Whether a failure says something of this one task, not of our disk or cluster or of a Label Studio that is away:
    those concern all tasks alike, and whoever runs the server, and name paths that are nobody's business there."""
    is_away = isinstance(error, LabelStudioError) and error.answers_nobody
    return not (is_away or isinstance(error, (SchedulerLost, StorageFault)))


def _judgements(judged: Future[list[Analysis | None]], count: int) -> list[Analysis | None]:
    """What came of a call for several jobs: None for each where it failed. Raises CancelledError, SchedulerLost."""
    try:
        return judged.result()
    except (CancelledError, SchedulerLost):
        raise
    except Exception as error:  # noqa: BLE001  # is found again by the job that it is an error of, on its own
        log.warning("%d jobs are judged one by one: %s", count, error)
        return [None] * count
