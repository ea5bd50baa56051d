"""How fast the server stores what people label while it trains and looks at videos: events at once, none lost.

    python benchmarks/webhook_load.py [--events 200] [--rounds 5]

Starts `deadlift serve` with two workers beside a small Label Studio. While a training and two pose estimations of
drawn videos run, every round sends its events at the same moment, each on a connection of its own, as Label Studio
does; afterwards the database is compared with what was sent.
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import socket
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from backend_process import CREATED, BackendProcess, DrawnProject, moved, wait_for
from label_studio_api import FakeLabelStudio

from backend.labelstudio.format import Json
from backend.storage.jobs import Store

_LABELLED = 24
"""Videos that the training learns from; each has ten repetitions."""
_LOADED_S = 4.0
"""Processor seconds after which a worker has loaded what it needs to look at videos."""
_LISTED = 10
"""Annotations in an event that carries a list."""


class Sent:
    """What was sent: annotations as they must be stored, by id, and the ids of deleted ones."""

    def __init__(self, project: DrawnProject, tasks: list[int]) -> None:
        self.project = project
        self.tasks = tasks
        self.saved: dict[int, Json] = {}
        self.deleted: set[int] = set()
        self.random = random.Random(0)

    def events(self, count: int) -> list[Json]:
        """New annotations (45 %), changed ones (30 %), lists of new ones (10 %) and deletions (15 %), in any order."""
        known = self.random.sample(sorted(set(self.saved) - self.deleted), count * 45 // 100)
        changed, gone = known[: count * 30 // 100], known[count * 30 // 100 :]
        events = [self._saved([self._annotation(number)], "ANNOTATION_UPDATED") for number in changed]
        events += [self._deleted(number) for number in gone]
        events += [
            self._saved([self._annotation() for _ in range(_LISTED)], "ANNOTATIONS_CREATED") for _ in range(count // 10)
        ]
        events += [self._saved([self._annotation()], "ANNOTATION_CREATED") for _ in range(count - len(events))]
        self.random.shuffle(events)
        return events

    def _annotation(self, number: int | None = None) -> Json:
        task = self.random.choice(self.tasks) if number is None else int(self.saved[number]["task"])
        reps = moved(self.project.reps[task], self.random.uniform(-0.2, 0.2))
        made = self.project.label(task, reps, self.random.randrange(3), number)
        self.saved[made["id"]] = made
        return made

    def _saved(self, annotations: list[Json], action: str) -> Json:
        events = [self.project.saved(annotation, action) for annotation in annotations]
        if action != "ANNOTATIONS_CREATED":
            return events[0]
        return CREATED | {"action": action, "annotation": annotations, "task": [event["task"] for event in events]}

    def _deleted(self, number: int) -> Json:
        self.deleted.add(number)
        return self.project.unlabel(self.saved[number])

    def lost(self, store: Store) -> list[int]:
        """Annotations that are not in the database as they were sent, when all that was received is stored."""
        wait_for(lambda: not list(store.labels.received()))
        stored = {annotation.id: annotation for annotation in store.labels.annotations()}
        lost = []
        for number, sent in self.saved.items():
            ours = stored.get(number)
            labels = [result["value"]["timelinelabels"][0].startswith("Normal") for result in sent["result"]]
            starts = [result["value"]["ranges"][0]["start"] for result in sent["result"]]
            if (
                ours is None
                or ours.updated_at != sent["updated_at"]
                or ours.deleted != (number in self.deleted)
                or [region.label == "normal" for region in store.labels.labelled_regions(number)] != labels
                or [round(r.start_s * 10) + 1 for r in store.labels.labelled_regions(number)] != starts
            ):
                lost.append(number)
        return lost


def send(port: int, bodies: list[bytes]) -> list[tuple[float, int]]:
    """All at once; the seconds of each from its connection to the end of its answer, and the answer's status."""
    head = "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    found: list[tuple[float, int]] = []
    with selectors.DefaultSelector() as waiting:
        begun: dict[socket.socket, float] = {}
        for body in bodies:
            connection = socket.socket()
            begun[connection] = time.perf_counter()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
            request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            waiting.register(connection, selectors.EVENT_WRITE, memoryview(request))
        while waiting.get_map():
            for key, ready in waiting.select():
                connection = cast(socket.socket, key.fileobj)
                if ready & selectors.EVENT_WRITE:
                    rest = key.data[connection.send(key.data) :]
                    if len(rest):
                        waiting.modify(connection, selectors.EVENT_WRITE, rest)
                    else:
                        waiting.modify(connection, selectors.EVENT_READ, b"")
                elif part := connection.recv(65536):
                    waiting.modify(connection, selectors.EVENT_READ, key.data + part)
                else:
                    found.append((time.perf_counter() - begun[connection], int(key.data.split(b" ", 2)[1])))
                    waiting.unregister(connection)
                    connection.close()
    return found


