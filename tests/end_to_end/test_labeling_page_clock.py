"""The pictures that Label Studio's page shows at our times, of files whose clock or picture needs care.

A clip whose first picture comes late (HumanSignal/label-studio#4714), one with pixels that are no squares, and one that
is stored mirrored. Every picture of the clips tells its number, which is read from photographs of the page in a real
browser. One run is made and what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import labeling_page
import numpy as np
import pytest
from learning_project import Project, until
from numbered_clips import RATE, Clip, anamorphic_clip, late_clip, lift, mirrored_clip, numbered, read_number
from numpy.typing import NDArray
from playwright.sync_api import Page
from real_label_studio import PASSWORD, USER, beside_label_studio
from server_process import ServerProcess

from backend.labels.labelled import LabelledVideo
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config
from backend.local_labelstudio.demo import BACKEND_TITLE
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
from pipeline.datasets.frames import to_frames
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.media import reading
from pipeline.records import Analysis

pytestmark = pytest.mark.e2e

NAMES = ("late", "late with sound", "anamorphic", "mirrored")
DRAWN = (25, 50)
"""First and last frame of what is drawn by hand, before the first repetition."""
POSE_S = 0.15
"""How far a boundary of the analysis may be from the drawn lifter's; far less than the late clips' start."""
ALIKE = 6.0
"""Mean difference of two photographs of one picture, in levels of 255; a mirrored one differs by 15 and more."""


@dataclass
class Observed:
    """What happened to one clip. times: of the pictures by our reader, by number. predicted: frames of the regions.

    shown: the number of the picture that the page shows at a frame. picture: photographed at the first region's start.
    drawn: the region drawn by hand; stored: first and last frame of it in Label Studio.
    """

    clip: Clip
    times: list[float]
    analysis: Analysis
    predicted: list[tuple[int, int]]
    shown: dict[int, int] = field(default_factory=dict)
    at_selection: list[int] = field(default_factory=list)
    picture: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 1, 3), np.uint8))
    drawn: labeling_page.Region | None = None
    stored: tuple[int, int] = (0, 0)
    labels: LabelledVideo | None = None
    rows: list[ExportedRep] = field(default_factory=list)

    def number_at(self, time_s: float) -> int:
        """The number of the picture that is on at a time, by our reader."""
        return bisect_right(self.times, time_s + 1e-6) - 1


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder, plan = tmp_path_factory.mktemp("clips"), lift()
    pictures = numbered(plan)
    made = (
        late_clip(pictures, plan, folder / "late.mp4"),
        late_clip(pictures, plan, folder / "late-with-sound.mp4", sound=True),
        anamorphic_clip(pictures, plan, folder / "anamorphic.mp4"),
        mirrored_clip(pictures, plan, folder / "mirrored.mp4"),
    )
    return dict(zip(NAMES, made, strict=True))


@pytest.fixture(scope="module")
def all_observed(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, Clip]) -> dict[str, Observed]:
    folder = tmp_path_factory.mktemp("clock")
    with beside_label_studio(folder) as (server, client, url):
        return _live_through(server, client, url, clips, folder)


@pytest.fixture(params=NAMES)
def observed(request: pytest.FixtureRequest, all_observed: dict[str, Observed]) -> Observed:
    return all_observed[request.param]


def _live_through(
    server: ServerProcess, client: LabelStudioClient, url: str, clips: dict[str, Clip], folder: Path
) -> dict[str, Observed]:
    number = client.create_project("Clock", default_config())
    client.connect_backend(number, server.url, BACKEND_TITLE)
    project = Project(number, url, client, server, default_config())
    for clip in clips.values():
        client.upload(number, clip.path)
    until(lambda: len(project.versions()) == len(clips) and all(project.versions().values()))
    analyses = _analyses(server, number)
    tasks = {
        name: task.id
        for task, _, _ in client.tasks(number)
        for name, clip in clips.items()
        if str(task.data["video"]).endswith(f"-{clip.path.name}")
    }
    found = {}
    with labeling_page.new_page() as page:
        labeling_page.log_in(page, url, USER, PASSWORD)
        for name, clip in clips.items():
            task = tasks[name]
            (prediction,) = client.predictions(task)
            seen = Observed(clip, _times_by_number(clip.path), analyses[task], _ranges(prediction["result"]))
            labeling_page.open_task(page, url, number, task)
            _look(page, seen, folder / f"{name}.png")
            seen.drawn = labeling_page.draw_region(page, "Anomalous rep", *DRAWN)
            for frame in DRAWN:
                labeling_page.go_to_frame(page, frame)
                seen.shown[frame] = read_number(labeling_page.shown_picture(page))
            submitted = labeling_page.submit(page)
            (seen.stored,) = _ranges([one for one in submitted["result"] if one["id"] == seen.drawn.id])
            found[name] = seen
    until(lambda: len(project.known_labels()) == len(clips))
    out = folder / "out"
    server.deadlift("export", "--project", str(number), "--out", str(out))
    for name, seen in found.items():
        (seen.labels,) = (video for video in project.known_labels() if video.task == tasks[name])
        seen.rows = [row for row in rows_of(out / "v0001") if row.task == tasks[name]]
    project.close()
    return found


def _look(page: Page, seen: Observed, photograph: Path) -> None:
    """Select every region, and go to its last frame and that of the lockout, as somebody does who checks them."""
    for region in labeling_page.wait_for_regions(page, len(seen.predicted)):
        labeling_page.select(page, region.id)
        picture = labeling_page.shown_picture(page)
        seen.at_selection.append(read_number(picture))
        if len(seen.at_selection) == 1:
            seen.picture = picture
            labeling_page.screenshot(page, photograph)
    for start, end, lockout in zip(*zip(*seen.predicted, strict=True), _lockout_frames(seen), strict=True):
        for frame in (start, lockout, end):
            labeling_page.go_to_frame(page, frame)
            seen.shown[frame] = read_number(labeling_page.shown_picture(page))


def test_the_page_goes_to_the_picture_at_which_the_analysis_begins_a_repetition(observed: Observed) -> None:
    assert observed.at_selection == [observed.number_at(rep.start_s) for rep in observed.analysis.reps]


def test_first_lockout_and_last_frame_show_the_pictures_of_the_analysis(observed: Observed) -> None:
    reps = observed.analysis.reps
    wanted = [(rep.start_s, rep.top_s, rep.end_s - 1e-5) for rep in reps]  # the end is not part of it
    assert _shown_of(observed) == [[observed.number_at(time_s) for time_s in times] for times in wanted]


def test_they_show_what_the_drawn_lifter_does_then(observed: Observed) -> None:
    found = [[number / RATE + observed.clip.start_s for number in numbers] for numbers in _shown_of(observed)]
    assert found == [pytest.approx(rep, abs=POSE_S + 1 / RATE) for rep in observed.clip.reps]


def test_the_page_shows_the_shape_that_the_analysis_took(observed: Observed) -> None:
    height, width = observed.picture.shape[:2]
    video = observed.analysis.video
    assert width / height == pytest.approx(video.width / video.height, rel=0.01)


def test_the_page_shows_the_picture_that_the_analysis_took(observed: Observed) -> None:
    size = (observed.picture.shape[1], observed.picture.shape[0])
    start_s = observed.times[observed.at_selection[0]]
    ((_, taken),) = reading.frames(observed.clip.path, between=(start_s - 1e-3, start_s + 1e-3))
    ours = cv2.resize(taken, size, interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(observed.picture - ours).mean() < ALIKE < np.abs(observed.picture[:, ::-1] - ours).mean()


def test_what_is_drawn_is_stored_as_the_frames_under_the_mouse(observed: Observed) -> None:
    assert observed.drawn is not None
    assert (observed.drawn.start, observed.drawn.end) == observed.stored == DRAWN


def test_what_is_drawn_comes_back_at_the_times_of_its_pictures(observed: Observed) -> None:
    assert observed.labels is not None
    (rep,) = (one for one in observed.labels.reps if one.origin == "manual")
    assert (rep.start_s, rep.end_s) == pytest.approx(_drawn_s(observed), abs=1 / RATE)


def test_the_rest_comes_back_at_the_times_of_the_analysis(observed: Observed) -> None:
    assert observed.labels is not None
    found = [(one.start_s, one.end_s) for one in observed.labels.reps if one.origin == "untouched"]
    assert found == [pytest.approx((rep.start_s, rep.end_s), abs=1 / RATE) for rep in observed.analysis.reps]


def test_an_export_has_the_times_of_the_pictures(observed: Observed) -> None:
    found = [(row.start_s, row.end_s) for row in observed.rows]
    wanted = [_drawn_s(observed), *((rep.start_s, rep.end_s) for rep in observed.analysis.reps)]
    assert found == [pytest.approx(times, abs=1 / RATE) for times in wanted]


def _drawn_s(observed: Observed) -> tuple[float, float]:
    """[start, end) seconds, by our reader, of the pictures that the page showed at the drawn region's ends."""
    first, last = (observed.shown[frame] for frame in DRAWN)
    return observed.times[first], observed.times[last] + 1 / RATE


