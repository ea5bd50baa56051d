"""Tasks for tests of the service, and how far the service is with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fakes import CONFIG, FakeExecutor, until
from sqlalchemy import update

from backend.labelstudio.format import Task
from backend.predictions.preannotator import Preannotator
from backend.storage.jobs import Job, Store

Maker = Callable[..., Preannotator]


def task(number: int, video: str = "/data/upload/1/a.mp4", **data: Any) -> Task:
    return Task(number, 1, {"video": video, **data})


def backdate(store: Store, seconds: float) -> None:
    """Let time pass for everything that the jobs remember."""
    jobs = store.jobs(limit=1000)
    with store.engine.begin() as connection:
        for job in jobs:
            delivered = job.delivered_at and job.delivered_at - timedelta(seconds=seconds)
            changed = job.updated_at - timedelta(seconds=seconds)
            connection.execute(update(Job).where(Job.id == job.id).values(delivered_at=delivered, updated_at=changed))


def delivered(store: Store, number: int = 1) -> bool:
    return any(job.delivery == "pushed" for job in store.jobs() if job.task == number)


def finish(service: Preannotator, executor: FakeExecutor, store: Store, number: int) -> None:
    """A task is asked for, analyzed and delivered."""
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: delivered(store, number))
