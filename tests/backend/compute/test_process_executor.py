"""Functions in processes of their own: results and errors come back, a dying process is noticed."""

from __future__ import annotations

import os
import signal
import time

import pytest

from backend.compute.process_executor import BackgroundExecutor
from backend.errors import TooFewLabels, WorkerLost


def double(number: int) -> int:
    return 2 * number


def niceness() -> int:
    return os.nice(0)


def fail() -> None:
    raise TooFewLabels("label more")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_result_comes_back() -> None:
    assert BackgroundExecutor().submit(double, 21, key="k").result(30) == 42


def test_an_error_comes_back() -> None:
    with pytest.raises(TooFewLabels, match="label more"):
        BackgroundExecutor().submit(fail, key="k").result(30)


def test_a_process_that_is_killed_is_lost() -> None:
    with pytest.raises(WorkerLost):
        BackgroundExecutor().submit(die, key="k").result(30)


def test_processes_have_a_low_priority() -> None:
    assert BackgroundExecutor().submit(niceness, key="k").result(30) > os.nice(0)


def test_closing_ends_what_runs() -> None:
    executor = BackgroundExecutor()
    future = executor.submit(time.sleep, 60, key="k")
    executor.close()
    with pytest.raises(WorkerLost):
        future.result(30)
