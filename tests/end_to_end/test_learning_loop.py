"""The learning loop in a real Label Studio, a real browser and our real server: label, train, see, poison, go back.

One run is made and what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import labeling_page
import pytest
from learning_loop import (
    FAULTS,
    FAULTY,
    LATE,
    NAMES,
    SOUND,
    UNLABELLED,
    Observed,
    State,
    live_through,
    project_in,
)
from learning_project import REPS, drawn_film, real_films
from places import SHARED
from real_label_studio import PASSWORD, USER, label_studio_script

from backend.labels.labelled import DrawnRep
from backend.local_labelstudio.server import LabelStudioServer
from pipeline.datasets.frames import to_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("loop")
    seen = Observed()
    shared = SHARED
    real = real_films(shared / "data" / "videos")
    script = label_studio_script()
    numbers = (*SOUND, *FAULTY, UNLABELLED, LATE)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        drawing = [pool.submit(drawn_film, folder, n, FAULTS if n in (*FAULTY, UNLABELLED) else ()) for n in numbers]
        with LabelStudioServer(script, folder / "label-studio", 0, username=USER, password=PASSWORD) as label_studio:
            drawn = dict(zip(numbers, (one.result() for one in drawing), strict=True))
            with project_in(label_studio, folder) as project, labeling_page.new_page() as page:
                labeling_page.log_in(page, project.url, USER, PASSWORD)
                live_through(project, page, drawn, real, seen, folder)
    (folder / "seconds.json").write_text(json.dumps(seen.seconds, indent=1))
    return seen


def test_enough_repetitions_were_labelled(observed: Observed) -> None:
    assert observed.reps >= 25


def test_a_label_corrected_on_the_page_is_known_with_its_origin(observed: Observed) -> None:
    assert observed.relabelled is not None
    region, right = observed.relabelled
    known = _at(observed, region.start, region.end)
    assert (NAMES[known.label], known.origin, known.proposed_by) == (right, "changed", _state(observed.base).setup)


def test_a_boundary_moved_on_the_page_is_known(observed: Observed) -> None:
    assert observed.moved is not None
    region, end = observed.moved
    assert _at(observed, region.start, end).origin == "changed"


def test_untouched_repetitions_are_known_as_such(observed: Observed) -> None:
    assert "untouched" in {rep.origin for rep in observed.on_page}


def test_start_training_answers_before_the_training_is_over(observed: Observed) -> None:
    assert observed.told[0]["state"] in ("queued", "running")


def test_progress_is_told_on_the_way(observed: Observed) -> None:
    percents = [run["percent"] for run in observed.told]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0
    assert len({run["phase"] for run in observed.told if run["phase"]}) > 1


def test_a_training_on_right_labels_is_promoted(observed: Observed) -> None:
    assert observed.good_run["state"] == "done"
    assert observed.good_run["version"] == "v0001"
    assert _state(observed.trained).setup in observed.good_run["message"]


def test_label_studio_is_told_the_new_version(observed: Observed) -> None:
    base, trained = _state(observed.base), _state(observed.trained)
    assert trained.setup != base.setup
    assert trained.shown == trained.setup
    assert trained.setup in observed.predictions_page


def test_the_table_of_tasks_shows_version_and_scores(observed: Observed) -> None:
    base, trained = _state(observed.base), _state(observed.trained)
    assert (base.listed, trained.listed) == (base.setup, trained.setup)
    assert trained.scores == base.scores == observed.tasks


def test_what_was_taught_is_found_in_a_video_that_nobody_labelled(observed: Observed) -> None:
    assert _state(observed.trained).flagged == [False] * (REPS - len(FAULTS)) + [True] * len(FAULTS)


def test_a_label_given_while_the_server_was_away_starts_nothing_alone(observed: Observed) -> None:
    assert observed.runs_before_enough == 1


def test_enough_new_labels_start_a_run_unasked(observed: Observed) -> None:
    assert "newly labelled" in observed.automatic_run["reason"]


def test_the_poisoned_model_is_refused_with_its_reason(observed: Observed) -> None:
    assert observed.automatic_run["version"] == "v0002"
    assert "Not promoted" in observed.automatic_run["message"]
    assert _state(observed.poisoned) == _state(observed.trained)


def test_the_reason_is_printed_with_the_model(observed: Observed) -> None:
    assert observed.automatic_run["message"] in " ".join(observed.printed["models show"].split())


def test_the_refusal_is_printed_with_the_run(observed: Observed) -> None:
    assert "Not promoted" in " ".join(observed.printed["jobs --project"].replace("│", " ").split())


def test_one_command_brings_the_old_version_back(observed: Observed) -> None:
    assert _state(observed.back) == _state(observed.base)


def test_every_step_was_photographed(observed: Observed) -> None:
    assert all(picture.stat().st_size > 20_000 for picture in observed.screenshots)
    assert len(observed.screenshots) == 7


def _state(state: State | None) -> State:
    assert state is not None
    return state


def _at(observed: Observed, start: int, end: int) -> DrawnRep:
    """What is known of the repetition that has these frames on the page."""
    times = pytest.approx(to_seconds(start, end, observed.rate))
    (found,) = [rep for rep in observed.on_page if (rep.start_s, rep.end_s) == times]
    return found
