"""The seam to Dask: real worker processes, one of which dies. One cluster serves all tests here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from backend.compute.dask_executor import DaskExecutor
from backend.errors import MediaNotFound, WorkerLost


def double(number: int) -> int:
    return 2 * number


def refuse(text: str) -> None:
    raise MediaNotFound(text)


def die() -> None:
    time.sleep(0.2)  # so that whatever waits behind it has been handed out
    os._exit(1)


@pytest.fixture(scope="module")
def dask() -> Iterator[DaskExecutor]:
    executor = DaskExecutor(workers=1)
    yield executor
    executor.close()


def test_a_result_comes_back(dask: DaskExecutor) -> None:
    assert dask.submit(double, 21, key="double-21").result(60) == 42


def test_an_error_comes_back_as_it_was_raised(dask: DaskExecutor) -> None:
    with pytest.raises(MediaNotFound, match=r"a\.mp4"):
        dask.submit(refuse, "a.mp4", key="refuse").result(60)


def test_a_worker_that_dies_costs_its_own_job_alone(dask: DaskExecutor) -> None:
    before = dask.submit(double, 1, key="before")
    fatal = dask.submit(die, key="fatal")
    behind = [dask.submit(double, number, key=f"behind-{number}") for number in range(3)]
    with pytest.raises(WorkerLost, match="died"):
        fatal.result(60)
    assert [future.result(60) for future in (before, *behind)] == [2, 0, 2, 4]


def test_an_urgent_job_goes_first(dask: DaskExecutor) -> None:
    order: list[str] = []
    first = dask.submit(time.sleep, 0.5, key="busy")
    futures = [
        dask.submit(double, 1, key="casual", priority=0),
        dask.submit(double, 2, key="urgent", priority=1),
    ]
    futures[0].add_done_callback(lambda _: order.append("casual"))
    futures[1].add_done_callback(lambda _: order.append("urgent"))
    for future in (first, *futures):
        future.result(60)
    assert order == ["urgent", "casual"]


def test_the_priority_of_a_call_that_waits_can_be_raised(dask: DaskExecutor) -> None:
    order: list[str] = []
    futures = [dask.submit(time.sleep, 0.5, key="busy-2")]
    for key in ("first", "second", "third"):
        futures.append(dask.submit(double, 1, key=key))
        futures[-1].add_done_callback(lambda _, key=key: order.append(key))  # type: ignore[misc]
    dask.raise_priority("third", 1)
    for future in futures:
        future.result(60)
    assert order == ["third", "first", "second"]


def test_closing_drops_what_has_not_run() -> None:
    executor = DaskExecutor(workers=1)
    running = executor.submit(time.sleep, 60, key="long")
    waiting = executor.submit(double, 1, key="waiting")
    executor.close()
    for future in (running, waiting):
        with pytest.raises(CancelledError):
            future.result(60)


def test_a_worker_that_dask_gave_up_is_started_again() -> None:
    executor = DaskExecutor(1)
    try:
        cluster = executor._cluster
        assert cluster is not None
        cluster.sync(cluster.workers.pop(0).close)
        assert executor.submit(os.getpid, key="a").result(60) > 0
    finally:
        executor.close()
