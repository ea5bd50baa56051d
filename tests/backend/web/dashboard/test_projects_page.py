"""The first page: each project with its videos, its model, its trainings, and the video to label next."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_data import (
    DRAWN,
    FEW,
    NONE,
    add_model,
    fill_videos,
    label,
    media,
    order,
    page,
    words_of,
)
from fakes import CONFIG, VERSION, WITH_THIRD_LABEL
from flask.testing import FlaskClient

from backend.labelstudio.format import Task
from backend.labelstudio.requests import Fault
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.services import services_of


def test_the_last_training_beside_another_model_in_use_says_which_is(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    runs = Runs(store)
    run = runs.request(1, "Start Training")
    runs.begin()
    runs.finish(run.id, "done", "p1-v0001 was put in use.", "v0001")
    assert "In use now: base, not v0001." in words_of(page(lone_http))


def test_a_label_studio_that_answers_nobody_is_told_without_asking_it(
    http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = services_of(http.application).context.client
    monkeypatch.setattr(client, "fault", Fault("It answered 401. <b>Check LABEL_STUDIO_API_KEY.", now()))
    shown = page(http)
    assert "Label Studio does not answer. It answered 401. &lt;b&gt;Check LABEL_STUDIO_API_KEY." in words_of(shown)
    assert http.get("/api/projects").json["silence"]["reason"].startswith("It answered 401.")
    monkeypatch.setattr(client, "fault", None)
    assert "does not answer" not in page(http)


def test_a_damaged_model_is_told_with_the_one_that_judges(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    fill_videos(store, tmp_path)
    registry = services_of(http.application).registry
    add_model(registry, 1, 10, 2)
    registry.promote(1, "v0001")
    assert "cannot be used" not in page(http)
    (registry.root / "1" / "v0001" / "weights.safetensors").write_bytes(b"torn")
    shown = words_of(page(http))
    assert "The model v0001 cannot be used." in shown
    assert "the weights do not belong to model.json" in shown
    assert f"until then {registry.fallback.version} judges" in shown


def test_the_model_in_use_is_named(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    assert services_of(lone_http.application).registry.current(1).version in page(lone_http)


def test_who_put_a_model_in_use_that_did_not_pass_is_told(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    fill_videos(store, tmp_path)
    registry = services_of(http.application).registry
    for number, passed in ((1, True), (2, False)):
        registry.promote(1, add_model(registry, number, 10, 2, passed=passed, reason="More false alarms."))
        assert ("p1-v0002-0badc0de , chosen by a person." in words_of(page(http))) is not passed


def test_videos_are_counted_by_state(full: FlaskClient) -> None:
    shown = words_of(page(full))
    counts = ("3 videos analyzed", "1 waiting", "4 failed", "3 labelled normal")
    assert [count for count in counts if count not in shown] == []


def test_labels_are_counted_until_the_next_training(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    said = "0 repetitions labelled normal since the last training; at 20 a training begins by itself."
    assert said in words_of(page(lone_http))


def test_a_training_shows_its_progress_in_words(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    runs = Runs(store)
    runs.request(1, "Start Training")
    running = runs.begin()
    assert running is not None
    runs.note(running.id, "fit", 62.0, 3, 0.125)
    shown = page(lone_http)
    said = ('value="62.0"', "learning what normal repetitions look like, 62 %", "round 3", "loss 0.1250")
    assert all(word in shown for word in said)


def test_the_video_to_label_next_is_one_with_repetitions(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path)
    shown = words_of(page(http))
    assert f"Label next: drawn.mp4 (task {DRAWN}), of which the model is least sure (0.60)" in shown
    passed_over = "Passed over, however uncertain: 1 in which no repetition was found , 1 that browsers do not play ."
    assert passed_over in shown
    label(store, 1, DRAWN, [("rep1", reps[0].start_s, reps[0].end_s, "normal")])
    shown = words_of(page(http))
    assert "Label next" not in shown
    assert "Every analyzed video with repetitions that browsers play is labelled." in shown
    assert "Nobody has looked at 1 in which no repetition was found ." in shown
    assert "1 that browsers do not play cannot be labelled yet." in shown
    label(store, 2, FEW, [("x", 1.0, 2.0, "normal")])
    assert "Every analyzed video with repetitions is labelled. Nobody has looked at 1" in words_of(page(http))
    label(store, 3, NONE, [])
    assert "Every analyzed video is labelled." in words_of(page(http))
    store.finish_job(store.job_for(Task(20, 1, {"video": media("torn")}), media("torn"), VERSION, "c").id, "torn")
    shown = words_of(page(http))
    assert "Every analyzed video with repetitions is labelled. Of 1 the stored result cannot be read" in shown


def test_a_copy_of_a_labelled_video_is_not_the_one_to_label_next(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    copy = store.job_for(Task(20, 1, {"video": media("copy")}), media("copy"), VERSION, "c")
    store.finish_job(copy.id, store.latest_result(DRAWN, media("drawn")))
    assert "Label next: copy.mp4 (task 20)" in words_of(page(http))
    label(store, 1, DRAWN, [])
    shown = words_of(page(http))
    assert "Label next" not in shown
    assert "Every analyzed video with repetitions that browsers play is labelled, or a copy of a labelled one." in shown
    assert "1 is a copy of labelled ones : one of equal files is enough." in shown
    store.labels.delete_annotations([1])
    assert "Label next: copy.mp4 (task 20)" in words_of(page(http))


def test_lists_of_what_is_not_offered_to_be_labelled_have_as_many_as_said(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    drawn, other = load_analysis(store.latest_result(DRAWN, media("drawn"))), "cd" * 32
    for task, digest in ((20, drawn.media_digest), (21, other), (22, other)):  # those two equal each other alone
        job = store.job_for(Task(task, 1, {"video": media(f"{task}")}), media(f"{task}"), VERSION, "c")
        store.finish_job(job.id, dump_analysis(replace(drawn, media_digest=digest)))
    label(store, 1, DRAWN, [])
    assert _listed(http) == {"no-repetitions": (1, 1), "codec": (1, 1), "copy_of_labelled": (1, 1)}  # while one is next
    label(store, 2, 21, [])
    assert "Label next" not in words_of(page(http))
    assert _listed(http) == {"no-repetitions": (1, 1), "codec": (1, 1), "copy_of_labelled": (2, 2)}


def _listed(http: FlaskClient) -> dict[str, tuple[int, int]]:
    """Of each list of unlabelled videos that the first page links to by a number: this, and how many it has."""
    found = {}
    for link, number in re.findall(r'href="([^"]*labelled=no[^"]*)">(\d+) ', page(http)):
        address = html.unescape(link)
        kind = "copy_of_labelled" if "copy_of_labelled=yes" in address else address.partition("issue=")[2]
        found[kind] = int(number), len(order(page(http, address)))
    return found


def test_labels_that_are_not_used_are_told(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    fill_videos(store, tmp_path)
    assert "are not used" not in page(http)
    store.remember_project(1, WITH_THIRD_LABEL)
    assert "Regions labelled Unsure are not used" in words_of(page(http))
