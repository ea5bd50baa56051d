"""The one seam to Dask: functions go to worker processes, futures come back; a dying worker costs one job."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import dask
from distributed import CancelledError as DaskCancelled
from distributed import Client, KilledWorker, LocalCluster, Security
from distributed import Future as DaskFuture
from distributed.system import MEMORY_LIMIT

from backend import logs
from backend.errors import BackendError, OutOfMemory, SchedulerLost, WorkerLost

log = logging.getLogger(__name__)

_CHECK_S = 2.0
_LEAST_MEMORY = 2 * 1024**3
_MOST_MEMORY = 4 * 1024**3
"""Of a worker of our own, in bytes: a guess with room to spare. Pictures of 12,000 pixels a side took 1 GB, and smaller
ones alone are decoded (`pipeline.media.limits`)."""
_RESTARTED = "worker-restart-memory"
"""Dask's name for what a nanny reports when it ends its worker for taking too much memory."""


class Executor(Protocol):
    """Runs functions elsewhere."""

    def submit(self, function: Callable[..., Any], *args: object, key: str, priority: int = 0) -> Future[Any]:
        """Run `function(*args)`, higher priority first. The future raises WorkerLost where the process died."""

    def raise_priority(self, key: str, priority: int) -> None:
        """Raise the priority of a call that still waits; nothing where it does not."""

    def waiting(self) -> frozenset[str]:
        """The keys of the calls that no worker has begun."""

    def cancel(self, keys: Collection[str]) -> None:
        """Drop calls that still wait: their futures are cancelled. Nothing where a worker has begun."""

    def close(self) -> None:
        """Stop; what has not finished is dropped."""


@dataclass(order=True)
class _Call:
    """A function that waits for a free worker; the highest priority first, then the oldest."""

    rank: tuple[int, int]
    function: Callable[..., Any] = field(compare=False)
    args: tuple[object, ...] = field(compare=False)
    key: str = field(compare=False)
    priority: int = field(compare=False)
    subjects: Mapping[str, str | int] = field(compare=False)
    future: Future[Any] = field(compare=False, default_factory=Future)


