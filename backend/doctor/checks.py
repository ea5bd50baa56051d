"""All checks of `deadlift doctor`, beside each other: each finding comes as soon as it is known."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue

from backend.doctor import label_studio, machine
from backend.doctor.database import database
from backend.doctor.machine import Check
from backend.settings import Settings


def checks(settings: Settings) -> Iterator[Check]:
    """Every check that makes sense, in the order in which they end: seconds, where nothing hangs."""
    found: SimpleQueue[Check | None] = SimpleQueue()

    def note(make: Callable[[], Iterable[Check]]) -> None:
        for check in make():
            found.put(check)

    def model_and_port() -> Iterator[Check]:
        version, model = machine.anomaly_model(settings)
        yield model
        yield machine.port(settings, version)
        yield from label_studio.label_studio(settings, version)

    local = (machine.python, machine.libraries, lambda: machine.data_folder(settings.data_dir))
    makers: list[Callable[[], Iterable[Check]]] = [
        lambda: (make() for make in local),
        lambda: database(settings),
        lambda: machine.exposure(settings),
        lambda: machine.cluster(settings),
        lambda: label_studio.set_ups(settings),
        lambda: [_pose_model(settings)],
        model_and_port,
    ]
    with ThreadPoolExecutor(len(makers)) as pool:
        running: list[Future[None]] = [pool.submit(note, make) for make in makers]
        pool.submit(_tell_the_end, running, found)
        while (check := found.get()) is not None:
            yield check
        for one in running:
            one.result()  # a mistake of ours is not to be hidden


def _tell_the_end(running: list[Future[None]], found: SimpleQueue[Check | None]) -> None:
    for _ in as_completed(running):
        pass
    found.put(None)


def _pose_model(settings: Settings) -> Check:
    """In a process of its own: it is loaded beside all else, and a library that crashes is a finding."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        try:
            return processes.submit(machine.pose_model, settings).result()
        except BrokenProcessPool:
            found = "the process that ran it died: a library does not go with this processor or system"
            return Check("Pose model", "problem", found, "Install the libraries of docker/system_packages.")
