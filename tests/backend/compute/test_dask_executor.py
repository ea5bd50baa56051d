"""The seam to Dask: real worker processes, one of which dies. One cluster serves all tests here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest
from dask import config
from distributed import Client, LocalCluster, Security

from backend.compute.dask_executor import DaskExecutor
from backend.errors import BackendError, MediaNotFound, OutOfMemory, WorkerLost


def double(number: int) -> int:
    return 2 * number


def refuse(text: str) -> None:
    raise MediaNotFound(text)


def eat() -> int:
    """Takes a gigabyte, in steps between which somebody may notice."""
    taken = []
    for _ in range(8):
        taken.append(b"x" * (150 * 1024**2))
        time.sleep(0.2)
    return len(taken)


def die() -> None:
    time.sleep(0.2)  # so that whatever waits behind it has been handed out
    os._exit(1)


@pytest.fixture(scope="module")
def dask() -> Iterator[DaskExecutor]:
    executor = DaskExecutor(workers=1, memory=700 * 1024**2)
    yield executor
    executor.close()


def test_a_result_comes_back(dask: DaskExecutor) -> None:
    assert dask.submit(double, 21, key="double-21").result(60) == 42


def test_an_error_comes_back_as_it_was_raised(dask: DaskExecutor) -> None:
    with pytest.raises(MediaNotFound, match=r"a\.mp4"):
        dask.submit(refuse, "a.mp4", key="refuse").result(60)


def test_calls_that_wait_can_be_dropped(dask: DaskExecutor) -> None:
    begun = dask.submit(time.sleep, 0.5, key="begun")
    dropped, left = (dask.submit(double, number, key=f"waits-{number}") for number in (1, 2))
    dask.cancel({"begun", "waits-1"})
    assert dropped.cancelled()
    assert (begun.result(60), left.result(60)) == (None, 4)


def test_a_worker_that_dies_costs_its_own_job_alone(dask: DaskExecutor) -> None:
    before = dask.submit(double, 1, key="before")
    fatal = dask.submit(die, key="fatal")
    behind = [dask.submit(double, number, key=f"behind-{number}") for number in range(3)]
    with pytest.raises(WorkerLost, match="died"):
        fatal.result(60)
    assert [future.result(60) for future in (before, *behind)] == [2, 0, 2, 4]


def test_a_job_that_takes_too_much_memory_is_named_and_the_others_go_on(dask: DaskExecutor) -> None:
    greedy, behind = dask.submit(eat, key="eat"), dask.submit(double, 1, key="behind-eat")
    with pytest.raises(OutOfMemory, match=r"more memory than the 0\.7 GB of a worker"):
        greedy.result(60)
    assert behind.result(60) == 2


def test_nobody_without_the_key_gets_into_our_cluster(dask: DaskExecutor) -> None:
    address = dask._client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    for security, where in ((Security.temporary(), address), (None, address.replace("tls://", "tcp://"))):
        with pytest.raises(OSError, match=r"."):
            Client(where, security=security, timeout=0.5, set_as_default=False)


def test_an_existing_scheduler_is_reached_with_the_certificates_of_dask_s_settings() -> None:
    security = Security.temporary()
    settings = {
        "distributed.comm.tls.ca-file": security.tls_ca_file,
        "distributed.comm.tls.client.cert": security.tls_client_cert,
        "distributed.comm.tls.client.key": security.tls_client_key,
    }
    with LocalCluster(n_workers=0, security=security, dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        with pytest.raises(BackendError, match="DASK_DISTRIBUTED__COMM__TLS__CA_FILE"):
            DaskExecutor(scheduler=address)
        with config.set(settings):
            DaskExecutor(scheduler=address).close()


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
    executor = DaskExecutor(workers=1, memory=700 * 1024**2)
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