class DaskExecutor:
    """`workers` processes of our own on this machine, or those of an existing scheduler by its address.

    With processes of our own all connections are encrypted by a key that is made now, and nobody else has it: whoever
    else connects is refused. An existing scheduler is reached as Dask's own settings say (`distributed.comm.tls`).

    scratch: the folder in which workers of our own keep what they need while they run; the system's by default. memory:
    bytes that a worker of our own may take, by default its share of the machine's. A video that takes more
    ends its worker and raises OutOfMemory; the others go on.

    A worker gets one call for each of its threads. Dask would hand out more in advance, and blame all of them when the
    worker dies: the videos that wait behind one that kills it would be given up as well. A scheduler with fewer workers
    is given `workers` calls all the same: some start workers only when there is work for them.

    Raises BackendError where the scheduler cannot be reached. One that goes away later fails all calls with
    SchedulerLost, until it is back at its address.
    """

    def __init__(
        self, workers: int = 1, scheduler: str = "", memory: int | None = None, scratch: Path | None = None
    ) -> None:
        dask.config.set(
            {
                # A video that kills its worker twice is given up, instead of taking every worker down in turn.
                "distributed.scheduler.allowed-failures": 1,
                # Nobody looks at Dask's dashboard: its samples of every thread, of the machine and of its own loops are
                # taken from the cores that the jobs need.
                "distributed.worker.profile.enabled": False,
                "distributed.admin.tick.interval": "1s",
                "distributed.admin.system-monitor.interval": "10s",
                "distributed.admin.system-monitor.disk": False,
                # Nor do the HTTP servers of scheduler and workers, which are not encrypted, tell anything.
                "distributed.scheduler.http.routes": [],
                "distributed.worker.http.routes": [],
                # Memory that a video took and the allocator keeps would pause a worker for good.
                "distributed.worker.memory.target": False,
                "distributed.worker.memory.spill": False,
                "distributed.worker.memory.pause": False,
            }
        )
        self._cluster: LocalCluster | None = None
        self._memory = memory or min(_MOST_MEMORY, max(_LEAST_MEMORY, int(0.8 * MEMORY_LIMIT / workers)))
        self._out_of_memory: set[str] = set()
        if not scheduler:
            self._cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any free port: several of us may run on a machine
                silence_logs=logging.CRITICAL,
                security=Security.temporary(),
                memory_limit=self._memory,
                local_directory=str(scratch) if scratch is not None else None,
                preload=["backend.compute.worker_preload"],
            )
        try:
            self._client = Client(self._cluster or scheduler, set_as_default=False)
            self._client.subscribe_topic(_RESTARTED, self._note_restart)
        except (OSError, ValueError) as error:
            raise BackendError(
                f"The Dask scheduler {scheduler} cannot be reached ({type(error).__name__}). Check its address."
            ) from error
        except TypeError as error:  # Dask's way of saying that it has no certificates
            raise BackendError(
                f"The Dask scheduler {scheduler} asks for TLS. Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and "
                "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and __KEY to its files."
            ) from error
        self._workers = workers
        self._busy = 0
        self._closing = False
        self._closed = threading.Event()
        self._waiting: list[_Call] = []
        self._counter = itertools.count()
        self._lock = threading.Lock()
        if self._cluster is not None:
            threading.Thread(target=self._restart_missing, args=(self._cluster,), name="workers", daemon=True).start()
        else:
            threading.Thread(target=self._return_to, args=(scheduler,), name="scheduler", daemon=True).start()

    def submit(self, function: Callable[..., Any], *args: object, key: str, priority: int = 0) -> Future[Any]:
        with self._lock:
            call = _Call((-priority, next(self._counter)), function, args, key, priority, dict(logs.subjects()))
            heapq.heappush(self._waiting, call)
        self._hand_out()
        return call.future

    def raise_priority(self, key: str, priority: int) -> None:
        with self._lock:
            for call in self._waiting:
                if call.key == key and call.priority < priority:
                    call.priority = priority
                    call.rank = (-priority, call.rank[1])
                    heapq.heapify(self._waiting)
                    return

    def waiting(self) -> frozenset[str]:
        with self._lock:
            return frozenset(call.key for call in self._waiting)

    def cancel(self, keys: Collection[str]) -> None:
        with self._lock:
            dropped = [call for call in self._waiting if call.key in keys]
            self._waiting = [call for call in self._waiting if call.key not in keys]
            heapq.heapify(self._waiting)
        for call in dropped:
            call.future.cancel()

    @property
    def capacity(self) -> int:
        """How many calls are worked on at once: as many as there are threads of workers just now."""
        if self._cluster is not None or self._client.status != "running":
            return self._workers
        try:
            return max(self._workers, int(sum(self._client.nthreads().values())))
        except OSError:  # the scheduler does not answer just now
            return self._workers

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._closing = True
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            call.future.cancel()
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _restart_missing(self, cluster: LocalCluster) -> None:
        """Start workers where some are missing: Dask starts one again that died, but gives it up where it is just
        not there when `distributed.deploy.lost-worker-timeout` is over, as after another death."""
        while not self._closed.wait(_CHECK_S):
            if len(cluster.workers) < self._workers and cluster.status.name == "running":
                log.warning("A worker process is missing; another one is started.")
                cluster.scale(self._workers)

    def _return_to(self, scheduler: str) -> None:
        """Connect again where Dask gave it up, as it does after `distributed.comm.timeouts.connect`."""
        while not self._closed.wait(_CHECK_S):
            if self._client.status != "closed":
                continue
            try:
                client = Client(scheduler, set_as_default=False)
                client.subscribe_topic(_RESTARTED, self._note_restart)
            except (OSError, ValueError, TypeError):  # not yet
                continue
            with self._lock:
                is_late = self._closing
                if not is_late:
                    self._client = client
            if is_late:
                client.close()
                return
            log.warning("The Dask scheduler %s is back.", scheduler)

    def _hand_out(self) -> None:
        """Give waiting calls to free workers."""
        capacity = self.capacity
        while True:
            with self._lock:
                if not self._waiting or self._busy >= capacity:
                    return
                call = heapq.heappop(self._waiting)
                self._busy += 1
            try:
                remote = self._client.submit(
                    logs.call_about,
                    call.subjects,
                    call.function,
                    *call.args,
                    key=call.key,
                    priority=call.priority,
                    pure=False,
                )
            except Exception as error:  # noqa: BLE001  # raised where the call's future is waited for
                self._end(call, error)
                continue
            remote.add_done_callback(partial(self._finished, call))

    def _finished(self, call: _Call, remote: DaskFuture) -> None:
        """Runs in a thread of Dask's client."""
        try:
            result = remote.result()
        except KilledWorker as error:
            self._end(call, self._death(error))
        except BaseException as error:  # noqa: BLE001  # whatever the function raised, or Dask where the result is lost
            self._end(call, error)
        else:
            self._end(call, None, result)
        self._hand_out()

    def _note_restart(self, event: tuple[object, dict[str, Any]]) -> None:
        """A nanny ended its worker for its memory: told before the call is given up. Runs in Dask's thread."""
        self._out_of_memory.add(str(event[1]["worker"]))

    def _death(self, error: KilledWorker) -> BackendError:
        if error.last_worker.address not in self._out_of_memory:
            return WorkerLost("The worker process died on this video, repeatedly. It was given up.")
        limit = "its worker has" if self._cluster is None else f"the {self._memory / 1024**3:.1f} GB of a worker"
        return OutOfMemory(f"Analyzing this video took more memory than {limit}. Scale the video down.")

    def _end(self, call: _Call, error: BaseException | None, result: object = None) -> None:
        with self._lock:
            self._busy -= 1
        if error is None:
            call.future.set_result(result)
        elif self._closing:
            call.future.cancel()
        elif self._cluster is None and not self._closing and self._client.status != "running":
            call.future.set_exception(SchedulerLost("The Dask scheduler is gone. Start it and its workers again."))
        elif isinstance(error, CancelledError | DaskCancelled):
            call.future.cancel()
        else:
            call.future.set_exception(error)