def busy_s(server: BackendProcess) -> float:
    """Processor seconds that the workers have spent."""
    return sum(times.user + times.system for times in (worker.cpu_times() for worker in server.workers()))


def begin_work(server: BackendProcess, project: DrawnProject) -> None:
    """Two videos, and when they are being looked at a training; until that learns."""
    enough = busy_s(server) + 2 * _LOADED_S
    server.post(project.created(*(project.add_new(reps=12) for _ in range(2))))
    wait_for(lambda: busy_s(server) > enough)
    server.start_training()
    wait_for(lambda: work(server)[0])


def work(server: BackendProcess) -> tuple[int, int]:
    """How many trainings are in the middle of learning, and how many videos are being looked at."""
    state = server.jobs()
    trainings = sum(run["state"] == "running" and run["percent"] > 40 for run in state["runs"])
    return trainings, sum(job["state"] == "running" for job in state["jobs"])


def measure(folder: Path, count: int, rounds: int) -> list[list[float]]:
    """Milliseconds of each event, by round. Raises AssertionError where an event was lost or refused."""
    label_studio = FakeLabelStudio()
    project = DrawnProject(label_studio, folder)
    server = BackendProcess(folder / "data", label_studio, WORKERS="2")
    times: list[list[float]] = []
    try:
        sent = Sent(project, [project.add_known(reps=10, faulty=2) for _ in range(_LABELLED)])
        for task in sent.tasks * 8:
            annotation = project.label(task, project.reps[task], 2)
            sent.saved[annotation["id"]] = annotation
        print(f"server answers after {server.start():.1f} s", flush=True)
        server.connect()
        wait_for(lambda: "annotations pulled" in server.log())
        for number in range(rounds):
            bodies = [json.dumps(event).encode() for event in sent.events(count)]
            begin_work(server, project)
            before = server.process.cpu_times()
            answers = send(server.port, bodies)
            after = server.process.cpu_times()
            spent = 1000 * (after.user + after.system - before.user - before.system) / count
            trainings, looks = work(server)
            refused = [status for _, status in answers if status != 200]
            assert not refused, f"refused: {refused}"
            times.append([1000 * seconds for seconds, _ in answers])
            with closing(Store(f"sqlite:///{folder / 'data' / 'backend.sqlite3'}")) as store:
                lost = sent.lost(store)
            print(
                f"round {number + 1}: {line(times[-1])}; {len(lost)} lost; "
                f"{spent:.1f} ms of the server's processor time each; beside {trainings} training, {looks} videos",
                flush=True,
            )
            assert not lost, f"lost: {lost}"
            wait_for(lambda: work(server) == (0, 0) and not _waits(server))
    finally:
        server.stop()
        label_studio.close()
    return times


def _waits(server: BackendProcess) -> Any:
    state = server.jobs()
    return [one for one in [*state["runs"], *state["jobs"]] if one["state"] in ("queued", "running")]


def line(times: list[float]) -> str:
    p50, p99 = np.percentile(times, (50, 99))
    return f"{len(times)} events, p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(times):.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="webhook-load-") as folder:
        times = measure(Path(folder), arguments.events, arguments.rounds)
    print(f"all: {line([taken for each in times for taken in each])}")


if __name__ == "__main__":
    main()
