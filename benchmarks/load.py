"""How fast the server answers while all of it is busy: this tree, and with --against a git revision, in one run.

    python benchmarks/load.py [--against REV] [--queued 500] [--seconds 20]

Starts `deadlift serve` with a password and two workers beside a small Label Studio. While 500 tasks wait, two videos
are analyzed and a training goes on, it is asked as Label Studio and people ask it, each request on a connection of its
own. Afterwards the database is compared with the events that were sent: none may be lost. What authentication costs,
and what a body of 5 MB does, is measured in a process without any other work. All times are of the machine at hand.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from backend_process import CONFIG_TEXT, CREATED, BackendProcess, DrawnProject, moved, wait_for
from label_studio_api import FakeLabelStudio
from original_loop import worktree

from backend.labelstudio.format import Json
from backend.storage.jobs import Store

HERE = Path(__file__).resolve().parent.parent
_LABELLED = 24
"""Videos that the training learns from; each has ten repetitions."""
_CACHED = 255
"""Predictions that are ready: Label Studio asks for so many at once at most."""
_LISTED = 10
"""Annotations in an event that carries a list."""
_SINGLE, _BURST = 100, 200
_FIVE_MB = 5_000_000
_USER, _PASSWORD = "load", "of a benchmark"
_AUTHORIZATION = "Basic " + base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()

TARGETS_MS = {
    "/health": 50, "/predict, 1 cached task": 50, "/predict, 255 cached tasks": 1000, "event": 250,
    "event, 200 at one moment": 1000, "authentication": 1, "5 MB of numbers": 1000, "5 MB of empty objects": 1000,
}  # fmt: skip
MOST_MB = 100


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
        wait_for(lambda: not list(store.events.received()))
        stored = {annotation.id: annotation for annotation in store.labels.annotations()}
        lost = []
        for number, sent in self.saved.items():
            ours = stored.get(number)
            if ours is None and number in self.deleted:
                continue  # gone from Label Studio before the server looked it up
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
    head += f"Authorization: {_AUTHORIZATION}\r\n"
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


class Side:
    """One server under load. tree: the files of the revision that it runs."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.label_studio = FakeLabelStudio()
        self.fetched: list[str] = []
        self.label_studio.files = _Recorded(self.fetched)
        self.project = DrawnProject(self.label_studio, folder)
        self.cached: list[int] = []
        secret = {"BASIC_AUTH_USER": _USER, "BASIC_AUTH_PASS": _PASSWORD}
        self.server = BackendProcess(folder / "data", self.label_studio, WORKERS="2", **secret)
        self.server.tree = tree
        self.server.http.auth = (_USER, _PASSWORD)

    def close(self) -> None:
        self.server.stop()
        self.label_studio.close()

    def make_busy(self, queued: int) -> tuple[Sent, list[int]]:
        """Predictions are ready, a training goes on, workers are busy, tasks wait; returns these, the newest last."""
        known = [self.project.add_known(reps=10, faulty=2) for _ in range(_LABELLED)]
        sent = Sent(self.project, known)
        for task in known * 8:
            annotation = self.project.label(task, self.project.reps[task], 2)
            sent.saved[annotation["id"]] = annotation
        self.cached = [self.project.add_known(reps=4) for _ in range(_CACHED)]
        print(f"  answers after {self.server.start():.1f} s", flush=True)
        self.server.connect()
        wait_for(lambda: "annotations pulled" in self.server.log())
        wait_for(lambda: len(self.label_studio.predictions) >= _CACHED, 300, 1.0)
        new = [self.project.add_new(reps=3) for _ in range(queued)]
        self.fetched.clear()
        self.server.post(self.project.created(*new))
        wait_for(lambda: len(self.fetched) >= 2, 120)
        self.train()
        return sent, new

    def train(self) -> None:
        """See that a training is in the middle of learning."""
        if not work(self.server)[0]:
            self.server.start_training()
            wait_for(lambda: work(self.server)[0], 300)

    def ask(self, method: str, path: str, body: bytes | None = None) -> float:
        """Milliseconds from the connection to the end of the answer. Raises AssertionError for a refusal."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"Authorization": _AUTHORIZATION, "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status in (200, 400, 413), content
        return 1000 * (time.perf_counter() - begun)

    def request_of(self, tasks: list[int]) -> bytes:
        given = [{"id": task, "project": 1, "data": self.label_studio.tasks[task]["data"]} for task in tasks]
        return json.dumps({"tasks": given, "project": "1.1", "label_config": CONFIG_TEXT}).encode()

    def measure(self, sent: Sent, seconds: float) -> dict[str, list[float]]:
        one, many = self.request_of(self.cached[:1]), self.request_of(self.cached)
        single = iter([json.dumps(event).encode() for event in sent.events(_SINGLE)])
        asked: dict[str, Callable[[], float]] = {
            # First, and no longer than the training takes: a promoted model makes them anew.
            "/predict, 255 cached tasks": lambda: self.ask("POST", "/predict", many),
            "/predict, 1 cached task": lambda: self.ask("POST", "/predict", one),
            "/health": lambda: self.ask("GET", "/health"),
            "event": lambda: self.ask("POST", "/webhook", next(single)),
        }
        found: dict[str, list[float]] = {name: [] for name in asked}
        for name, ask in asked.items():
            self.train()
            ask()  # the first of a kind loads something
            deadline, most = time.monotonic() + seconds, _SINGLE - 1 if name == "event" else 1000
            while time.monotonic() < deadline and len(found[name]) < most:
                found[name].append(ask())
                if name.endswith("cached tasks") and not work(self.server)[0]:
                    break
                time.sleep(0.02)
        self.train()
        for event in single:
            self.ask("POST", "/webhook", event)
        burst = send(self.server.port, [json.dumps(event).encode() for event in sent.events(_BURST)])
        assert {status for _, status in burst} == {200}, burst
        return found | {"event, 200 at one moment": [1000 * taken for taken, _ in burst]}

    def opened_starts_next(self, waiting: list[int]) -> str:
        """Opens the task that came last; says how many others were begun between."""
        before = len(self.fetched)
        self.ask("POST", "/predict", self.request_of(waiting[-1:]))
        name = f"1/{waiting[-1]}.mp4"
        wait_for(lambda: name in self.fetched, 300)
        between = self.fetched[before : self.fetched.index(name)]
        return f"opened task: {len(between)} others begun before it"


class _Recorded(dict[str, bytes]):
    """Files that note in which order they are fetched."""

    def __init__(self, fetched: list[str]) -> None:
        super().__init__()
        self._fetched = fetched

    def get(self, key: str, default: Any = None) -> Any:
        self._fetched.append(key)
        return super().get(key, default)


def work(server: BackendProcess) -> tuple[int, int]:
    """How many trainings are in the middle of learning, and how many jobs are not done."""
    state = server.jobs()
    trainings = sum(run["state"] == "running" and run["percent"] > 40 for run in state["runs"])
    return trainings, sum(job["state"] == "running" for job in state["jobs"])


def loaded(tree: Path, queued: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each kind of request to a server of that tree under load."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        side = Side(tree, folder)
        stack.callback(side.close)
        sent, waiting = side.make_busy(queued)
        found = side.measure(sent, seconds)
        print(f"  beside {work(side.server)[0]} training; {side.opened_starts_next(waiting)}", flush=True)
        with closing(Store(f"sqlite:///{folder / 'data' / 'backend.sqlite3'}")) as store:
            lost = sent.lost(store)
        print(f"  {len(lost)} events lost", flush=True)
        return found


def alone(tree: Path) -> dict[str, float]:
    """What `inside` finds with the files of that tree."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, __file__, "--inside"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def inside() -> dict[str, float]:
    """Milliseconds that authentication and bodies take, and megabytes of these, in this process."""
    from pydantic import SecretStr

    from backend.predictions.preannotator import Preannotator
    from backend.settings import Settings
    from backend.web.app import create_app

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: []

    with tempfile.TemporaryDirectory() as folder:
        bare = Settings(_env_file=None, data_dir=Path(folder))  # type: ignore[call-arg]
        guarded = bare.model_copy(update={"basic_auth_user": _USER, "basic_auth_pass": SecretStr(_PASSWORD)})
        service = cast(Preannotator, Nothing())
        clients = [create_app(settings, service, Store("sqlite://")).test_client() for settings in (bare, guarded)]
        headers = {"Authorization": _AUTHORIZATION}
        taken: list[list[float]] = [[], []]
        for _ in range(2000):
            for client, times in zip(clients, taken, strict=True):
                begun = time.perf_counter()
                assert client.get("/versions", headers=headers).status_code == 200
                times.append(1000 * (time.perf_counter() - begun))
        found = {"authentication": float(np.median(taken[1]) - np.median(taken[0]))}
        for name, item in (("5 MB of numbers", "1"), ("5 MB of empty objects", "{}")):
            items = ",".join([item] * (_FIVE_MB // (len(item) + 1)))
            body = f'{{"label_config": {json.dumps(CONFIG_TEXT)}, "project": 1, "tasks": [{items}]}}'.encode()
            begun = time.perf_counter()
            clients[0].post("/predict", data=body)
            found[name] = 1000 * (time.perf_counter() - begun)
            tracemalloc.start()
            clients[0].post("/predict", data=body)
            found[f"{name}, MB"] = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", help="a git revision that is measured as well")
    parser.add_argument("--queued", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0, help="longest that each kind of request is sent")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(inside()))
        return
    with ExitStack() as stack:
        sides = {"this tree": HERE}
        if arguments.against:
            sides[arguments.against] = stack.enter_context(worktree(arguments.against))
        rows: dict[str, dict[str, str]] = {}
        for side, tree in sides.items():
            print(f"{side}:", flush=True)
            for name, times in loaded(tree, arguments.queued, arguments.seconds).items():
                p50, p99 = np.percentile(times, (50, 99))
                rows.setdefault(name, {})[side] = f"p50 {p50:.0f}, p99 {p99:.0f} ms of {len(times)}"
            for name, value in alone(tree).items():
                unit = "MB" if name.endswith("MB") else "ms"
                rows.setdefault(name, {})[side] = f"{value:.2f} {unit}"
    for name, cells in rows.items():
        target = f"{TARGETS_MS[name]} ms" if name in TARGETS_MS else f"{MOST_MB} MB"
        print(f"{name:28} (< {target:7}) " + "   ".join(f"{side}: {cell}" for side, cell in cells.items()))


if __name__ == "__main__":
    main()
