"""The pages for people: each with content, in words, with links to what its numbers count."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dashboard_data import BROKEN, DRAWN, FEW, LOST, NONE, RATE, WAITING, add_model, fill_videos, label, media
from fakes import CONFIG, FakeExecutor
from flask.testing import FlaskClient

from backend.context import context_of
from backend.labelstudio.records import Task
from backend.labelstudio.requests import Fault
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.storage.setups import note_refused
from backend.web.app import create_app
from backend.web.dashboard.words import as_unusual
from backend.web.services import services_of
from pipeline.learning.rates import UnseenAtRate
from pipeline.records import RepScore

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MARKUP = "<i>marked"
MARKED = 99
COPY = 98
"""A task with the file of the drawn one."""
PAGES = (
    f"/videos/{MARKED}",
    "/", "/videos", f"/videos/{DRAWN}", f"/videos/{BROKEN}", f"/videos/{WAITING}", "/models", "/models/1/v0001",
    "/models/1/v0001/labels", "/models/1/compare?first=v0001&second=v0002", "/labels", "/labels/repetitions",
    "/quality", "/models/1/v0002/promote", "/models/1/rollback", "/projects/1/train", "/projects/1/retry",
    "/projects/1/rate",
    f"/videos/{LOST}/retry", "/runs/1/cancel",
)  # fmt: skip


def test_the_video_to_label_next_is_one_that_browsers_play(full: FlaskClient) -> None:
    order = full.get("/videos?state=done&labelled=no&order=to-label").text
    assert order.index("nobody.mp4") < order.index("few.mp4")


def test_what_browsers_may_not_play_is_told_of_the_video(full: FlaskClient) -> None:
    page = full.get("/videos?issue=codec").text
    assert "MPEG-4 Part 2, which browsers do not play. deadlift prelabel --tasks all --project 1 --playable has" in page


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


def test_repetitions_that_two_people_labelled_differently_are_listed(full: FlaskClient) -> None:
    page = " ".join(full.get("/labels").text.split())

    assert re.search(r"<small>\d+\.\d to \d+\.\d s: normal for user 3, anomalous for user 4", page)


def test_faults_that_people_ticked_stand_beside_the_reason(full: FlaskClient) -> None:
    row = re.search(r"<tr><th[^>]*>Rounded back</th>(.*?)</tr>", full.get("/labels").text, re.DOTALL)
    assert row is not None
    assert re.findall(r">(\d+)<", row[1]) == ["1", "1", "0", "0", "0"]
    shown = full.get(f"/videos/{DRAWN}").text
    assert "user 4 ticked Rounded back, Hitching: the same as the fault that the model named, Rounded back." in shown


@pytest.mark.parametrize("address", ["/models/1/v0001", "/projects/1/rate"])
def test_what_rates_of_false_alarms_come_to_is_shown_with_the_one_in_use(full: FlaskClient, address: str) -> None:
    shown = words_of(full.get(address).text)
    assert "5 % in use 3% of 10 in 3 videos unknown of 0 10 % 20% of 10 in 3 videos unknown of 0" in shown
    assert "Too few to tell rates apart" in shown


def test_a_model_of_an_earlier_release_says_that_rates_were_not_measured(full: FlaskClient) -> None:
    assert "Not measured on videos of this project" in full.get("/models/1/v0002").text


def test_an_address_without_a_page_is_told_as_a_page(http: FlaskClient) -> None:
    answer = http.get("/vidoes", headers=HTML)
    assert answer.status_code == 404
    assert "<h1>There is no such page</h1>" in answer.text
    assert http.get("/vidoes", headers={"Accept": "application/json"}).is_json


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A server with something on every page, for tests that only look."""
    folder = tmp_path_factory.mktemp("full")
    settings = Settings(data_dir=folder, label_studio_host="http://labels.example")
    store = Store(settings.database_url)
    service = Preannotator(context_of(settings, store), FakeExecutor(), 0.0)
    client = create_app(settings, service, store).test_client()
    reps = fill_videos(store, folder)
    registry = services_of(client.application).registry
    add_model(
        registry, 1, 10, 2, rates=[UnseenAtRate(0.05, 0.03, None, 10, 3, 0), UnseenAtRate(0.1, 0.2, None, 10, 3, 0)]
    )
    earlier = {"earlier_normals": 20.0, "earlier_anomalies": 13.0}
    earlier |= {"earlier_candidate_misses": 1.0, "earlier_current_misses": 0.23}
    refused = "Not promoted: false alarms rise from 5% to 20%. " + MARKUP
    add_model(registry, 2, 200, 60, passed=False, reason=refused, **earlier)
    registry.promote(1, "v0001")
    regions = [(f"rep{n}", rep.start_s, rep.end_s, "normal") for n, rep in enumerate(reps, start=1)]
    label(store, 1, DRAWN, [*regions[:4], ("x", 0.0, 0.2, "anomalous")])
    faults = {"rep4": ["Rounded back", "Hitching"]}
    label(store, 2, DRAWN, [*regions[:3], (*regions[3][:3], "anomalous")], annotator=4, faults=faults)
    job = store.job_for(Task(MARKED, 1, {"video": MARKUP}), MARKUP, MARKUP, "c")
    store.fail_job(job.id, "NotAVideo", MARKUP)
    Runs(store).request(1, "Start Training")
    Runs(store).finish(Runs(store).request(2, MARKUP).id, "failed", MARKUP)
    note_refused(store.engine, 3, MARKUP)
    yield client
    service.close()
    store.close()


