"""Videos that need a word, in a real Label Studio and browser: one that browsers do not play, one with two lifters, one
with nobody, one that is no video, and one in which a plate hides the legs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import av
import labeling_page
import numpy as np
import project_pages
import pytest
from numpy.typing import NDArray
from places import SHARED
from real_label_studio import PASSWORD, USER, label_studio_script

from backend.labelstudio import task_columns
from backend.labelstudio.format import Task
from backend.labelstudio.task_data import ORIGINAL
from backend.local_labelstudio.demo import running, wait_for_predictions
from backend.local_labelstudio.server import LabelStudioServer
from backend.settings import Settings
from pipeline.synthetic import demo_plan
from pipeline.synthetic.drawing import draw

pytestmark = [pytest.mark.e2e, pytest.mark.long]
HIDDEN = SHARED / "data" / "videos" / "jf9ss9_deadlift.mp4"
_RATE = 15


@dataclass(frozen=True)
class Observed:
    """By the file's name: the task and its prediction; the rows of each tab of the table of tasks, by its title, and
    the titles in order; how wide the page's video is."""

    tasks: dict[str, Task]
    predictions: dict[str, dict[str, Any]]
    titles: list[str]
    tabs: dict[str, list[dict[str, str]]]
    width_px: int

    def files(self, tab: str) -> list[str]:
        """What a tab shows, in its order."""
        return [row[task_columns.FILE] for row in self.tabs[tab]]

    def of(self, key: str, file: str) -> float:
        """A number in a task's data, 0 where it has none."""
        return float(self.tasks[file].data.get(key) or 0)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("odd")
    plan = replace(demo_plan(), fps=_RATE)
    names = ("old.mp4", "two.mp4", "nobody.mp4", "notes.mp4")
    clips = [folder / name for name in names]
    _write(clips[0], islice(draw(plan), 12 * _RATE), "mpeg4")
    _write(clips[1], _beside(plan), "libx264")
    _write(clips[2], repeat(np.zeros((48, 64, 3), np.uint8), 2 * _RATE), "libx264")
    clips[3].write_text("no video")
    clips += [HIDDEN] if HIDDEN.exists() else []
    settings = Settings(_env_file=None, data_dir=folder / "backend", backend_port=0, make_playable=True)
    server = LabelStudioServer(label_studio_script(), folder / "label-studio", 0, username=USER, password=PASSWORD)
    with running(server, settings, clips) as demo:
        found = wait_for_predictions(demo, lambda done, total: None)
        tasks = {task.data[task_columns.FILE]: task for task, _, _ in demo.client.tasks(demo.project)}
        predictions = {tasks_of(tasks, task.id): stored[-1] for task, stored in found if stored}
        with labeling_page.new_page() as page:
            labeling_page.log_in(page, demo.url, USER, PASSWORD)
            titles = project_pages.tab_titles(page, demo.url, demo.project)
            views = demo.client.call("the tabs", "GET", "api/dm/views/", params={"project": demo.project})
            tabs = {
                str(view["data"]["title"]): project_pages.table(page, demo.url, demo.project, view["id"])
                for view in views
            }
            labeling_page.open_task(page, demo.url, demo.project, tasks["old.mp4"].id)
            width = page.evaluate("document.querySelector('video')?.videoWidth ?? 0")
    return Observed(tasks, predictions, titles, tabs, int(width))


def tasks_of(tasks: dict[str, Task], number: int) -> str:
    return next(name for name, task in tasks.items() if task.id == number)


def test_a_video_that_browsers_do_not_play_gets_a_copy_that_the_page_plays(observed: Observed) -> None:
    assert observed.tasks["old.mp4"].data[ORIGINAL].endswith("old.mp4")
    assert observed.width_px > 0


def test_two_lifters_are_told_with_low_confidence(observed: Observed) -> None:
    assert observed.tasks["two.mp4"].data[task_columns.STATE].startswith("two people lift")
    assert observed.predictions["two.mp4"]["score"] <= 0.3


def test_the_table_of_tasks_tells_what_became_of_each_video(observed: Observed) -> None:
    rows = {row[task_columns.FILE]: row for row in observed.tabs["All videos"]}
    assert rows.keys() == observed.tasks.keys()
    for file, row in rows.items():
        data = observed.tasks[file].data
        shown = [key for key in task_columns.COLUMNS if key != task_columns.CONFIDENCE]
        assert [row[key] for key in shown] == [str(data.get(key, "")) for key in shown]
        assert float(row[task_columns.CONFIDENCE] or 0) == observed.of(task_columns.CONFIDENCE, file)
    assert rows["two.mp4"][task_columns.STATE].startswith("two people lift")
    assert rows["nobody.mp4"][task_columns.STATE] == "no repetition: nobody is seen"
    assert rows["notes.mp4"][task_columns.STATE].startswith("failed: notes.mp4")


def test_tabs_show_what_their_titles_say(observed: Observed) -> None:
    assert observed.titles == ["All videos", "Least certain", "Anomalous", "Failed or empty", "Not labelled"]
    certain, odd = observed.files("Least certain"), observed.files("Anomalous")
    assert set(certain) == {file for file in observed.tasks if observed.of(task_columns.REPS, file)}
    assert certain == sorted(certain, key=lambda file: observed.of(task_columns.CONFIDENCE, file))
    assert set(odd) == {file for file in observed.tasks if observed.of(task_columns.ANOMALIES, file)}
    assert odd
    assert set(observed.files("Failed or empty")) == {"nobody.mp4", "notes.mp4"}
    assert set(observed.files("Not labelled")) == observed.tasks.keys()


@pytest.mark.skipif(not HIDDEN.exists(), reason=f"no {HIDDEN}: DEADLIFT_SHARED says where real clips are")
def test_repetitions_with_hidden_legs_are_not_judged(observed: Observed) -> None:
    notes = [
        result["value"]["text"][0]
        for result in observed.predictions[HIDDEN.name]["result"]
        if result["type"] == "textarea"
    ]
    assert any("not judged" in note for note in notes)


def _beside(plan: Any) -> Iterator[NDArray[np.uint8]]:
    """The lifter of a plan, and one who is a second and a half behind."""
    pictures = list(draw(plan))
    late = round(1.5 * _RATE)
    for number, picture in enumerate(pictures):
        yield np.hstack([picture, pictures[max(0, number - late)]])


def _write(path: Path, pictures: Iterator[NDArray[np.uint8]], codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_RATE)
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
