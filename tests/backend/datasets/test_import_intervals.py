"""Intervals of other tools brought into a project: what is stored where, and what is left out and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from label_studio_api import FakeLabelStudio
from labelled_project import LabelledProject
from typer.testing import CliRunner

from backend.cli import app
from backend.datasets.import_intervals import Imported, ImportRequest, import_intervals
from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import parse_controls
from backend.storage.jobs import Store
from pipeline.datasets.intervals import NamedInterval, read_intervals
from pipeline.errors import DatasetError

RATE = 30000 / 1001
CUTS = [NamedInterval(1.0, 2.5, "normal", "a.mp4"), NamedInterval(3.0, 4.0, "Anomalous", "a.mp4")]


def bring(client: LabelStudioClient, *intervals: NamedInterval, **how: Any) -> Imported:
    return import_intervals(client, ImportRequest(1, **how), intervals or CUTS, lambda done, total: None)


def ranges(result: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    values = [one["value"] for one in result]
    return [(v["ranges"][0]["start"], v["ranges"][0]["end"], v["timelinelabels"][0]) for v in values]


@pytest.fixture
def task(label_studio: FakeLabelStudio) -> int:
    return label_studio.add_task("/data/upload/1/0123abcd-a.mp4", fps=10)


def test_a_task_gets_its_intervals_as_one_prediction(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int
) -> None:
    done = bring(client)
    controls = parse_controls(label_studio.label_config)
    (stored,) = label_studio.of_task(task)
    assert ranges(stored["result"]) == [(11, 25, controls.normal), (31, 40, controls.anomalous)]
    assert stored["model_version"] == done.version
    assert (done.intervals, done.tasks, done.already, done.missing) == (2, 1, (), ())


def test_a_repeated_import_stores_nothing_twice(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int
) -> None:
    bring(client)
    done = bring(client)
    assert (done.intervals, done.tasks, done.already) == (0, 0, (task,))
    assert len(label_studio.of_task(task)) == 1


def test_annotations_are_stored_where_there_are_none(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int
) -> None:
    assert bring(client, as_annotations=True).intervals == 2
    assert bring(client, as_annotations=True).already == (task,)
    (annotation,) = label_studio.tasks[task]["annotations"]
    assert [span[:2] for span in ranges(annotation["result"])] == [(11, 25), (31, 40)]
    assert label_studio.of_task(task) == []


@pytest.mark.parametrize(
    "video", ["a.mp4", "file:///C:/films/a.mov", "C:\\films\\a.mp4", "/data/upload/1/0123abcd-a.mp4"]
)
def test_videos_are_known_by_address_or_name(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int, video: str
) -> None:
    assert bring(client, NamedInterval(1.0, 2.0, "normal", video)).tasks == 1


@pytest.mark.parametrize("video", ["lift.avi", "lift.avi-0f1e2d3c-h264.mp4"])
def test_an_uploaded_copy_is_known_by_its_own_name_and_by_that_of_its_original(
    label_studio: FakeLabelStudio, client: LabelStudioClient, video: str
) -> None:
    label_studio.add_task("/data/upload/1/0123abcd-lift.avi-0f1e2d3c-h264.mp4", fps=10)
    assert bring(client, NamedInterval(1.0, 2.0, "normal", video)).tasks == 1


def test_a_name_that_ends_in_a_date_is_its_own(label_studio: FakeLabelStudio, client: LabelStudioClient) -> None:
    names = ("cam.1-20240131-h264.mp4", "cam.1-20240201-h264.mp4")
    tasks = [label_studio.add_task(f"/data/upload/1/0123abcd-{name}", fps=10) for name in names]
    bring(client, NamedInterval(1.0, 2.0, "normal", names[1]))
    assert [len(label_studio.of_task(task)) for task in tasks] == [0, 1]


def test_a_name_of_two_tasks_is_left_out_and_said(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int
) -> None:
    other = label_studio.add_task("/data/upload/1/4567abcd-a.mp4")
    done = bring(client)
    assert done.missing == (("a.mp4", f"tasks {task}, {other} all have it"),)
    assert bring(client, task=other).tasks == 1


def test_an_unknown_task_is_named(client: LabelStudioClient, task: int) -> None:
    with pytest.raises(LabelStudioError, match="has no task 99"):
        bring(client, task=99)


def test_labels_that_mean_nothing_are_named_before_anything_is_stored(
    label_studio: FakeLabelStudio, client: LabelStudioClient, task: int
) -> None:
    bad = NamedInterval(5.0, 6.0, "ugly", "a.mp4")
    with pytest.raises(DatasetError, match="'ugly'"):
        bring(client, *CUTS, bad)
    assert label_studio.of_task(task) == []
    assert bring(client, *CUTS, bad, words={"Ugly": "anomalous"}).intervals == 3


@pytest.mark.parametrize("name", ["elan/squad-1.eaf", "reps.csv"])
def test_what_was_exported_comes_back_to_the_frame(
    store: Store, tmp_path: Path, label_studio: FakeLabelStudio, client: LabelStudioClient, name: str
) -> None:
    project = LabelledProject(store, tmp_path)
    project.add_video(1)
    frames = [(n * 90 + 8, n * 90 + 71) for n in range(3)]
    regions = [
        {**region, "value": {**region["value"], "ranges": [{"start": start, "end": end}]}}
        for region, (start, end) in zip(project.proposed(1), frames, strict=True)
    ]
    project.label(1, *regions, data={"fps": RATE})
    folder = project.export().stored.folder
    number = label_studio.add_task(project.media(1), fps=RATE)
    bring(client, *read_intervals(folder / name))
    (stored,) = label_studio.of_task(number)
    assert [span[:2] for span in ranges(stored["result"])] == frames


# The command


def run(label_studio: FakeLabelStudio, tmp_path: Path, *arguments: object) -> Any:
    variables = {
        "DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.refresh_token,
        "COLUMNS": "100",
    }
    return CliRunner().invoke(app, ["import", *map(str, arguments)], env=variables)


def test_the_command_says_what_was_stored(label_studio: FakeLabelStudio, tmp_path: Path, task: int) -> None:
    (tmp_path / "list.csv").write_text("video,start,end,label\na.mp4,1,2.5,good\na.mp4,3,4,bad\n")
    arguments = (tmp_path / "list.csv", "--project", 1, "--normal", "good", "--anomalous", "bad, worse")
    done = run(label_studio, tmp_path, *arguments)
    assert done.exit_code == 0
    assert "2 of 2 intervals stored as predictions of import-" in done.stdout
    assert "choose import-" in done.stdout
    again = run(label_studio, tmp_path, *arguments)
    assert "1 task left out, which has these predictions already" in again.stdout


def test_the_command_fails_where_a_video_has_no_task(label_studio: FakeLabelStudio, tmp_path: Path, task: int) -> None:
    (tmp_path / "list.csv").write_text("video,start,end,label\nb.mp4,1,2.5,normal\n")
    done = run(label_studio, tmp_path, tmp_path / "list.csv", "--project", 1, "--annotations")
    assert done.exit_code == 1
    assert "b.mp4: no task has it" in done.stderr


def test_a_word_means_one_label(label_studio: FakeLabelStudio, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("start,end,label\n1,2.5,ok\n")
    done = run(label_studio, tmp_path, tmp_path / "list.csv", "--project", 1, "--normal", "ok", "--anomalous", "ok")
    assert done.exit_code == 2


def test_a_list_that_names_no_video_is_of_the_video_with_its_own_name(
    label_studio: FakeLabelStudio, tmp_path: Path, task: int
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("start,end,label\n1,2.5,normal\n")
    assert run(label_studio, tmp_path, tmp_path / "a.csv", "--project", 1).exit_code == 0
    assert "b.csv: no task has it" in run(label_studio, tmp_path, tmp_path / "b.csv", "--project", 1).stderr


def test_several_files_are_predictions_of_one_version(label_studio: FakeLabelStudio, tmp_path: Path, task: int) -> None:
    other = label_studio.add_task("/data/upload/1/0123abcd-b.mp4", fps=10)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("start,end,label\n1,2.5,normal\n")
    done = run(label_studio, tmp_path, tmp_path / "a.csv", tmp_path / "b.csv", "--project", 1)
    assert "2 of 2 intervals stored as predictions of import-" in done.stdout
    versions = {stored["model_version"] for number in (task, other) for stored in label_studio.of_task(number)}
    assert len(versions) == 1
