"""What a request leaves for after its answer: done by two threads, and not without end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from backend.errors import QueueFull
from backend.logs import call_about, subjects

MOST_TASKS = 10_000
"""Tasks of requests and events that wait for a thread to look at them; a single request may be of more."""


class Aside:
    """Close it to stop its threads; what has not begun is dropped."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="new-tasks")
        self._lock = threading.Lock()
        self._tasks = 0

    def put(self, tasks: int, function: Callable[..., None], *args: object) -> None:
        """Call a function soon that is about so many tasks. Raises QueueFull."""
        with self._lock:
            if self._tasks and self._tasks + tasks > MOST_TASKS:
                raise QueueFull(f"{self._tasks} tasks wait to be looked at already. Send these in a minute.")
            self._tasks += tasks
        done = self._threads.submit(call_about, subjects(), function, *args)
        done.add_done_callback(partial(self._done, tasks))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, tasks: int, done: Future[None]) -> None:
        with self._lock:
            self._tasks -= tasks
