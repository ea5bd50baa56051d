"""An archive pre-labelled into a real Label Studio while the command is killed again and again: what is left to doubt.

    python benchmarks/prelabel_kills.py [--videos 12] [--clips DIR] [--kills 2] [--workers 2] [--seed 0]

Drawn videos lie where Label Studio serves local files, real clips (if given) are uploaded. Among them are copies of two
videos, and three files that are no videos. `deadlift prelabel` is started, killed with SIGKILL after a
random number of videos and started again, then once more when all is done. Printed, and wrong if any is off (exit code
1): every video has one task with one prediction; Label Studio never stored a prediction or a task that it does not show
now; landmarks of each video were written once (the folder is watched from outside); the last start does nothing; one
that knows nothing of the others, with a data folder of its own, finds all tasks and predictions; what failed is listed
with reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import platformdirs
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from short_lifts import drawn

from backend.archives.sources import files
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install
from backend.settings import APP_NAME
from pipeline.media import reading

_COMMAND = [sys.executable, "-c", "from backend.cli import main; main()", "prelabel"]
_ROOT = Path(__file__).parent.parent
USER, PASSWORD = "kills@example.com", "a-long-password"
BROKEN = {"empty.mp4": b"", "noise.mp4": Random(0).randbytes(50_000), "text.mov": b"This is no video.\n"}


@dataclass(frozen=True)
class Check:
    what: str
    found: int
    expected: int


@dataclass
class Watch:
    """Every file that ever appeared in a folder, also one that replaced another of its name."""

    folder: Path
    seen: set[tuple[str, int, int]] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        while not self.ended.wait(0.1):
            for path in self.folder.rglob("*.npz"):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                self.seen.add((path.name, status.st_ino, status.st_mtime_ns))

    def written(self) -> Counter[str]:
        return Counter(name for name, _, _ in self.seen)


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    watch = Watch(folder)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        time.sleep(0.5)
        watch.ended.set()
        thread.join()


def make_archive(folder: Path, videos: list[Path], clips: list[Path]) -> tuple[Path, Path]:
    """Folders of the drawn videos and of the clips, with two copies and three files that are no videos among them."""
    served, others = folder / "served" / "drawn", folder / "clips"
    served.mkdir(parents=True)
    others.mkdir()
    for path in videos:
        shutil.copy(path, served)
    for path in clips:
        (others / path.name).symlink_to(path.absolute())
    shutil.copy(videos[0], served / "the-first-again.mp4")
    shutil.copy(videos[1], others)
    for folder, (name, content) in zip((served, served, others), BROKEN.items(), strict=True):
        (folder / name).write_bytes(content)
    return served, others


def start(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[str]:
    with log.open("a") as errors:
        return subprocess.Popen(
            [*_COMMAND, *arguments, "--json-progress"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment | {"PYTHONPATH": str(_ROOT)},
        )


def run_until(process: subprocess.Popen[str], videos: int | None, pause_s: float) -> list[dict[str, Any]]:
    """What the run tells until its end; or until so many videos are through, a pause later it is killed."""
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if videos is not None and sum(event["event"] in ("done", "failed") for event in events) >= videos:
            time.sleep(pause_s)
            process.kill()
            videos = None
    process.wait()
    return events


def check(client: LabelStudioClient, project: int, media: list[Path], watch: Watch, last: list[Any]) -> list[Check]:
    """What has to hold in the end. media: the files that are videos."""
    tasks = [task.id for task, _, _ in client.tasks(project)]
    predictions = {number: state.predictions for number, state in client.task_states(project, tasks).items()}
    stored = [number for found in predictions.values() for number, _ in found]
    digests = {reading.digest(path) for path in media}
    written = watch.written()
    again = [event for event in last if event["event"] in ("done", "failed")]
    return [
        Check("tasks", len(tasks), len(media)),
        Check("tasks with exactly one prediction", sum(len(found) == 1 for found in predictions.values()), len(media)),
        Check("tasks that were made and are gone", max(tasks) - len(tasks), 0),
        Check("predictions that were stored and are gone", max(stored) - len(stored), 0),
        Check("different videos by content", len(written), len(digests)),
        Check("landmarks written more than once", sum(count > 1 for count in written.values()), 0),
        Check("videos that a last start worked on", len(again), 0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=12, help="drawn videos")
    parser.add_argument("--clips", type=Path, help="folder of real clips to add")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drawn", type=Path, default=Path(platformdirs.user_cache_dir(APP_NAME)) / "short-lifts")
    parser.add_argument("--label-studio", type=Path, default=os.environ.get("DEADLIFT_LABEL_STUDIO"))
    arguments = parser.parse_args()
    clips = [path for path in sorted(arguments.clips.iterdir()) if path.suffix == ".mp4"] if arguments.clips else []
    videos = drawn(arguments.drawn, arguments.videos)
    script = install(arguments.label_studio)
    with tempfile.TemporaryDirectory(prefix="deadlift-kills-") as name:
        folder = Path(name)
        served, others = make_archive(folder, videos, clips)
        local_files = {
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(served.parent),
        }
        server = LabelStudioServer(
            script, folder / "label-studio", 0, username=USER, password=PASSWORD, env=local_files, ready_within_s=900
        )
        with server, watched(folder / "data" / "poses") as watch:
            token = server.personal_token()
            client = LabelStudioClient(Access(server.url, SecretStr(token)))
            project = client.create_project("Killed again and again", default_config())
            command = [str(served), str(others), f"--project={project}", f"--workers={arguments.workers}"]
            environment = {
                **local_files,
                "LABEL_STUDIO_URL": server.url,
                "LABEL_STUDIO_API_KEY": token,
                "DATA_DIR": str(folder / "data"),
            }
            everything = [Path(source.name) for source in files([str(served), str(others)])]
            random, log = Random(arguments.seed), folder / "log"
            share = len(everything) // (arguments.kills + 1)
            attempts: Counter[str] = Counter()
            for number in range(arguments.kills + 2):
                kill_after = share - random.randrange(max(1, share // 2)) if number < arguments.kills else None
                began = time.monotonic()
                events = run_until(start(command, environment, log), kill_after, random.uniform(0.0, 3.0))
                kinds = Counter(event["event"] for event in events)
                how = "killed" if kill_after is not None else "ended"
                attempts.update(event["video"] for event in events if event["event"] in ("done", "failed"))
                print(
                    f"start {number + 1}: {how} after {time.monotonic() - began:.0f} s,"
                    f" {kinds['done']} done, {kinds['failed']} failed attempts",
                    flush=True,
                )
            broken = [event for event in events if event["event"] == "given up"]
            media = [path for path in everything if str(path) not in {event["video"] for event in broken}]
            time.sleep(1.0)
            checks = check(client, project, media, watch, events)
            shutil.copytree(folder / "data" / "poses", folder / "another" / "poses")
            run_until(start(command, environment | {"DATA_DIR": str(folder / "another")}, log), None, 0.0)
            states = client.task_states(project, [task.id for task, _, _ in client.tasks(project)]).values()
            stored = sum(len(state.predictions) for state in states)
            checks.append(Check("tasks after a start that knows nothing", len(states), len(media)))
            checks.append(Check("predictions after it", stored, len(media)))
    table = Table("", "found", "expected")
    for one in checks:
        table.add_row(one.what, str(one.found), ("" if one.found == one.expected else "[red]") + str(one.expected))
    console = Console(highlight=False)
    console.print(table)
    for event in broken:
        console.print(f"given up after {event['attempts']} attempts: {event['error']}", soft_wrap=True, markup=False)
    return 0 if all(one.found == one.expected for one in checks) and len(broken) == len(BROKEN) else 1


if __name__ == "__main__":
    sys.exit(main())
