"""Trains when asked to or when enough was labelled: does runs one by one, and promotes the models that passed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError

from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import (
    BackendError,
    Cancelled,
    LabelConfigError,
    LabelStudioError,
    NotInLabelStudio,
    StorageFault,
    TooFewLabels,
    VideosMissing,
    WorkerLost,
)
from backend.labels import labelled
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.logs import about
from backend.storage.database import explained, now
from backend.storage.runs import Run, Runs
from backend.training.mlflow_log import FinishedRun, log_run
from backend.training.schedule import reason_to_train
from backend.training.training_run import RunOutcome, TrainWork, digest_of, made_before, published_by, train_run
from pipeline.errors import PipelineError

log = logging.getLogger(__name__)

_REPAIR_S = 15.0
_POLL_S = 2.0
"""Other processes ask for runs as well, through the database."""
_TRACKING_S = 30.0
"""Longest that close() waits for MLflow."""


class Trainer:
    """The training runs of one data folder. Of several trainers on it (server, command line) one works at a time.

    retrain_after: newly labelled normal repetitions that start a run, 0 for none. catch_up gets the id of a project
    whose tasks may lack predictions: its model was changed, or its events were refused for a while. webhook_secret:
    what Label Studio is to send with its events, "" for nothing. tracking_uri: MLflow's address, "" for none.
    """

    def __init__(
        self,
        context: Context,
        executor: Executor,
        retrain_after: int,
        catch_up: Callable[[int], None] = lambda project: None,
        webhook_secret: str = "",
        tracking_uri: str = "",
    ) -> None:
        self.runs = Runs(context.store)
        self._context = context
        self._store = context.store
        self._client = context.client
        self._registry = context.registry
        self._executor = executor
        self._retrain_after = retrain_after
        self._catch_up = catch_up
        self._lock = threading.Lock()
        # What was labelled before the start may not have been counted.
        self._to_count = {found.id for found in context.store.projects()}
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._webhook_secret = webhook_secret
        self._tracking_uri = tracking_uri
        # Held from a run's end in the database until MLflow's log of it has begun: close() waits for both.
        self._ending = threading.Lock()
        self._tracked: Future[str] | None = None
        self._with_secret: set[int] = set()
        self._is_secret_missing = threading.Event()
        self._are_events_missed = threading.Event()
        self._pulled: set[int] = set()
        self._next_repair = 0.0
        context.connections.on_return(self._returned)

    def request(self, project: int, reason: str) -> Run:
        """Ask for a run; several that have not begun are one."""
        run = self.runs.request(project, reason)
        log.info("Project %s: training asked for (%s), run %s.", project, run.reason, run.id)
        self._wake.set()
        return run

    def labels_changed(self, projects: Iterable[int]) -> None:
        """Somebody labelled: the training thread counts soon. Returns at once."""
        with self._lock:
            self._to_count.update(projects)
        self._wake.set()

    def count_labels(self) -> None:
        """Ask for a run where enough was labelled since the last one."""
        with self._lock:
            projects, self._to_count = self._to_count, set()
        try:
            for project in projects:
                reason = reason_to_train(self._store, self.runs, project, self._retrain_after)
                if reason:
                    self.request(project, reason)
        except BaseException:
            with self._lock:  # counted again in the next round
                self._to_count |= projects
            raise

    def run_until_closed(self) -> None:
        """Do the runs that wait, one after the other, until closed. For a thread of its own.

        What was missed is put right in another one: a training may go on for long.
        """
        threading.Thread(target=self._repair_until_closed, name="repair", daemon=True).start()
        while not self._closed.is_set():
            try:
                with self.exclusive() as is_exclusive:
                    while is_exclusive and not self._closed.is_set():
                        self._wake.clear()
                        self.count_labels()
                        if not self.run_next():
                            self._wake.wait(_POLL_S)
            except DBAPIError as error:
                log.warning("Training was interrupted; it goes on. %s", explained(error))
            except Exception:  # the top of a thread
                log.exception("Training was interrupted; it goes on.")
            self._closed.wait(_POLL_S)

    def _repair_until_closed(self) -> None:
        while not self._closed.is_set():
            try:
                self.repair()
            except DBAPIError as error:
                log.warning("What was missed is put right later. %s", explained(error))
            except Exception:  # the top of a thread
                log.exception("What was missed is put right later.")
            self._closed.wait(_POLL_S)

    def event_without_secret(self) -> None:
        """An event was refused: a webhook may be new, and is told the secret soon. Returns at once."""
        self._is_secret_missing.set()

    def events_missed(self) -> None:
        """An event could not be kept: what it was about is read from Label Studio soon. Returns at once."""
        self._are_events_missed.set()

    def repair(self) -> None:
        """Put right what was missed while no server ran: once per start and project, tried again while that fails.

        Secrets are looked at anew where an event came without, and everything where an event could not be kept.
        """
        if not self._client.configured or time.monotonic() < self._next_repair:
            return
        self._next_repair = time.monotonic() + _REPAIR_S
        if self._is_secret_missing.is_set():
            self._is_secret_missing.clear()
            self._with_secret.clear()
        projects = {found.id for found in self._store.projects() if self._is_connected(found.id)}
        if self._are_events_missed.is_set():
            self._are_events_missed.clear()
            self._pulled.clear()
            for project in projects:
                self._catch_up(project)
        if self._webhook_secret:
            for project in projects - self._with_secret:
                self._send_secret(project)
        for project in projects - self._pulled:
            self._pull(project)

    def _returned(self, project: int) -> None:
        """Its labels of meanwhile are not known, and its webhook may be a new one."""
        self._pulled.discard(project)
        self._with_secret.discard(project)

    def _is_connected(self, project: int) -> bool:
        try:
            return self._context.connections.is_connected(project)
        except LabelStudioError as error:
            log.warning("Project %s is not looked at yet: %s", project, error)
            return False

    def _send_secret(self, project: int) -> None:
        """Have Label Studio send the secret with the project's events."""
        version = self._registry.current(project).version
        try:
            changed = self._client.set_webhook_header(project, version, WEBHOOK_HEADER, self._webhook_secret)
        except NotInLabelStudio:
            self._with_secret.add(project)
        except LabelStudioError as error:
            log.warning("Project %s does not send WEBHOOK_SECRET with its events yet: %s", project, error)
        else:
            if changed is not None:
                self._with_secret.add(project)
            if changed:
                # Events until now came without the secret and were refused: those about labels and those of new tasks.
                self._pulled.discard(project)
                self._catch_up(project)

    def _pull(self, project: int) -> None:
        """Learn of annotations whose events were missed."""
        try:
            count = labelled.pull(self._client, self._store, project)
        except NotInLabelStudio:
            log.info("Project %s is no longer in Label Studio.", project)
        except (LabelStudioError, LabelConfigError) as error:
            log.warning("Project %s was not checked for missed annotations yet: %s", project, error)
            return
        else:
            log.info("Project %s: %d annotations pulled.", project, count)
        self._pulled.add(project)
        self.labels_changed([project])

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """True where no other process trains with this data folder, nor can before the end of the block.

        Interrupted runs are put back into the queue then. The lock of a process that dies is free.
        """
        self._context.data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._context.data_dir / "trainer.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            self.runs.requeue_interrupted()
            yield True
        finally:
            lock.release()

    def run_next(self) -> bool:
        """Do one run; returns whether one waited. Raises DBAPIError, but nothing else that goes wrong in it."""
        run = self.runs.begin()
        if run is None:
            return False
        with about(project=run.project, training=run.id):
            return self._do(run)

    def _do(self, run: Run) -> bool:
        log.info("Project %s: run %s begins (%s).", run.project, run.id, run.reason)
        try:
            outcome = self._train(run)
            state, message, name = "done", self._promoted(run.project, outcome), outcome.name
        except VideosMissing as error:
            state, message, name = "failed", str(error), ""
        except TooFewLabels as error:
            state, message, name = "skipped", str(error), ""
        except Cancelled as error:
            state, message, name = "cancelled", str(error), ""
        except (WorkerLost, CancelledError) as error:
            if not self._closed.is_set():
                log.warning("Run %s: %s It is repeated.", run.id, error)
                self.runs.retry(run.id)
            return True
        except (BackendError, PipelineError) as error:
            state, message, name = "failed", str(error), ""
        except OSError as error:  # of a file of ours: requests to others raise errors of ours
            state, message, name = "failed", str(StorageFault.of(error)), ""
        except DBAPIError:
            raise  # the run is put back into the queue
        except Exception:  # the top of a run: the server goes on
            log.exception("Run %s failed unexpectedly.", run.id)
            state, message, name = "failed", "Unexpected error; the server's log has the details.", ""
        with self._ending:
            self.runs.finish(run.id, state, message, name)
            log.info("Project %s: run %s %s. %s", run.project, run.id, state, message)
            self._track(run, state, message, name)
        return True

    def close(self) -> None:
        """Stop. A run that is going on is repeated at the next start."""
        self._closed.set()
        self._wake.set()
        with self._ending:
            tracked = self._tracked
        if tracked is not None:
            wait([tracked], _TRACKING_S)
        self._executor.close()

    def _track(self, run: Run, state: str, message: str, name: str) -> None:
        """Log the run to MLflow, in a process of its own, where the settings name one."""
        if not self._tracking_uri:
            return
        finished = FinishedRun(
            tracking_uri=self._tracking_uri,
            project=run.project,
            run=run.id,
            state=state,
            reason=run.reason,
            message=message,
            attempts=run.attempts,
            begun_s=_seconds(run.started_at or run.created_at),
            ended_s=_seconds(now()),
            name=name,
            folder=self._registry.version(run.project, name).model.folder if name else None,
            promoted=bool(name) and name == self._registry.current_name(run.project),
        )
        self._tracked = self._executor.submit(log_run, finished, key=f"mlflow-{run.project}-{run.id}")
        self._tracked.add_done_callback(lambda done: _warn(run.id, done))

    def _train(self, run: Run) -> RunOutcome:
        self.runs.note(run.id, "labels", 0.0)
        published = published_by(self._registry, run.project, run.id, run.created_at)
        if published is not None:  # it has not seen what was labelled since
            return published
        moment, missed = now(), ""
        if self._client.configured:
            try:
                labelled.pull(self._client, self._store, run.project)
            except (LabelStudioError, LabelConfigError) as error:
                log.warning("Run %s learns from the labels that are known: %s", run.id, error)
                missed = f" By the labels that are known here; Label Studio may have newer ones: {error}"
            else:
                moment = now()
        self.runs.note_labels(run.id, moment)
        work = self._work(run.project)
        known = self._made_before(work)
        if known is not None:  # said before a process is started, and videos are looked at
            return replace(known, reason=f"{known.reason}{missed}")
        key = f"train-{run.project}-{run.id}"
        outcome: RunOutcome = self._executor.submit(train_run, run.id, work, key=key).result()
        return replace(outcome, reason=f"{outcome.reason}{missed}")

    def nothing_new(self, project: int) -> str:
        """Why a training would end at once, by the labels that are known here; "" where it would not."""
        known = self._made_before(self._work(project))
        return known.reason if known is not None else ""

    def _made_before(self, work: TrainWork) -> RunOutcome | None:
        return made_before(self._registry, work, digest_of(work.videos))

    def _work(self, project: int) -> TrainWork:
        return TrainWork(
            project=project,
            videos=tuple(labelled.labelled_videos(self._store, project)),
            database_url=self._store.url,
            models_dir=self._registry.root,
            fallback=self._registry.fallback,
            parent=self._registry.current(project),
            parent_name=self._registry.current_name(project),
            access=self._context.current_access(),
            pose_dir=self._context.pose_dir,
            config=self._context.config,
            rate=self._registry.rate(project),
        )

    def _promoted(self, project: int, outcome: RunOutcome) -> str:
        """Use the model if it passed the gate; returns what came of the run, in words."""
        in_use = self._registry.current_name(project)
        if not outcome.passed or outcome.name == in_use:
            return outcome.reason
        judged_against = self._registry.version(project, outcome.name).run["parent_name"]
        if judged_against != in_use:
            return f"Not promoted: it was compared with {judged_against}, and {in_use} was put in use meanwhile."
        version = self._registry.promote(project, outcome.name).version
        self._catch_up(project)
        return f"{version} was put in use. {outcome.reason}"  # not "is": pages say it of the past as well


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _warn(run: int, tracked: Future[str]) -> None:
    error = tracked.exception()
    if error is not None:
        log.warning("Run %s was not logged to MLflow: %s", run, error)