def _shown_of(observed: Observed) -> list[list[int]]:
    """The numbers shown at first, lockout and last frame of every region."""
    return [
        [observed.shown[frame] for frame in (start, lockout, end)]
        for (start, end), lockout in zip(observed.predicted, _lockout_frames(observed), strict=True)
    ]


def _lockout_frames(observed: Observed) -> list[int]:
    return [to_frames(rep.top_s, rep.top_s, RATE, 1e6)[0] for rep in observed.analysis.reps]


def _ranges(result: list[dict[str, Any]]) -> list[tuple[int, int]]:
    spans = [one["value"]["ranges"][0] for one in result if one["type"] == "timelinelabels"]
    return sorted((int(span["start"]), int(span["end"])) for span in spans)


def _times_by_number(path: Path) -> list[float]:
    """When our reader has each picture; they are all there and in order."""
    found = [(read_number(picture), time_s) for time_s, picture in reading.frames(path)]
    assert [number for number, _ in found] == list(range(len(found)))
    return [time_s for _, time_s in found]


def _analyses(server: ServerProcess, project: int) -> dict[int, Analysis]:
    store = Store(f"sqlite:///{server.data_dir / 'backend.sqlite3'}")
    try:
        return {job.task: load_analysis(str(job.result)) for job in store.jobs(project)}
    finally:
        store.close()
