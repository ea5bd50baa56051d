"""A learning project in a real Label Studio, lived through: label, train, mislabel, go back. What was seen is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import labeling_page
import project_pages
from learning_project import REPS, Film, Json, Project, until
from playwright.sync_api import Page
from pydantic import SecretStr
from server_process import ServerProcess

from backend.labels.labelled import DrawnRep
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config
from backend.labelstudio.records import Access
from backend.local_labelstudio.demo import BACKEND_TITLE, is_upload_of
from backend.local_labelstudio.server import LabelStudioServer
from pipeline.synthetic import FaultKind

NAMES = {"normal": "Normal rep", "anomalous": "Anomalous rep"}
FAULTS: tuple[FaultKind, ...] = ("hitching", "jerk")
FAULTY = (1, 2, 4)
SOUND = (0, 3, 5)
"""Numbers of the drawn videos that are labelled before the first training."""
UNLABELLED, LATE = 6, 7
"""The one that nobody labels, which has faults, and the one that is labelled while the server is away."""
ON_PAGE = 2
MOVED_FRAMES = 4
SETTINGS = {"WEBHOOK_SECRET": "sesame", "WORKERS": "2"}
COLUMNS = ["Prediction score", "Prediction model versions"]


@dataclass(frozen=True)
class State:
    """What people see of the model in use: by /setup, in the project's settings, in the table of tasks (the versions at
    the video that nobody labelled, and how many rows have a score), and which repetitions of it are called anomalous.
    """

    setup: str
    shown: str
    listed: str
    scores: int
    flagged: list[bool]


@dataclass
class Observed:
    """What happened. Runs are as GET /jobs shows them, `told` is what it showed on the way; `seconds` by what took
    them."""

    tasks: int = 0
    reps: int = 0
    unlabelled: int = 0
    relabelled: tuple[labeling_page.Region, str] | None = None
    moved: tuple[labeling_page.Region, int] | None = None
    on_page: list[DrawnRep] = field(default_factory=list)
    rate: float = 0.0
    base: State | None = None
    trained: State | None = None
    poisoned: State | None = None
    back: State | None = None
    predictions_page: str = ""
    good_run: Json = field(default_factory=dict)
    told: list[Json] = field(default_factory=list)
    runs_before_enough: int = 0
    automatic_run: Json = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    screenshots: list[Path] = field(default_factory=list)


@contextmanager
def project_in(label_studio: LabelStudioServer, folder: Path) -> Iterator[Project]:
    """A project connected to our server, which trains on request only."""
    token = label_studio.personal_token()
    client = LabelStudioClient(Access(label_studio.url, SecretStr(token)))
    server = ServerProcess(folder / "backend", label_studio.url, token)
    server.start(RETRAIN_AFTER="0", **SETTINGS)
    try:
        config = default_config()
        number = client.create_project("Learning loop", config)
        client.connect_backend(number, server.url, BACKEND_TITLE)
        project = Project(number, label_studio.url, client, server, config)
        yield project
        project.close()
    finally:
        server.stop()


def live_through(
    project: Project, page: Page, drawn: dict[int, Film], real: list[Film], seen: Observed, folder: Path
) -> None:
    """The whole story; `folder` gets the screenshots."""
    tasks = _upload(project, [*drawn.values(), *real], seen)
    seen.tasks = len(tasks)
    seen.unlabelled = tasks[drawn[UNLABELLED].path]
    project_pages.show_columns(page, project.url, project.number, COLUMNS)
    seen.base = _look(project, page, seen, folder / "before.png")

    _label_on_page(project, page, tasks[drawn[ON_PAGE].path], drawn[ON_PAGE], seen, folder)
    labelled = [*(drawn[n] for n in (*SOUND, *FAULTY)), *real]
    for film in labelled:
        if film != drawn[ON_PAGE]:
            project.label(tasks[film.path], film)
    until(lambda: len(project.known_labels()) == len(labelled))
    seen.reps = sum(len(video.reps) for video in project.known_labels())

    seen.seconds["Start Training answers"] = project_pages.start_training(page, project.url, project.number)
    labeling_page.screenshot(page, folder / "training.png")
    begun = time.monotonic()
    seen.good_run, seen.told = project.follow_run()
    seen.seconds["training"] = time.monotonic() - begun
    seen.seconds["predict again"] = until(lambda: _is_served(project, seen))
    seen.trained = _look(project, page, seen, folder / "after-training.png")
    seen.predictions_page = project_pages.predicted_versions(page, project.url, project.number)
    labeling_page.screenshot(page, folder / "versions.png")

    # Nobody is there to hear of a label; then a careless day: what was anomalous is called normal.
    project.server.stop()
    project.label(tasks[drawn[LATE].path], drawn[LATE])
    project.server.start(RETRAIN_AFTER=str(4 * REPS), **SETTINGS)
    seen.seconds["missed label known"] = until(lambda: len(project.known_labels()) == len(labelled) + 1)
    seen.runs_before_enough = len(project.server.jobs()["runs"])
    for film in [drawn[n] for n in FAULTY]:
        project.label(tasks[film.path], film, everything_normal=True)
    seen.seconds["automatic run begins"] = until(lambda: len(project.server.jobs()["runs"]) > seen.runs_before_enough)
    seen.automatic_run, _ = project.follow_run()
    seen.poisoned = _look(project, page, seen, folder / "after-refusal.png")
    number = ["--project", str(project.number)]
    refused = str(seen.automatic_run["version"])
    for command in (["jobs", *number], ["models", "list", *number], ["models", "show", refused, *number]):
        seen.printed[" ".join(command[:2])] = project.server.deadlift(*command)

    seen.printed["models rollback"] = project.server.deadlift("models", "rollback", *number)
    seen.seconds["old version back"] = until(lambda: _is_served(project, seen))
    seen.back = _look(project, page, seen, folder / "after-rollback.png")
    seen.screenshots = sorted(folder.glob("*.png"))


def _upload(project: Project, films: list[Film], seen: Observed) -> dict[Path, int]:
    """The task of each video, when all are predicted."""
    for film in films:
        project.client.upload(project.number, film.path)
    seen.seconds["predict all"] = until(lambda: all(project.versions().values()))
    found: dict[Path, int] = {}
    for task, _, _ in project.client.tasks(project.number):
        address = str(task.data["video"])
        found |= {film.path: task.id for film in films if is_upload_of(address, film.path)}
    return found


def _label_on_page(project: Project, page: Page, task: int, film: Film, seen: Observed, folder: Path) -> None:
    """What an annotator does: correct every wrong label, move the end of another repetition, submit."""
    labeling_page.open_task(page, project.url, project.number, task)
    seen.rate = project.rate(task)
    regions = labeling_page.wait_for_regions(page, len(film.reps))
    right = {region.id: NAMES[label] for region, (_, _, label) in zip(regions, film.reps, strict=True)}
    wrong = [region for region in regions if region.label != right[region.id]]
    if not wrong:  # somebody sees one repetition otherwise
        wrong = regions[-1:]
        right[wrong[0].id] = next(name for name in NAMES.values() if name != wrong[0].label)
    for region in wrong:
        labeling_page.set_label(page, region.id, right[region.id])
    seen.relabelled = wrong[0], right[wrong[0].id]
    other = next(region for region in regions if region not in wrong)
    seen.moved = other, other.end + MOVED_FRAMES
    labeling_page.set_end_frame(page, other.id, other.end + MOVED_FRAMES)
    labeling_page.screenshot(page, folder / "labeling.png")
    labeling_page.submit(page)
    until(project.known_labels)
    seen.on_page = list(project.known_labels()[0].reps)


def _is_served(project: Project, seen: Observed) -> bool:
    """Whether every task has a prediction of the model in use, the one that nobody labelled no other, and its scores
    are shown."""
    version, found = project.setup_version(), project.versions()
    everywhere = all(version in versions for versions in found.values())
    return everywhere and found[seen.unlabelled] == [version] and project.shown_version() == version


def _look(project: Project, page: Page, seen: Observed, picture: Path) -> State:
    rows = project_pages.table(page, project.url, project.number)
    labeling_page.screenshot(page, picture)
    score, versions = COLUMNS
    return State(
        project.setup_version(),
        project.shown_version(),
        next(row[versions] for row in rows if row["ID"] == str(seen.unlabelled)),
        sum(_is_share(row[score]) for row in rows),
        project.flagged(seen.unlabelled),
    )


def _is_share(text: str) -> bool:
    """Whether a cell has a number of 0..1."""
    return re.fullmatch(r"0(\.\d+)?|1(\.0+)?", text) is not None
