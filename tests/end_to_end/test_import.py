"""What was exported, imported into other projects of a real Label Studio: the same repetitions to the frame.

As predictions and as annotations, from each of the formats that other tools open and save again. One run is made and
what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import labeling_page
import pytest
from learning_project import Film, Json, Project, drawn_film, until
from playwright.sync_api import Page
from real_label_studio import PASSWORD, USER, beside_label_studio
from server_process import ServerProcess

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config, parse_controls
from backend.local_labelstudio.demo import BACKEND_TITLE
from pipeline.datasets.manifest import rows_of
from pipeline.records import RepLabel
from pipeline.synthetic import LiftPlan, RepPlan, reps_of
from pipeline.synthetic.drawing import render

pytestmark = pytest.mark.e2e

FORMATS = {"ELAN": "elan/*.eaf", "CSV": "reps.csv", "Parquet": "reps.parquet"}

Regions = list[tuple[int, int, str]]
"""First frame, last frame and label of each region, in order."""


@dataclass
class Observed:
    """What one project showed, by the name of the video.

    wanted: regions that people left in the first project, and their seconds in what was exported. predicted and
    annotated: what was stored as predictions and annotations; counts: how many predictions each task has. offered and
    page: what the labeling page shows of predictions, once the project's settings choose them, then of annotations.
    seconds: what our server was told. said: by the command when it ran for the first time, as predictions and as
    annotations; again: the second time.
    """

    wanted: dict[str, Regions]
    wanted_seconds: dict[str, list[tuple[float, float]]]
    predicted: dict[str, list[Json]] = field(default_factory=dict)
    annotated: dict[str, list[Json]] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    offered: dict[str, Regions] = field(default_factory=dict)
    page: dict[str, Regions] = field(default_factory=dict)
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    said: tuple[str, str] = ("", "")
    again: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def all_observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observed]:
    folder = tmp_path_factory.mktemp("import")
    films = {"even": drawn_film(folder, 0, ["early_hip_rise"]), "odd": _film_of_an_odd_rate(folder)}
    with beside_label_studio(folder) as (server, client, url):
        return _live_through(server, client, url, films)


@pytest.fixture(params=list(FORMATS))
def observed(request: pytest.FixtureRequest, all_observed: dict[str, Observed]) -> Observed:
    return all_observed[request.param]


def _film_of_an_odd_rate(folder: Path) -> Film:
    """30000/1001 pictures per second, which no count of milliseconds is a multiple of."""
    plan = replace(LiftPlan((RepPlan(), RepPlan(pull_s=1.1))), fps=30000 / 1001, leave_s=1.0, stand_after_s=0.4)
    path = folder / "odd rate.mp4"
    render(plan, path)
    labels: tuple[RepLabel, RepLabel] = ("normal", "anomalous")
    return Film(path, tuple((r.start_s, r.end_s, label) for r, label in zip(reps_of(plan), labels, strict=True)))


def _live_through(
    server: ServerProcess, client: LabelStudioClient, url: str, films: dict[str, Film]
) -> dict[str, Observed]:
    first, tasks = _project(server, client, url, films, "Labelled")
    for name, film in films.items():
        _label_otherwise(first, tasks[name], film)
    until(lambda: len(first.known_labels()) == len(films))
    out = server.folder / "out"
    server.deadlift("export", "--project", str(first.number), "--out", str(out))
    wanted = {name: _regions(_annotation(first, task)["result"]) for name, task in tasks.items()}
    seconds = {
        name: [(row.start_s, row.end_s) for row in rows_of(out / "v0001") if row.task == task]
        for name, task in tasks.items()
    }
    first.close()
    found = {}
    with labeling_page.new_page() as page:
        labeling_page.log_in(page, url, USER, PASSWORD)
        for title, files in FORMATS.items():
            project, tasks = _project(server, client, url, films, title)
            found[title] = Observed(wanted, seconds)
            _import(project, tasks, sorted((out / "v0001").glob(files)), page, found[title])
            project.close()
    return found


def _import(project: Project, tasks: dict[str, int], files: list[Path], page: Page, seen: Observed) -> None:
    arguments = ("import", *map(str, files), "--project", str(project.number))
    as_predictions = project.server.deadlift(*arguments)
    seen.again.append(project.server.deadlift(*arguments))
    for name, task in tasks.items():
        stored = project.client.predictions(task)
        seen.counts.append(len(stored))
        seen.predicted[name] = [one for one in stored if one["model_version"].startswith("import-")]
    (version,) = {one["model_version"] for stored in seen.predicted.values() for one in stored}
    project.api("PATCH", f"projects/{project.number}/", model_version=version)  # as its settings do
    for name, task in tasks.items():
        seen.offered[name] = _on_page(page, project, task, len(seen.wanted[name]))
    seen.said = (as_predictions, project.server.deadlift(*arguments, "--annotations"))
    seen.again.append(project.server.deadlift(*arguments, "--annotations"))
    for name, task in tasks.items():
        seen.annotated[name] = project.api("GET", f"tasks/{task}")["annotations"]
        seen.page[name] = _on_page(page, project, task, len(seen.wanted[name]))
    until(lambda: len(project.known_labels()) == len(tasks))
    labels = {video.task: video for video in project.known_labels()}
    for name, task in tasks.items():
        seen.seconds[name] = [(rep.start_s, rep.end_s) for rep in labels[task].reps]


def _project(
    server: ServerProcess, client: LabelStudioClient, url: str, films: dict[str, Film], title: str
) -> tuple[Project, dict[str, int]]:
    """A project with the films, when our server has predicted them; its tasks by the films' names."""
    number = client.create_project(title, default_config())
    client.connect_backend(number, server.url, BACKEND_TITLE)
    project = Project(number, url, client, server, default_config())
    for film in films.values():
        client.upload(number, film.path)
    until(lambda: len(project.versions()) == len(films) and all(project.versions().values()))
    tasks = {}
    for task, _, _ in client.tasks(number):
        address = str(task.data["video"])
        (name,) = (name for name, film in films.items() if address.endswith(film.path.name.replace(" ", "_")))
        tasks[name] = task.id
    return project, tasks


