"""A whole archive in one run: every video analyzed once, delivered once, its failures listed; can be killed anywhere.

A run is a walk over the ledger. One thread takes one video through all its steps (analysis in a worker process, task,
prediction), and each step is written down before the next, so that the next run goes on with the step that is missing.
Steps that happened but were not written down are found out: landmarks lie in their cache, tasks and predictions are
looked for in Label Studio before they are made.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from backend.archives.project_target import access_for
from backend.archives.target import Target
from backend.compute.dask_executor import Executor
from backend.context import Context
from backend.errors import (
    BackendError,
    SchedulerLost,
)
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.models.registry import Model
from backend.predictions.jobs import known_media
from backend.predictions.worker import FileJob, VideoJob, analyze_file, analyze_task
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.folder_locks import held
from backend.storage.ledger import Entry, Ledger
from pipeline.errors import PipelineError
from pipeline.records import Analysis

log = logging.getLogger(__name__)

_DELIVERING = 2
"""Videos that may be on their way to Label Studio while the workers have others."""
_POLL_S = 5.0
"""Seconds after which the number of workers is asked for again."""
_MOST_THREADS = 1024
"""Threads start when they are needed: one per video in hand."""


@dataclass(frozen=True)
class Finished:
    """A video that is through, with what was found; or, with an error, an attempt at it that failed.

    is_last: whether no other attempt follows. seconds: since its turn came.
    """

    source: str
    task: int | None
    analysis: Analysis | None
    error: str = ""
    is_last: bool = True
    seconds: float = 0.0


OnProgress = Callable[[Finished], None]
"""Called after every attempt at a video."""


class ArchiveRun:
    """Takes the videos of a run through. capacity: how many the workers take at once, just now."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        executor: Executor,
        target: Target,
        model: Model,
        controls: Controls,
        capacity: Callable[[], int],
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._executor = executor
        self._target = target
        self._model = model
        self._controls = controls
        self._capacity = capacity
        self._stopping = threading.Event()

    def run(self, run: int, max_attempts: int, limit: int | None, on_progress: OnProgress) -> None:
        """Work until every video of the run is done, or has failed `max_attempts` times; at most `limit` of them.

        A video that failed is tried again after all others. `on_progress` is called in this
        thread. Raises SchedulerLost; what was not done by then is as it was.
        """
        chosen: set[int] = set()
        for failures in range(max_attempts):
            entries = self._ledger.unfinished(run, failures)
            if limit is not None:
                entries = _first(entries, limit, chosen)
            with closing(self._each(entries, failures + 1 == max_attempts)) as attempts:
                for finished in attempts:
                    on_progress(finished)

    def _each(self, entries: Iterator[Entry], is_last: bool) -> Generator[Finished]:
        """Only as many are in hand as are worked on, however long the list."""
        with ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="prelabel") as threads:
            busy: set[Future[Finished]] = set()
            try:
                while True:
                    # Workers of a cluster come and go.
                    room = max(0, self._capacity() + _DELIVERING - len(busy))
                    busy |= {threads.submit(self._through, entry, is_last) for entry in islice(entries, room)}
                    if not busy:
                        return
                    done, busy = wait(busy, _POLL_S, FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            except BaseException as error:
                if not isinstance(error, Exception):  # somebody interrupts this, or whoever is told of the results
                    log.warning("Stopping. What is done is kept; videos that are worked on are begun anew next time.")
                self._stopping.set()
                self._executor.close()  # the threads wait for what it is working on
                raise

    def _through(self, entry: Entry, is_last: bool) -> Finished:
        began = time.monotonic()
        try:
            analysis = self._analysis(entry)
            delivered = self._target.deliver(entry, analysis)
            self._ledger.done(entry.id, delivered.prediction)
            return Finished(shown_address(entry.source), delivered.task, analysis, seconds=time.monotonic() - began)
        except SchedulerLost:  # says nothing about the video
            raise
        except (PipelineError, BackendError) as error:
            kind, message = type(error).__name__, str(error)
        except CancelledError:
            if self._stopping.is_set():
                return Finished(shown_address(entry.source), entry.task, None, "Interrupted.", False)
            kind, message = "WorkerLost", "The work on it was cancelled."
        except Exception:  # the top of a thread: whatever it is, the other videos go on
            log.exception("%s failed unexpectedly.", shown_address(entry.source))
            kind, message = "InternalError", "Unexpected error; the log above has the details."
        self._ledger.failed(entry.id, kind, message)
        return Finished(shown_address(entry.source), entry.task, None, message, is_last, time.monotonic() - began)

    def _analysis(self, entry: Entry) -> Analysis:
        if entry.result:
            with suppress(BackendError):  # of another release: made anew
                return load_analysis(entry.result)
        # Unlike any other key: a scheduler answers a known one with the result that it has.
        key = f"prelabel-{uuid.uuid4().hex}"
        if Path(entry.source).is_absolute():
            model, context = self._model, self._context
            work = FileJob(entry.media, model.folder, context.pose_dir, context.config, model.rate)
            future = self._executor.submit(analyze_file, work, key=key)
        else:
            future = self._executor.submit(analyze_task, self._fetched(entry), key=key)
        analysis: Analysis = future.result()
        self._ledger.analyzed(entry.id, dump_analysis(analysis))
        return analysis

    def _known(self, task: int, media: str) -> Analysis | None:
        return known_media(self._context.store, [(task, media)]).get((task, media))

    def _fetched(self, entry: Entry) -> VideoJob:
        """Work on a video that is fetched from Label Studio, or from elsewhere without its token."""
        return VideoJob(
            task=Task(entry.task or 0, 0, {}),
            media=entry.media,
            controls=replace(self._controls, frame_rate=""),  # set when the prediction is stored
            access=access_for(self._context, entry),
            model_dir=self._model.folder,
            pose_dir=self._context.pose_dir,
            config=self._context.config,
            known=self._known(entry.task, entry.media) if entry.task else None,
            rate=self._model.rate,
        )


@contextmanager
def exclusive(data_dir: Path, target: str) -> Iterator[None]:
    """No other run for the same target meanwhile: both would make its tasks. Raises BackendError."""
    name = f"prelabel-{hashlib.sha256(target.encode()).hexdigest()[:12]}.lock"
    with held(data_dir, name, f"Another run already works on {target}. Wait for its end."):
        yield


def _first(entries: Iterator[Entry], limit: int, chosen: set[int]) -> Iterator[Entry]:
    """As many as make `limit` with those chosen before, which pass as well: a limited run retries its own alone."""
    for entry in entries:
        if len(chosen) < limit:
            chosen.add(entry.id)
        if entry.id in chosen:
            yield entry
