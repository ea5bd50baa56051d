"""An exported dataset opened by the libraries that it is for, in an environment of their own.

Each finds the same repetitions to the frame, and the same landmarks to a hundredth of a pixel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_project import RATE, LabelledProject
from video_files import grey, write_video

from backend.datasets import export as export_module
from backend.storage.jobs import Store
from pipeline.datasets.coco import KEYPOINTS, picture_name
from pipeline.datasets.landmarks import around, read_landmarks
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.landmarks import INDEX, LANDMARKS
from pipeline.records import Pose

pytestmark = pytest.mark.e2e

PACKAGES = (
    "datasets==5.2.0",
    "polars==2.1.0",
    "pycocotools==2.0.11",
    "supervision==0.31.2",
    "datumaro==1.13.12",
    "movement==0.15.0",
    "sleap-io==0.9.5",
    "fiftyone==1.22.1",
    "pympi-ling==1.71",
    "webvtt-py==0.6.0",
)
READERS = Path(__file__).parents[1] / "support" / "dataset_readers.py"
NEAR_PX = 0.01

Read = Callable[[str], Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four videos with pictures of their poses; their file is grey pictures of the poses' size."""
    place = tmp_path_factory.mktemp("readers")
    store = Store(f"sqlite:///{place / 'backend.sqlite3'}")
    project = LabelledProject(store, place)
    for task in range(1, 5):
        project.add_video(task, reps=2)
        project.label(task)
    size = (project.analyses[1].video.width, project.analyses[1].video.height)
    times = [n / 10 for n in range(300)]
    video = write_video(place / "grey.mp4", times=times, size=size, draw=lambda n, w, h: grey(n % 30, w, h))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export_module.MediaFetcher, "fetch", lambda *_: video)
        done = project.export(frames=True)
    store.close()
    return done.stored.folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the readers; DEADLIFT_READERS names an environment that has them already."""
    ready = os.environ.get("DEADLIFT_READERS")
    place = Path(ready) if ready else tmp_path_factory.mktemp("environment")
    program = place / "bin" / "python"
    if not ready:
        venv.create(place, with_pip=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return program


@pytest.fixture
def read(python: Path, folder: Path, tmp_path: Path) -> Read:
    """What a reader finds in the dataset."""

    def run(reader: str) -> Any:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        done = subprocess.run(
            [python, READERS, reader, folder],
            cwd=tmp_path,
            env=clean | {"HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    return run


def repetitions(folder: Path) -> dict[str, list[Any]]:
    return {row.rep: [row.start_frame, row.end_frame, row.label] for row in rows_of(folder)}


def within(folder: Path, row: ExportedRep) -> Pose:
    """The poses of a repetition alone."""
    pose, rep = read_landmarks(folder / row.files["landmarks"])
    part = around(pose, rep.start_s, rep.end_s, margin_s=0.0)
    assert len(part.time)
    return part


@pytest.mark.parametrize("reader", ["polars", "pandas", "fiftyone"])
def test_repetitions_are_the_same_to_the_frame(read: Read, folder: Path, reader: str) -> None:
    assert read(reader) == repetitions(folder)


def test_hugging_face_has_them_by_split(read: Read, folder: Path) -> None:
    wanted: dict[str, dict[str, list[Any]]] = {}
    for row in rows_of(folder):
        wanted.setdefault(row.split, {})[row.rep] = [row.start_frame, row.end_frame, row.label]
    assert read("datasets") == wanted


@pytest.mark.parametrize("reader", ["pympi", "webvtt"])
def test_intervals_are_the_same_to_the_millisecond(read: Read, folder: Path, reader: str) -> None:
    wanted: dict[str, list[list[Any]]] = {}
    for row in rows_of(folder):
        wanted.setdefault(row.name, []).append([round(row.start_s * 1000), round(row.end_s * 1000), row.label])
    assert read(reader) == wanted


def coco_points(folder: Path) -> dict[str, Any]:
    columns = [INDEX[name] for name in KEYPOINTS]
    return {
        picture_name(row, time_s): image[columns]
        for row in rows_of(folder)
        for part in [within(folder, row)]
        for time_s, image in zip(part.time, part.image, strict=True)
        if row.start_s <= time_s < row.end_s
    }


@pytest.mark.parametrize("reader", ["pycocotools", "datumaro"])
def test_keypoints_are_the_same_landmarks(read: Read, folder: Path, reader: str) -> None:
    found, wanted = read(reader), coco_points(folder)
    assert found.keys() == wanted.keys()
    for name, points in wanted.items():
        np.testing.assert_allclose(found[name], points, atol=NEAR_PX)


def test_supervision_has_every_picture_of_a_split_with_its_box(read: Read, folder: Path) -> None:
    count = len(list((folder / "images" / "train").iterdir()))
    assert read("supervision") == [count, count] != [0, 0]


def test_sleap_io_reads_coco_with_its_pictures(read: Read, folder: Path) -> None:
    found = read("sleap_io_coco")
    wanted = [points for name, points in coco_points(folder).items() if (folder / "images" / "train" / name).exists()]
    assert len(found) == len(wanted) > 0
    pose, _ = read_landmarks(folder / next(rows_of(folder)).files["landmarks"])
    assert {tuple(shape) for shape, _ in found} == {(pose.height, pose.width)}
    np.testing.assert_allclose([points for _, points in found], wanted, atol=NEAR_PX)


def test_sleap_io_reads_the_landmarks_of_every_frame(read: Read, folder: Path) -> None:
    found = read("sleap_io")
    wanted: dict[str, dict[str, Any]] = {}
    for row in rows_of(folder):
        part = within(folder, row)
        for time_s, image in zip(part.time, part.image, strict=True):
            if time_s < row.end_s:
                wanted.setdefault(row.name, {}).setdefault(str(round(time_s * RATE)), image)
    assert found.keys() == wanted.keys()
    for name, (nodes, frames) in found.items():
        assert nodes == list(LANDMARKS)
        assert frames.keys() == wanted[name].keys()
        for number, image in wanted[name].items():
            np.testing.assert_allclose(frames[number], image, atol=NEAR_PX)


def test_movement_reads_the_landmarks_of_every_repetition(read: Read, folder: Path) -> None:
    found = read("movement")
    assert found.keys() == repetitions(folder).keys()
    for row in rows_of(folder):
        part = within(folder, row)
        inside = part.time < row.end_s
        times, names, values = found[row.rep]
        assert names == list(LANDMARKS)
        np.testing.assert_array_equal(times, part.time[inside])
        np.testing.assert_allclose(values, part.image[inside], atol=NEAR_PX)


def test_movement_reads_sleap_files(read: Read) -> None:
    assert read("movement_of_sleap") == list(LANDMARKS)