def test_predictions_have_the_same_frames_and_labels(observed: Observed) -> None:
    found = {name: [_regions(one["result"]) for one in stored] for name, stored in observed.predicted.items()}
    assert found == {name: [regions] for name, regions in observed.wanted.items()}


def test_predictions_of_people_have_no_score(observed: Observed) -> None:
    assert {one["score"] for stored in observed.predicted.values() for one in stored} == {None}


def test_the_predictions_of_the_model_stay_beside_them(observed: Observed) -> None:
    assert observed.counts == [2] * len(observed.wanted)


def test_annotations_have_the_same_frames_and_labels(observed: Observed) -> None:
    found = {name: [_regions(one["result"]) for one in stored] for name, stored in observed.annotated.items()}
    assert found == {name: [regions] for name, regions in observed.wanted.items()}


def test_the_labeling_page_offers_the_predictions(observed: Observed) -> None:
    assert observed.offered == observed.wanted


def test_the_labeling_page_shows_the_annotations(observed: Observed) -> None:
    assert observed.page == observed.wanted


def test_our_server_hears_of_the_annotations_at_the_same_seconds(observed: Observed) -> None:
    for name, wanted in observed.wanted_seconds.items():
        assert observed.seconds[name] == [pytest.approx(rep, abs=1e-3) for rep in wanted]


def test_the_command_says_how_many_were_stored(observed: Observed) -> None:
    count = sum(map(len, observed.wanted.values()))
    assert [int(said.split()[0]) for said in observed.said] == [count, count]


def test_a_repetition_of_the_command_stores_nothing(observed: Observed) -> None:
    assert all("0 of " in text for text in observed.again)
    assert all("already" in text for text in observed.again)


def _label_otherwise(project: Project, task: int, film: Film) -> None:
    """Submit a task with every repetition a little shorter than it was predicted."""
    made = project.label(task, film)
    for one in made["result"]:
        (span,) = one["value"]["ranges"]
        one["value"]["ranges"] = [{"start": span["start"] + 2, "end": span["end"] - 3}]
    project.api("PATCH", f"annotations/{made['id']}/", result=made["result"])


def _on_page(page: Page, project: Project, task: int, count: int) -> Regions:
    """What the labeling page shows when a task is opened, `count` regions."""
    labeling_page.open_task(page, project.url, project.number, task)
    shown = labeling_page.wait_for_regions(page, count)
    return [(region.start, region.end, region.label) for region in shown]


def _annotation(project: Project, task: int) -> Json:
    (annotation,) = project.api("GET", f"tasks/{task}")["annotations"]
    return dict(annotation)


def _regions(result: list[dict[str, Any]]) -> Regions:
    controls = parse_controls(default_config())
    drawn = [one["value"] for one in result if one["from_name"] == controls.labels]
    return sorted(
        (int(value["ranges"][0]["start"]), int(value["ranges"][0]["end"]), str(value["timelinelabels"][0]))
        for value in drawn
    )
