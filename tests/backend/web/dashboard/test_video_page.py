"""The page of one video: its repetitions, what people called them, its drawings and predictions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dashboard_data import DRAWN, FEW, HTML, NONE, WAITING, fill_videos, label, order, page, words_of
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.labelstudio.records import Task
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.jobs import Store
from backend.web.dashboard.words import ORIGINS, as_unusual
from backend.web.services import services_of
from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.versions import percent
from pipeline.records import Origin


@pytest.mark.parametrize("has_copy", [True, False])
def test_a_video_whose_copy_is_played_says_so_beside_its_codec(
    http: FlaskClient, store: Store, tmp_path: Path, has_copy: bool
) -> None:
    fill_videos(store, tmp_path)
    job = next(job for job in store.jobs() if job.task == DRAWN)
    found = load_analysis(job.result)
    video = replace(found.video, codec="mpeg4", has_playable_copy=has_copy)
    store.finish_job(job.id, dump_analysis(replace(found, video=video)))
    assert ("mpeg4 (a copy in H.264 is played)" in page(http, f"/videos/{DRAWN}")) is has_copy


def test_faults_that_people_ticked_stand_beside_the_reason(full: FlaskClient) -> None:
    row = re.search(r"<tr><th[^>]*>Rounded back</th>(.*?)</tr>", full.get("/labels").text, re.DOTALL)
    assert row is not None
    assert re.findall(r">(\d+)<", row[1]) == ["1", "1", "0", "0", "0"]
    shown = full.get(f"/videos/{DRAWN}").text
    assert "user 4 ticked Rounded back, Hitching: the same as the fault that the model named, Rounded back." in shown


def test_a_video_shows_its_repetitions_with_their_curve(full: FlaskClient) -> None:
    shown = page(full, f"/videos/{DRAWN}")
    assert len(re.findall(r'<rect class="rep ', shown)) == 5
    assert "Repetition 4: anomalous, 0.92" in shown
    assert "<polyline" in shown


def test_a_repetition_that_could_not_be_judged_is_no_anomaly(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    reps = fill_videos(store, tmp_path, unjudged=4)
    label(store, 1, DRAWN, [("rep4", reps[3].start_s, reps[3].end_s, "normal")])
    shown = words_of(page(http, f"/videos/{DRAWN}"))
    assert "5 repetitions, 0 anomalous" in shown
    assert "Repetition 4: could not be judged" in shown
    assert "user 3 called it normal." in shown
    (fourth,) = (one for one in http.get(f"/api/videos/{DRAWN}").json["reps"] if one["number"] == 4)
    assert (fourth["label"], fourth["reasons"], fourth["flagged_by"]) == ("normal", [], [])
    assert order(page(http, "/videos?anomalous=yes")) == []


@pytest.mark.parametrize(("labelled", "said"), [(False, "was stored"), (True, "stored")])
def test_a_prediction_that_a_label_began_with_is_in_label_studio_still(
    http: FlaskClient, store: Store, tmp_path: Path, labelled: bool, said: str
) -> None:
    reps = fill_videos(store, tmp_path)
    first = next(job for job in store.jobs() if job.task == DRAWN)
    if labelled:
        label(store, 1, DRAWN, [("rep1", reps[0].start_s, reps[0].end_s, "normal")], created_at="2026-01-02T00:00:00Z")
    task = Task(DRAWN, 1, {"video": first.media})
    later = store.job_for(task, first.media, "p1-v0001-0badc0de", "c")
    store.finish_job(later.id, first.result)
    store.mark_pushed(later.id, 77)
    told = http.get(f"/api/videos/{DRAWN}").json
    assert dict(zip([one["model_version"] for one in told["predictions"]], told["stored"], strict=True)) == {
        first.model_version: said, later.model_version: "stored",
    }  # fmt: skip
    assert (">was stored<" in page(http, f"/videos/{DRAWN}")) == (said == "was stored")


def test_a_tick_that_stayed_on_a_repetition_called_normal_is_no_agreement(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    rep = fill_videos(store, tmp_path)[3]
    label(store, 1, DRAWN, [("rep4", rep.start_s, rep.end_s, "normal")], faults={"rep4": ["Rounded back"]})
    shown = words_of(page(http, f"/videos/{DRAWN}"))
    assert "user 3 left Rounded back ticked on a repetition called normal." in shown
    assert "the same as the fault" not in shown


def test_how_rare_a_repetition_is_is_said_in_words(full: FlaskClient) -> None:
    shown = words_of(page(full, f"/videos/{DRAWN}"))
    assert "Little stands out in it." in shown
    assert shown.count("Most unusual:") == 4, "not of the plainly normal one, where it reads as a fault"
    said = [as_unusual(0.9, share, True, None) for share in (0.051, 1 / 22, 0.01, 0.001)]
    assert [text.removeprefix("Of 100 normal repetitions ") for text in said] == [
        "at most 6 would be this unusual.",
        "at most 5 would be this unusual.",  # none of the 21 that are known
        "at most 1 would be this unusual.",
        "fewer than 1 would be this unusual.",
    ]


@pytest.mark.parametrize(
    ("p_value", "is_anomaly", "said"),
    [
        (1 / 60, True, "Of 100 normal repetitions at most 2 would have joint angles this unusual. Flagged at a {}"),
        (1 / 19, True, "Flagged at a {}"),  # with 18 known ones no share is lower
        (1 / 19, False, "Not flagged at a {}"),
        (1 / 40, False, "Not flagged at a {}"),
    ],
)
def test_how_rare_a_repetition_is_goes_with_the_decision(p_value: float, is_anomaly: bool, said: str) -> None:
    by: tuple[Origin, ...] = ("posture",) if is_anomaly else ()
    because = f", by {ORIGINS['posture']}" if is_anomaly else ""
    found = as_unusual(0.6 if is_anomaly else 0.4, p_value, is_anomaly, 0.05, by)
    assert found == said.format(f"nominal rate of false alarms of 5 %{because}.")


def test_of_two_repetitions_the_one_with_the_higher_score_is_not_called_more_usual() -> None:
    """Each was found unusual beside repetitions of its own, by another finding."""
    lower, higher = as_unusual(0.19, 0.24, False, 0.05), as_unusual(0.23, 0.46, False, 0.05)
    assert (lower, higher) == (
        "Little stands out in it.", "Not flagged at a nominal rate of false alarms of 5 %.",
    )  # fmt: skip


@given(
    videos=st.lists(st.lists(st.floats(0.5, 2.0, width=32), min_size=1, max_size=12), min_size=1, max_size=12),
    distance=st.floats(0.25, 4.0),
    rate=st.sampled_from([0.01, 0.025, 0.05, 0.1, 0.2, 0.5]),
    tests=st.sampled_from([1, 2]),
)
@settings(deadline=None)
def test_no_decision_is_contradicted_by_how_rare_a_repetition_is(
    videos: list[list[float]], distance: float, rate: float, tests: int
) -> None:
    groups = [str(number) for number, of_video in enumerate(videos) for _ in of_video]
    known = calibrate(np.array([one for of_video in videos for one in of_video]), groups, rate / tests)
    score = known.score(distance)
    p_value, is_anomaly = min(1.0, tests * known.p_value(distance)), score >= 0.5
    said = as_unusual(score, p_value, is_anomaly, rate)
    found = re.search(r"at most (\d+) would", said)
    if found is not None:
        assert is_anomaly
        assert 100 * p_value - 1e-6 <= int(found[1]) <= 100 * rate, "a bound"
    assert ("Not flagged" in said or "Little" in said) == (not is_anomaly)
    assert not is_anomaly or said.endswith(f"Flagged at a nominal rate of false alarms of {percent(rate)} %.")


def test_the_rate_that_a_video_was_judged_at_is_on_its_page(http: FlaskClient, store: Store, tmp_path: Path) -> None:
    fill_videos(store, tmp_path)
    services_of(http.application).registry.choose_rate(1, 0.1)
    first = next(job for job in store.jobs() if job.task == DRAWN)
    task, version = Task(DRAWN, 1, {"video": first.media}), services_of(http.application).registry.current(1).version
    store.finish_job(store.job_for(task, first.media, version, "c").id, first.result)
    assert http.get(f"/api/videos/{DRAWN}").json["rate"] == 0.1
    assert "Flagged at a nominal rate of false alarms of 10 %." in page(http, f"/videos/{DRAWN}")


def test_a_repetition_whose_back_looks_rounded_is_not_said_to_have_nothing(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    (job,) = (one for one in store.jobs() if one.task == DRAWN)
    found = load_analysis(job.result)
    scores = (found.scores[0], replace(found.scores[1], score=0.05), *found.scores[2:])
    store.finish_job(job.id, dump_analysis(replace(found, scores=scores)))
    shown = words_of(page(http, f"/videos/{DRAWN}"))
    assert shown.count("Little stands out in it.") == 1, "of the first one"
    assert "The back looks rounded." in shown


def test_a_back_that_looks_rounded_is_told_of_its_repetition(full: FlaskClient) -> None:
    shown = page(full, f"/videos/{DRAWN}")
    assert shown.count("The back looks rounded.") == 1
    assert 'id="rep-2"' in shown.partition("The back looks rounded.")[0]
    assert 'id="rep-3"' in shown.partition("The back looks rounded.")[2]


def test_a_repetition_stands_beside_the_most_normal_one(full: FlaskClient) -> None:
    assert "The most normal one, repetition 1" in page(full, f"/videos/{DRAWN}")


def test_a_skeleton_is_drawn_at_lockout(full: FlaskClient) -> None:
    drawn = full.get(f"/videos/{DRAWN}/skeleton.svg")
    assert drawn.mimetype == "image/svg+xml"
    assert drawn.text.count("<line") > 10


def test_the_picture_of_a_repetition_that_could_not_be_judged_has_no_colour(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path, unjudged=4)
    encoded = np.frombuffer(http.get(f"/videos/{DRAWN}/motion.png").data, np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR).astype(int)
    has_colour = [bool(np.ptp(rows, axis=-1).any()) for rows in np.split(picture, 5)]
    assert has_colour == [True, True, True, False, True]


def test_the_picture_of_motion_has_all_repetitions(full: FlaskClient) -> None:
    drawn = full.get(f"/videos/{DRAWN}/motion.png")
    height = int.from_bytes(drawn.data[20:24], "big")
    assert (drawn.mimetype, height) == ("image/png", 45 * 5)


def test_without_landmarks_a_video_is_shown_without_drawings(full: FlaskClient) -> None:
    assert "No curve or skeleton" in page(full, f"/videos/{FEW}")
    assert full.get(f"/videos/{FEW}/motion.png", headers=HTML).status_code == 404


def test_a_video_that_waits_is_shown(full: FlaskClient) -> None:
    assert "It is analyzed as soon as those before it are." in page(full, f"/videos/{WAITING}")


def test_a_video_without_repetitions_says_so(full: FlaskClient) -> None:
    assert "No repetition: nobody is seen." in page(full, f"/videos/{NONE}")
