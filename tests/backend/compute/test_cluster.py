"""A Dask cluster that somebody else started: a scheduler, two workers, one of which is killed at work."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster
from fakes import until
from places import ROOT

from backend.compute.dask_executor import DaskExecutor
from backend.errors import SchedulerLost
from pipeline.synthetic import LiftPlan, RepPlan
from pipeline.synthetic.drawing import render

VIDEOS = 8


@dataclass(frozen=True)
class Observed:
    """What `deadlift prelabel` said, its exit code, and which landmarks were kept."""

    code: int
    events: list[dict[str, object]]
    landmarks: list[str]
    tasks: list[dict[str, object]]


@contextmanager
def process(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process with children of its own, all of which end with the block."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), **(environment or {})},
        start_new_session=True,
    )
    try:
        yield started
    finally:
        kill(started)


def kill(started: subprocess.Popen[str]) -> None:
    """As when a machine is switched off: the process and all its children at once."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def short_videos(folder: Path) -> None:
    """Equal pictures in files that differ, so that each is analyzed."""
    folder.mkdir()
    plan = LiftPlan((RepPlan(pull_s=0.9, lowering_s=0.9),), width=320, height=240, fps=20.0, setup_s=0.7, leave_s=0.7)
    render(plan, folder / "0.mp4")
    content = (folder / "0.mp4").read_bytes()
    for number in range(1, VIDEOS):
        # An MP4 may end with boxes of free space.
        (folder / f"{number}.mp4").write_bytes(content + bytes([0, 0, 0, 8 + number]) + b"free" + bytes(number))


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("cluster")
    short_videos(folder / "videos")
    address = folder / "scheduler.json"
    with ExitStack() as stack:
        dask = ("-m", "dask")
        stack.enter_context(
            process(*dask, "scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={address}")
        )
        until(lambda: address.exists() and address.read_text().endswith("}"), 120)
        worker = (*dask, "worker", "--nthreads=1", "--no-dashboard", "--preload=backend.compute.worker_preload")
        workers = [
            stack.enter_context(process(*worker, f"--scheduler-file={address}", f"--local-directory={folder / name}"))
            for name in ("one", "two")
        ]
        command = stack.enter_context(
            process(
                *("-c", "from backend.cli import main; main()", "prelabel", str(folder / "videos")),
                *(f"--out={folder / 'out'}", f"--scheduler={json.loads(address.read_text())['address']}"),
                *("--json-progress", "--workers=2"),
                environment={"DATA_DIR": str(folder / "data")},
            )
        )
        assert command.stdout is not None
        events = []
        for line in command.stdout:
            events.append(json.loads(line))
            if sum(event["event"] == "done" for event in events) == 2:
                kill(workers[0])
        code = command.wait()
    landmarks = sorted(path.name for path in (folder / "data" / "poses").rglob("*.npz"))
    return Observed(code, events, landmarks, json.loads((folder / "out" / "tasks.json").read_text()))


def test_every_video_is_done_although_a_worker_was_killed(observed: Observed) -> None:
    assert (observed.code, len(observed.tasks)) == (0, VIDEOS)


def test_every_video_is_told_of_once(observed: Observed) -> None:
    done = [event["video"] for event in observed.events if event["event"] == "done"]
    assert (len(done), len(set(done))) == (VIDEOS, VIDEOS)


def test_the_workers_keep_landmarks_where_the_command_does(observed: Observed) -> None:
    assert len(observed.landmarks) == VIDEOS


def test_an_unreachable_scheduler_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    environment = {"DATA_DIR": str(tmp_path), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    ended = subprocess.run(
        [
            *(sys.executable, "-c", "from backend.cli import main; main()", "prelabel", str(tmp_path / "a.mp4")),
            *(f"--out={tmp_path / 'out'}", "--scheduler=tcp://127.0.0.1:9"),
        ],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), **environment},
        timeout=300,
    )
    assert ended.returncode == 1
    assert "tcp://127.0.0.1:9 cannot be reached" in ended.stderr


def test_a_scheduler_that_goes_away_is_told_and_used_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(port: int = 0) -> LocalCluster:
        return LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None,
            scheduler_port=port,
        )  # fmt: skip

    def works() -> bool:
        with suppress(SchedulerLost, CancelledError):
            return executor.submit(len, "ab", key=f"again-{next(numbers)}").result(20) == 2
        return False

    monkeypatch.setattr("backend.compute.dask_executor._CHECK_S", 0.1)
    cluster, numbers = started(), itertools.count()
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        executor = DaskExecutor(1, cluster.scheduler_address)
        waiting = [executor.submit(time.sleep, 3, key=f"wait-{number}") for number in range(2)]
        cluster.close()
        for future in waiting:
            with pytest.raises(SchedulerLost):
                future.result(60)
        until(lambda: executor._client.status == "closed", 30)  # Dask has given it up
        with started(int(cluster.scheduler_address.rpartition(":")[2])):
            until(works, 30)
            executor.close()
