"""Runs functions in processes of low priority, apart from the workers, which stay free for predictions."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from backend import logs
from backend.errors import WorkerLost

NICENESS = 19
_POLL_S = 1.0


class BackgroundExecutor:
    """An Executor with a fresh process per call. A process ends with the server, however that ends."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._running: set[BaseProcess] = set()
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], *args: object, key: str, priority: int = 0) -> Future[Any]:
        """Run `function(*args)`. The future raises WorkerLost where the process died."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_call, args=(theirs, os.getpid(), dict(logs.subjects()), function, args), name=key, daemon=True
        )
        future: Future[Any] = Future()
        with self._lock:
            process.start()
            self._running.add(process)
        theirs.close()  # else the end of the process would not end the pipe
        threading.Thread(target=self._wait, args=(process, ours, future), name=key, daemon=True).start()
        return future

    def raise_priority(self, key: str, priority: int) -> None:
        """Every call has begun."""

    def waiting(self) -> frozenset[str]:
        return frozenset()

    def cancel(self, keys: Collection[str]) -> None:
        """Every call has begun."""

    def close(self) -> None:
        """End what is running."""
        with self._lock:
            running = list(self._running)
        for process in running:
            process.kill()

    def _wait(self, process: BaseProcess, results: Connection, future: Future[Any]) -> None:
        try:
            error, result = results.recv()
        except (EOFError, OSError):
            error, result = WorkerLost("The training process died."), None
        results.close()
        process.join()
        with self._lock:
            self._running.discard(process)
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _call(
    results: Connection,
    parent: int,
    subjects: Mapping[str, str | int],
    function: Callable[..., Any],
    args: tuple[object, ...],
) -> None:
    os.nice(NICENESS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    logs.set_up()
    try:
        outcome: tuple[BaseException | None, object] = (None, logs.call_about(subjects, function, *args))
    except Exception as error:  # noqa: BLE001  # raised again where the result is waited for
        outcome = (error, None)
    results.send(outcome)


def _end_with(parent: int) -> None:
    """End this process with its parent: a server that is killed cannot do it."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
