"""The one seam to Dask: functions go to worker processes, futures come back; a dying worker costs one job."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

import dask
from distributed import Client, KilledWorker, LocalCluster
from distributed import Future as DaskFuture

from backend.errors import WorkerLost


class Executor(Protocol):
    """Runs functions elsewhere."""

    def submit(self, function: Callable[..., Any], *args: object, key: str, priority: int = 0) -> Future[Any]:
        """Run `function(*args)`, higher priority first. The future raises WorkerLost where the process died."""

    def close(self) -> None:
        """Stop; what has not finished is dropped."""


class DaskExecutor:
    """Worker processes of our own on this machine, or an existing scheduler by its address."""

    def __init__(self, workers: int = 1, scheduler: str = "") -> None:
        # A video that kills its worker twice is given up, instead of taking every worker down in turn.
        dask.config.set({"distributed.scheduler.allowed-failures": 1})
        self._cluster: LocalCluster | None = None
        if not scheduler:
            self._cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any free port: several of us may run on a machine
                silence_logs=logging.CRITICAL,
            )
        self._client = Client(self._cluster or scheduler, set_as_default=False)

    def submit(self, function: Callable[..., Any], *args: object, key: str, priority: int = 0) -> Future[Any]:
        remote = self._client.submit(function, *args, key=key, priority=priority, pure=False)
        local: Future[Any] = Future()

        def finished(done: DaskFuture) -> None:
            if done.status == "cancelled":
                local.cancel()
                return
            error = done.exception() if done.status == "error" else None
            if isinstance(error, KilledWorker):
                local.set_exception(WorkerLost("The worker process died on this video, repeatedly. It was given up."))
            elif error is not None:
                local.set_exception(error)
            else:
                local.set_result(done.result())

        remote.add_done_callback(finished)
        return local

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
