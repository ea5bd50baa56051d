"""What is taken up at the start, every minute, and when a model was promoted: all that nobody asks for again."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy.exc import DBAPIError

from backend.context import Context
from backend.errors import LabelConfigError, LabelStudioError, NotInLabelStudio
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.predictions.active import IMPORTED
from backend.predictions.connected import those_connected
from backend.predictions.jobs import JobRunner
from backend.predictions.retries import OF_THE_VIDEO, OUR_OWN, has_waited, is_retried, pause
from backend.predictions.starts import BATCH, Starts
from backend.storage import waiting
from backend.storage.database import explained
from backend.storage.jobs import Job
from backend.storage.summaries import refresh
from backend.storage.waiting import Failure

log = logging.getLogger(__name__)

_ROUND_S = 60.0
_POLL_S = 2.0
"""Other processes promote models as well."""


class Rounds:
    """Goes on with what is unfinished. Of what waits in the database no more is read than there is room for."""

    def __init__(self, context: Context, runner: JobRunner, starts: Starts) -> None:
        self._store = context.store
        self._client = context.client
        self._connections = context.connections
        self._remove_superseded = context.remove_superseded
        self._runner = runner
        self._starts = starts
        self._closed = threading.Event()
        self._caught_up: dict[int, tuple[str, int]] = {}
        self._catch_up_requests: Counter[int] = Counter()
        self.wake = threading.Event()
        runner.active.on_room = self.wake.set

    def resume(self) -> None:
        """Go on with what is unfinished, then with tasks that arrived while the server was away.

        Label Studio may not be up yet, or go away: to be called again from time to time.
        """
        self._give_to_new_models()
        unfinished = self._store.unfinished_projects()
        failed = waiting.failed_projects(self._store.engine, (*OUR_OWN, *OF_THE_VIDEO))
        connected = those_connected(self._connections, {*unfinished, *failed})
        for with_failures in (project for project in failed if project in connected):
            self._take_up_failed(with_failures)
        active = self._runner.active
        for with_work in (project for project in unfinished if project in connected):
            # One more than there is room for: so it is known that there are others.
            self._take_up_all(self._store.unfinished_jobs([with_work], active.ids(), active.room() + 1))
        self._take_up_unreadable()
        if not self._client.configured:
            return
        projects = self._store.projects()
        connected = those_connected(self._connections, {project.id for project in projects})
        projects = [project for project in projects if project.id in connected]
        for project in projects:
            self._deliver(project.id)
        for project in projects:
            version = self._starts.model_version(project.id)
            newest = version, self._catch_up_requests[project.id]
            if self._runner.deliverer.others_pushed(project.id, version):
                # Another model may have been in use for a moment, between two looks at which one is.
                self._caught_up.pop(project.id, None)
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
            woken = self.wake.wait(_POLL_S)
            self.wake.clear()

    def catch_up_soon(self, project: int) -> None:
        """Search at once for tasks of the project that lack a prediction of the model in use now. Does not wait."""
        self._catch_up_requests[project] += 1  # a search that is going on now may have begun too early
        self.wake.set()

    def close(self) -> None:
        self._closed.set()
        self.wake.set()

    def _models(self) -> dict[int, str]:
        """The version in use of every project. Other processes promote as well."""
        return {project.id: self._starts.model_version(project.id) for project in self._store.projects()}

    def _give_to_new_models(self) -> None:
        """What still waits for a worker, by a model that is no longer in use, waits for the one in use from now on."""
        taken_back = self._runner.take_back()
        for priority in sorted(set(taken_back.values()), reverse=True):
            ids = [job_id for job_id, its in taken_back.items() if its == priority]
            self._take_up_all(self._store.jobs_by_id(ids).values(), priority)

    def _take_up_failed(self, project: int) -> None:
        active = self._runner.active

        def is_due(job: Failure) -> bool:
            """Whether it is tried again, and has waited long enough."""
            if not is_retried(job) or not has_waited(job, pause(job.attempts)):
                return False
            return job.id not in active and not active.is_put_off(job.id)

        types = (*OUR_OWN, *OF_THE_VIDEO)
        self._take_up_all(waiting.failed_jobs(self._store.engine, project, types, is_due, active.room() + 1))

    def _take_up_unreadable(self) -> None:
        """Results that another release stored, or that were damaged, are found anew."""
        refresh(self._store.engine)
        active = self._runner.active
        found = {
            project.id: waiting.unreadable_jobs(
                self._store.engine, project.id, self._starts.model_version(project.id), active.room() + 1
            )
            for project in self._store.projects()
        }
        for project in those_connected(self._connections, {one for one, jobs in found.items() if jobs}):
            self._take_up_all(self._store.jobs_by_id(found[project]).values())

    def _deliver(self, project: int) -> None:
        """Bring what waits in the database to Label Studio, as much as there is room for."""
        active, last = self._runner.active, 0
        version, config = self._starts.model_version(project), self._starts.config
        while not self._runner.deliverer.rests and active.has_room_for(IMPORTED, is_done=True):
            ids = waiting.undelivered_jobs(self._store.engine, project, version, config, last, BATCH)
            if not ids:
                return
            last = ids[-1]
            wanted = [job_id for job_id in ids if job_id not in active and not active.is_put_off(job_id)]
            self._take_up_all(self._store.jobs_by_id(wanted).values())

    def _take_up_all(self, jobs: Iterable[Job], priority: int = IMPORTED) -> None:
        """Go on with jobs, those of a project together: what their videos share is asked for once."""
        of_project = defaultdict[int, list[Job]](list)
        for job in jobs:
            of_project[job.project].append(job)
        for project, its_jobs in of_project.items():
            for first in range(0, len(its_jobs), BATCH):
                self._take_up_safely(project, its_jobs[first : first + BATCH], priority)

    def _take_up_safely(self, project: int, jobs: Sequence[Job], priority: int) -> None:
        try:
            self._take_up(project, jobs, priority)
        except Exception:  # whatever it is, the other jobs go on
            if len(jobs) == 1:
                log.exception("Job %s was not taken up.", jobs[0].id)
                return
            for job in jobs:
                self._take_up_safely(project, [job], priority)

    def _take_up(self, project: int, jobs: Iterable[Job], priority: int) -> None:
        in_use = self._starts.model_version(project), self._starts.config
        left = [self._starts.readable(job) for job in jobs if job.id not in self._runner.active]
        done = [job.id for job in left if job.state == "done"]
        todo = [job for job in left if job.state != "done" and (job.model_version, job.config) == in_use]
        outdated = [job.id for job in left if job.state != "done" and (job.model_version, job.config) != in_use]
        todo += waiting.hand_over(self._store.engine, outdated, *in_use)
        try:
            controls = parse_controls(self._store.label_config(project))
        except LabelConfigError as error:
            log.warning("%d jobs of project %s wait: %s", len(left), project, error)
            return
        self._runner.deliverer.deliver(done, controls)
        self._runner.analyze(todo, controls, priority)

    def _catch_up(self, project: int, label_config: str) -> None:
        requests = self._catch_up_requests[project]
        try:
            controls = parse_controls(label_config)
            version = self._starts.model_version(project)
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
                if len(unlabelled) == BATCH:
                    self._starts.enqueue(unlabelled, controls)
                    unlabelled = []
            # Labelled ones last, and only where the video was analyzed before: so that the project's column of scores,
            # which shows one version, has no gaps where people are done.
            rest = [*unlabelled, *labelled]
            for first in range(0, len(rest), BATCH):
                self._starts.enqueue(rest[first : first + BATCH], controls)
            if shows:  # Label Studio takes only a version that it has predictions of
                self._runner.deliverer.show_version(project)
        except NotInLabelStudio:
            log.info("Project %s is no longer in Label Studio.", project)
        except (LabelStudioError, LabelConfigError) as error:
            log.warning("Project %s was not checked for new tasks yet: %s", project, error)
            return
        self._caught_up[project] = version, requests
