"""Minutes of faults: processes are killed and Label Studio answers late, wrong or not at all, while people work.

    python benchmarks/fault_run.py [--minutes 30] [--share 0.15] [--seed 0]

`deadlift serve` reaches a small Label Studio through a proxy that spoils a share of all requests. People label, change
and delete, import tasks and ask for trainings; in turn the server, a worker and the training process are killed with
-9 every half minute or so, and the server started again. Then the faults end. Wrong (exit code 1) is what is not so
after that: every task that nobody labelled has exactly one prediction, by the model in use; no prediction is there
twice; every label is stored as Label Studio has it, and none besides; no model is torn; nothing waits. So is a run of
ten minutes or more that never killed one of the three.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from random import Random

import httpx
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from backend_process import CREATED
from flaky_proxy import FlakyProxy, now_and_then
from kill_rounds import KillRounds

_KINDS = ("server", "worker", "trainer")
_START_TRAINING = {"action": "START_TRAINING", "project": CREATED["project"]}
_TRAINING_EVERY_S = 150.0
_MUST_KILL_ALL = 10.0
"""Minutes of a run in which each kind of process must have been killed, or something is wrong with this program."""
_LONGEST_UNTIL_THERE_S = 30.0
"""For a worker or a training: after a kill of the server there is none for a while."""
_TASKS_EVERY_S = 20.0
_LABEL_EVERY_S = 3.0


class Person:
    """Labels, imports and asks for trainings in a thread, whatever the server does: Label Studio keeps all of it."""

    def __init__(self, here: KillRounds) -> None:
        self.unheard = 0
        self._here = here
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        due = {self._label: 0.0, self._import: 0.0, self._train: time.monotonic() + 30.0}
        pauses = {self._label: _LABEL_EVERY_S, self._import: _TASKS_EVERY_S, self._train: _TRAINING_EVERY_S}
        while not self._ended.wait(0.2):
            for act, at in list(due.items()):
                if time.monotonic() < at:
                    continue
                due[act] = time.monotonic() + pauses[act]
                try:
                    act()
                except httpx.HTTPError:
                    self.unheard += 1

    def _label(self) -> None:
        self._here.change_labels()

    def _import(self) -> None:
        self._here.predict_new()

    def _train(self) -> None:
        self._here.server.post(_START_TRAINING)


def kill(here: KillRounds, kind: str, chance: Random, kills: Counter[str]) -> None:
    """kill -9 of one process of that kind, once there is one; a killed server is started again a while later."""
    server = here.server
    if kind == "server":
        server.kill()
        kills[kind] += 1
        time.sleep(chance.uniform(0.0, 8.0))
        server.start()
        return
    if kind == "trainer":
        with suppress(httpx.HTTPError):
            server.post(_START_TRAINING)
    deadline = time.monotonic() + _LONGEST_UNTIL_THERE_S
    while not (found := server.workers() if kind == "worker" else server.training()) and time.monotonic() < deadline:
        time.sleep(0.1)
    if found:
        time.sleep(chance.uniform(0.0, 3.0))  # in the middle of its work
        with suppress(psutil.NoSuchProcess):
            chance.choice(found).kill()
            kills[kind] += 1


def run(folder: Path, minutes: float, share: float, seed: int, console: Console) -> int:
    chance, kills = Random(seed), Counter[str]()
    proxies: list[FlakyProxy] = []

    def reached_by(url: str) -> str:
        proxies.append(FlakyProxy(url, lambda method, path: None))
        return proxies[0].url

    here = KillRounds(folder, seed, reached_by)
    (proxy,) = proxies
    try:
        here.begin()
        console.print(f"the server answers after {here.start_s[0]:.0f} s; faults begin")
        proxy.choose = now_and_then(share, seed)
        person, until = Person(here), time.monotonic() + 60 * minutes
        for kind in cycle(_KINDS):
            time.sleep(chance.uniform(15.0, 45.0))
            if time.monotonic() > until:
                break
            kill(here, kind, chance, kills)
        person.end()
        proxy.choose = lambda method, path: None
        faults, unheard = Counter(proxy.seen), person.unheard
        begun = time.monotonic()
        console.print("faults end")
        wrong = here.finish()
        if minutes >= _MUST_KILL_ALL:
            wrong += [f"no {kind} was killed" for kind in _KINDS if not kills[kind]]
        healed_s = time.monotonic() - begun
        state = here.server.jobs()
        log = here.server.log()
    finally:
        here.close()
        proxy.close()
    passed = faults.pop("", 0)
    table = Table("what", "how often")
    table.add_row("requests to Label Studio", str(passed + faults.total()))
    for name, count in sorted(faults.items()):
        table.add_row(f"  {name}", str(count))
    for name, count in sorted(kills.items()):
        table.add_row(f"kill -9 of {name}", str(count))
    for name, count in sorted(here.events.items()):
        table.add_row(name, str(count))
    table.add_row("requests that the server did not answer", str(unheard))
    table.add_row("predictions in Label Studio", str(len(here.label_studio.predictions)))
    for name, count in sorted(Counter(f"training {one['state']}" for one in state["runs"]).items()):
        table.add_row(name, str(count))
    failed = Counter(one["error"]["type"] for one in state["jobs"] if one["state"] == "failed" and one["error"])
    for name, count in sorted(failed.items()):
        table.add_row(f"job failed: {name}", str(count))
    table.add_row("tracebacks in the server's log", str(log.count("Traceback (most recent call last)")))
    console.print(table)
    console.print(f"all was well {healed_s:.0f} s after the faults ended" if not wrong else "[red]wrong:")
    for line in wrong:
        console.print(f"  {line}", markup=False)
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.15, help="of requests to Label Studio that are spoilt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder that is left, with the log and the database")
    chosen = parser.parse_args()
    console = Console(highlight=False)
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True)
        return run(chosen.keep, chosen.minutes, chosen.share, chosen.seed, console)
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        return run(Path(folder), chosen.minutes, chosen.share, chosen.seed, console)


if __name__ == "__main__":
    sys.exit(main())