def page(http: FlaskClient, address: str = "/") -> str:
    answer = http.get(address, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


def words_of(text: str) -> str:
    """The text of a page without tags, each stretch of space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


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


# All of them


@pytest.mark.parametrize("address", PAGES)
def test_no_page_has_script_or_style_of_its_own(full: FlaskClient, address: str) -> None:
    shown = page(full, address)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", shown)


@pytest.mark.parametrize("address", PAGES)
def test_markup_in_names_is_text(full: FlaskClient, address: str) -> None:
    assert MARKUP not in page(full, address)


def test_names_with_markup_are_shown(full: FlaskClient) -> None:
    for address in ("/", "/videos", f"/videos/{MARKED}"):
        assert "&lt;i&gt;marked" in page(full, address)


def test_links_of_the_pages_lead_somewhere(full: FlaskClient) -> None:
    texts = [page(full, address) for address in PAGES]
    targets = {found.replace("&amp;", "&") for text in texts for found in re.findall(r'(?:href|src)="(/[^"#]*)', text)}
    assert len(targets) > 80
    failed = {target: full.get(target, headers=HTML).status_code for target in targets}
    assert {target: status for target, status in failed.items() if status != 200} == {}


@pytest.mark.parametrize("address", PAGES)
def test_forms_that_change_something_have_the_field_against_forgery(
    full: FlaskClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(full.application.jinja_env.globals, "csrf_field", lambda: "the-field")
    shown = page(full, address)
    assert shown.count('method="post"') == shown.count("the-field")


def test_programs_are_told_the_health(lone_http: FlaskClient) -> None:
    assert lone_http.get("/", headers={"Accept": "*/*"}).json["status"] == "UP"


@pytest.mark.parametrize("address", ["/", "/models", "/labels"])
def test_without_a_project_it_says_how_to_connect_one(lone_service: Preannotator, tmp_path: Path, address: str) -> None:
    empty = Store(f"sqlite:///{tmp_path}/empty.db")
    assert "No project is connected yet" in page(create_app(Settings(), lone_service, empty).test_client(), address)


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/videos/999", 404, "No video of a task 999"),
        ("/models/1/v0099", 404, "has no model v0099"),
        ("/videos?state=odd", 400, "Expected one of queued, running, done, failed for state, got odd."),
        ("/videos?project=abc", 400, "Expected a whole number for project"),
        ("/videos?project=99999999999999999999", 400, "Expected a whole number for project"),
        ("/videos?score=2-3", 400, "Expected two numbers in 0..1"),
        ("/runs/99/cancel", 404, "no run 99"),
        ("/projects/99/train", 404, "Project 99 is not connected"),
    ],
)
def test_what_cannot_be_shown_says_why(full: FlaskClient, address: str, status: int, said: str) -> None:
    answer = full.get(address, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert said in answer.text


@pytest.mark.parametrize("address", ["/models/1/v0002", "/models/1/compare?first=v0001&second=v0002"])
def test_a_model_that_was_judged_by_the_earlier_labels_too_shows_those_figures(full: FlaskClient, address: str) -> None:
    shown = words_of(page(full, address))
    assert re.search(r"Missed anomalies by the earlier labels 100% [^a-z]*to 100% 23%", shown)
    assert "judged with 2 anomalous repetitions" in shown
    assert "Each video judged by models made without it" in shown
    said = "made of these videos as well: of 2 repetitions that people called anomalous it flags 1 (before: 2)."
    assert said in shown


def test_repetitions_that_could_not_be_judged_are_counted_with_their_videos(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path, unjudged=4)
    assert "1 repetition that could not be judged, in 1 video" in words_of(page(http, "/quality"))
    scores = (RepScore(0.5, 1.0, 0.0, reliable=False),) * 2
    job = next(job for job in store.jobs() if job.task == FEW)
    store.finish_job(job.id, dump_analysis(replace(load_analysis(job.result), scores=scores)))
    assert "3 repetitions that could not be judged, in 2 videos" in words_of(page(http, "/quality"))
    assert http.get("/api/quality").json["unjudged"] == 3
    assert set(order(page(http, "/videos?issue=not-judged"))) == {"drawn.mp4", "few.mp4"}


# Projects


def test_the_model_in_use_is_named(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    assert services_of(lone_http.application).registry.current(1).version in page(lone_http)


def test_videos_are_counted_by_state(full: FlaskClient) -> None:
    shown = words_of(page(full))
    assert all(count in shown for count in ("3 videos analyzed", "1 waiting", "3 failed", "3 labelled normal"))


def test_labels_are_counted_until_the_next_training(lone_http: FlaskClient, store: Store) -> None:
    store.remember_project(1, CONFIG)
    said = "0 of 20 repetitions labelled normal since the last training: a training begins by itself after 20 more."
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
    assert f"Label next: drawn.mp4 (task {DRAWN}), of which the model is least sure (0.60)" in words_of(page(http))
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


# Videos


def order(shown: str) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)', shown)


def test_the_least_certain_video_comes_first(full: FlaskClient) -> None:
    assert order(page(full, "/videos"))[:3] == ["few.mp4", "drawn.mp4", "nobody.mp4"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("state=failed", {"notes.mp4", "lost.mp4", "&lt;i&gt;marked"}),
        ("text=dra", {"drawn.mp4"}),
        ("text=13", {"nobody.mp4"}),
        ("text=%25", set()),
        ("project=2", set()),
        ("anomalous=yes", {"drawn.mp4"}),
        ("score=0.90-0.95", {"drawn.mp4"}),
        ("confidence=0.95-1.00", {"nobody.mp4"}),
        ("labelled=yes", {"drawn.mp4"}),
        ("labelled=anomalous&annotator=4", {"drawn.mp4"}),
        ("labelled=no&state=done", {"few.mp4", "nobody.mp4"}),
        ("issue=codec", {"few.mp4"}),
        ("issue=variable-rate", {"few.mp4"}),
        ("issue=no-repetitions", {"nobody.mp4"}),
        ("issue=two-lifters", {"few.mp4"}),
        ("issue=duplicate", set()),
        ("model=other", set()),
    ],
)
def test_videos_are_filtered(full: FlaskClient, asked: str, found: set[str]) -> None:
    assert set(order(page(full, f"/videos?{asked}"))) == found


@pytest.mark.parametrize("address", ["/videos", "/quality"])
def test_what_confidence_is_of_is_said_where_it_is_shown(full: FlaskClient, address: str) -> None:
    assert "Confidence is the lower of two things" in words_of(page(full, address))


def test_a_failure_is_shown_with_its_reason(full: FlaskClient) -> None:
    assert "not a readable media file &lt;script&gt;." in page(full, "/videos?state=failed")


def test_only_a_passing_failure_can_be_tried_again(full: FlaskClient) -> None:
    shown = page(full, "/videos?state=failed")
    assert re.findall(r'href="/videos/(\d+)/retry', shown) == [str(LOST)]


# One video


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
    assert "At most 50 of 100 normal repetitions are at least as unusual." in page(full, f"/videos/{DRAWN}")
    said = [as_unusual(share) for share in (1 - 1e-12, 0.051, 1 / 22, 0.01, 0.001)]
    assert said == [
        "Normal repetitions are as unusual as this one.",
        "At most 6 of 100 normal repetitions are at least as unusual.",
        "At most 5 of 100 normal repetitions are at least as unusual.",  # none of the 21 that are known
        "At most 1 of 100 normal repetitions is at least as unusual.",
        "Fewer than 1 of 100 normal repetitions are at least as unusual.",
    ]


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


# Models


def test_few_repetitions_are_too_few_to_tell(full: FlaskClient) -> None:
    shown = words_of(page(full, "/models"))
    assert "too few to tell Judged on 10 normal and 2 anomalous repetitions of unseen videos: too few" in shown
    assert "passed" not in shown


def test_a_model_that_was_not_promoted_says_why(full: FlaskClient) -> None:
    assert "not promoted False alarms rise from 5% to 20%." in words_of(page(full, "/models"))


def test_figures_have_their_number_and_interval(full: FlaskClient) -> None:
    shown = words_of(page(full, "/models/1/v0001"))
    assert "False alarms 10% 2% to 40% 10% 2% to 40% 10 normal repetitions" in shown


@pytest.mark.parametrize("address", ["/models/1/v0001", "/models/1/compare?first=v0001&second=v0002"])
def test_the_two_ways_of_counting_false_alarms_are_told(full: FlaskClient, address: str) -> None:
    figures, _, rates = words_of(page(full, address)).partition("False alarms are counted in two ways")
    assert ("10 normal repetitions" in figures, "Nominal rate False alarms" in rates) == (True, True)
    assert "in two ways" not in page(full, "/models/1/v0002"), "it has no table of rates"


def test_a_loss_curve_is_drawn(full: FlaskClient) -> None:
    assert "Loss over 2 epochs, from 0.5 to 0.25; on held-out videos 0.5 at the end" in page(full, "/models/1/v0001")


def test_a_curve_leaves_out_the_videos_among_the_labels_of_the_model(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    (one, two, *_) = fill_videos(store, tmp_path)
    registry = services_of(http.application).registry
    version = registry.version(1, add_model(registry, 1, 10, 2)).model.version
    for number, (name, task) in enumerate((("drawn", DRAWN), ("few", FEW), ("copy", COPY)), start=1):
        known = next(job for job in store.jobs() if job.task == (FEW if task == FEW else DRAWN) and job.result)
        again = store.job_for(Task(task, 1, {"video": media(name), "fps": RATE}), media(name), version, "c")
        store.finish_job(again.id, known.result)
        store.mark_pushed(again.id, 2000 + task)
        regions = [("rep1", one.start_s, one.end_s, "normal"), ("rep2", two.start_s, two.end_s, "anomalous")]
        label(store, number, task, regions, parent_prediction=2000 + task)
    folder = registry.root / "1" / "v0001"
    (folder / "labels.json").write_text("[]")
    shown = words_of(page(http, "/models/1/v0001"))
    assert "3 repetitions that they called normal, 3 that they called anomalous" in shown
    # Neither that task counts any more, nor the other one with the same file.
    (folder / "labels.json").write_text(json.dumps([{"task": DRAWN, "media_digest": "ab" * 32, "label": "normal"}]))
    shown = words_of(page(http, "/models/1/v0001"))
    assert "1 repetition that they called normal, 1 that they called anomalous" in shown


@pytest.mark.parametrize("names", ["first=v0001&second=base", "first=base&second=v0001"])
def test_base_stands_beside_a_model_with_what_it_was_judged_by(full: FlaskClient, names: str) -> None:
    shown = words_of(page(full, f"/models/1/compare?{names}"))
    assert "base has learnt from no labels of this project." in shown
    assert "By the labels of v0001, when that was judged" in shown
    assert re.search(r"Figure base n False alarms 10% 2% to 40% 10 normal repetitions", shown)
    assert not any(untrue in shown for untrue in ("different labels", "No figures are stored"))


def test_a_model_that_was_not_judged_beside_base_says_what_does_so(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    folder = services_of(http.application).registry.root / "1" / "v0001"
    add_model(services_of(http.application).registry, 1, 10, 2)
    run = json.loads((folder / "run.json").read_text()) | {"parent_name": "v0000"}
    (folder / "run.json").write_text(json.dumps(run))
    shown = words_of(page(http, "/models/1/compare?first=v0001&second=base"))
    assert "deadlift models compare base v0001 --project 1 judges it by the labels of v0001." in shown


def test_two_models_with_other_labels_are_not_called_comparable(full: FlaskClient) -> None:
    assert "judged by, different labels" in page(full, "/models/1/compare?first=v0001&second=v0002")


# Labels and quality


def test_corrections_are_counted_by_who_and_model(full: FlaskClient) -> None:
    shown = words_of(page(full, "/labels"))
    assert "user 3 base-1 1 3 0 1 1 1 60% 30.0 s" in shown
    assert "user 4 base-1 1 4 0 0 0 1 80% 30.0 s" in shown


def test_a_very_short_label_is_to_be_looked_at_again(full: FlaskClient) -> None:
    assert "lasts 0.2 s only" in page(full, "/labels")


def test_scores_are_drawn_with_the_threshold(full: FlaskClient) -> None:
    shown = page(full, "/quality")
    assert 'class="threshold"' in shown
    assert "0.90 to 0.95: 1" in shown
    assert "7 repetitions that could be judged, 1 of them from 0.5 on" in words_of(shown)
