"""Which failures of a job may be gone later, and how long it waits then."""

from __future__ import annotations

from datetime import timedelta

from backend.errors import (
    LabelStudioError,
    MediaTooSlow,
    MediaUnreachable,
    SchedulerLost,
    StorageFault,
    WorkerLost,
)
from backend.storage.database import now
from backend.storage.jobs import Job
from backend.storage.overview import VideoRow
from backend.storage.waiting import Failure

RETRY_AFTER = timedelta(seconds=60)
"""A failed task is tried again when somebody asks for it, but not at every click."""
MOST_ATTEMPTS = 5
"""Of a video whose host does not answer, or whose worker dies: it may be the video's own fault."""

OUR_OWN = tuple(kind.__name__ for kind in (LabelStudioError, SchedulerLost, StorageFault))
"""Failures, as a job names them, that no video causes: Label Studio is away or busy, the disk is full. They are waited
for however long they last. An error of Label Studio that would be the same the next time is of another kind."""
OF_THE_VIDEO = tuple(kind.__name__ for kind in (MediaUnreachable, MediaTooSlow, WorkerLost))
"""Failures that may be gone at the next attempt, or come of the video."""

_LONGEST = timedelta(minutes=10)


PASSING = (*OUR_OWN, *OF_THE_VIDEO)
"""Failures after which a job may succeed without a change of anything."""


def may_pass(error_type: str) -> bool:
    """Whether a job that failed with an error of that name may succeed without a change of anything."""
    return error_type in PASSING


def is_retried(job: Job | Failure | VideoRow) -> bool:
    """Whether a failed job is tried again by itself."""
    return job.error_type in OUR_OWN or (job.error_type in OF_THE_VIDEO and job.attempts < MOST_ATTEMPTS)


def has_waited(job: Job | Failure, longest: timedelta) -> bool:
    """Whether a job last changed longer ago than that, or as far in the future: by a clock that was set back since."""
    return abs(now() - job.updated_at) > longest


def pause(attempts: int) -> timedelta:
    """How long a job that failed so often waits: a minute, doubled each time, ten minutes at most."""
    return min(_LONGEST, RETRY_AFTER * (1 << min(10, max(0, attempts - 1))))
