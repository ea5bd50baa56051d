"""The jobs that a server works on just now: a limited number, each once, with its priority and who waits for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

MOST_ACTIVE = 1000
"""Jobs in memory at a time, and as many again whose predictions are brought to Label Studio from the database. More of
them wait there, unless somebody has their task open."""

PRIORITIES = ("imported", "requested", "opened")
IMPORTED, REQUESTED, OPENED = range(len(PRIORITIES))
"""A task that somebody has open comes first, then those of a longer request, then newly imported ones."""


class _ActiveJob:
    """A job that is being worked on. key: of its call to a worker, "" before that. is_done: whether only its delivery
    is left. ended: set when all is done that can be done now, the delivery included."""

    def __init__(self, priority: int, is_done: bool) -> None:
        self.key = ""
        self.priority = priority
        self.is_done = is_done
        self.ended = threading.Event()


class ActiveJobs:
    """Safe to call from any thread. on_room is called when there is room again for jobs that found none."""

    def __init__(self) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._active: dict[int, _ActiveJob] = {}
        self._counts = [0, 0]  # of jobs to do, and of those that are done
        self._is_any_left = [False, False]
        self._put_off: dict[int, float] = {}  # job -> until when (of time.monotonic) somebody asked to be left alone

    def __contains__(self, job_id: int) -> bool:
        with self._lock:
            return job_id in self._active

    def ids(self) -> list[int]:
        with self._lock:
            return list(self._active)

    def room(self) -> int:
        """How many jobs may be begun beside these."""
        return max(0, MOST_ACTIVE - self._counts[False])

    def has_room_for(self, priority: int, is_done: bool = False) -> bool:
        """Whether a job of that priority may be begun; where not, on_room is called when one may.

        is_done: whether only its delivery is left. These have room of their own: they are not to wait for workers.
        """
        with self._lock:
            if priority == OPENED or self._counts[is_done] < MOST_ACTIVE:
                return True
            self._is_any_left[is_done] = True
            return False

    def begin(self, job_id: int, priority: int = IMPORTED, is_done: bool = False) -> bool:
        """False where the job is being worked on already."""
        with self._lock:
            if job_id in self._active:
                return False
            self._active[job_id] = _ActiveJob(priority, is_done)
            self._counts[is_done] += 1
            return True

    def calls(self) -> dict[int, str]:
        """The keys of the calls that jobs were given to workers in."""
        with self._lock:
            return {job_id: job.key for job_id, job in self._active.items() if job.key}

    def priority(self, job_id: int) -> int:
        """That of a job that is being worked on, else the lowest."""
        with self._lock:
            active = self._active.get(job_id)
            return active.priority if active is not None else IMPORTED

    def raise_priority(self, job_id: int, priority: int) -> str | None:
        """The key of the job's call, which is to get that priority; None where the job is over."""
        with self._lock:
            active = self._active.get(job_id)
            if active is None:
                return None
            active.priority = max(priority, active.priority)
            return active.key

    def called(self, job_ids: Iterable[int], key: str) -> int:
        """Jobs are given to a worker in one call with that key; returns its priority."""
        with self._lock:
            begun = [self._active[job_id] for job_id in job_ids]
            for active in begun:
                active.key = key
            return max(active.priority for active in begun)

    def end(self, job_id: int) -> None:
        with self._lock:
            active = self._active.pop(job_id, None)
            if active is None:
                return
            self._counts[active.is_done] -= 1
            has_room = self._is_any_left[active.is_done] and self._counts[active.is_done] <= MOST_ACTIVE // 2
            if has_room:
                self._is_any_left[active.is_done] = False
        active.ended.set()
        if has_room:
            self.on_room()

    def wait(self, job_ids: Iterable[int], deadline: float) -> None:
        """Until the jobs have ended, or the deadline (of time.monotonic)."""
        with self._lock:
            waited = [self._active[job_id] for job_id in job_ids if job_id in self._active]
        for active in waited:
            active.ended.wait(max(0.0, deadline - time.monotonic()))

    def counts(self, waiting: Collection[str]) -> Counter[tuple[int, bool]]:
        """How many there are, by priority and by whether they wait for a worker. waiting: keys of calls that do."""
        with self._lock:
            return Counter((job.priority, not job.key or job.key in waiting) for job in self._active.values())

    def put_off(self, job_id: int, seconds: float) -> None:
        """Leave a job alone for so long."""
        if seconds > 0:
            with self._lock:
                self._put_off[job_id] = time.monotonic() + seconds

    def is_put_off(self, job_id: int) -> bool:
        """Whether Label Studio or a video's host asked to wait for longer with this job."""
        with self._lock:
            if self._put_off.get(job_id, 0.0) > time.monotonic():
                return True
            self._put_off.pop(job_id, None)
            return False
