"""The pages for people: each with content, in words, with links to what its numbers count."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_data import (
    BROKEN,
    DRAWN,
    FEW,
    HTML,
    LOST,
    MARKED,
    MARKUP,
    WAITING,
    fill_videos,
    order,
    page,
    words_of,
)
from flask.testing import FlaskClient

from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.jobs import Store
from backend.web.app import create_app
from pipeline.records import RepScore

PAGES = (
    f"/videos/{MARKED}",
    "/", "/videos", f"/videos/{DRAWN}", f"/videos/{BROKEN}", f"/videos/{WAITING}", "/models", "/models/1/v0001",
    "/models/1/v0001/labels", "/models/1/compare?first=v0001&second=v0002", "/labels", "/labels/repetitions",
    "/quality", "/models/1/compare", "/models/1/v0002/promote", "/models/1/rollback", "/projects/1/train",
    "/projects/1/retry", "/projects/1/rate",
    f"/videos/{LOST}/retry", "/runs/1/cancel",
)  # fmt: skip


def test_the_video_to_label_next_is_one_that_browsers_play(full: FlaskClient) -> None:
    order = full.get("/videos?state=done&labelled=no&order=to-label").text
    assert order.index("nobody.mp4") < order.index("few.mp4")


def test_a_file_that_failed_before_it_had_a_task_is_told_with_the_reason_and_the_remedy(full: FlaskClient) -> None:
    shown = words_of(full.get("/videos").text)
    assert "1 file that deadlift prelabel brought no prediction for" in shown
    assert "--retry-failed" in shown
    assert shown.count("not a readable media file") == 2  # and that of a task, in the list
    assert "Files of archives" not in full.get("/videos?state=done").text


def test_what_browsers_may_not_play_is_told_of_the_video(full: FlaskClient) -> None:
    page = full.get("/videos?issue=codec").text
    assert "MPEG-4 Part 2, which browsers do not play. deadlift prelabel --tasks all --project 1 --playable has" in page


def test_repetitions_that_two_people_labelled_differently_are_listed(full: FlaskClient) -> None:
    page = " ".join(full.get("/labels").text.split())

    assert re.search(r"<small>\d+\.\d to \d+\.\d s: normal for user 3, anomalous for user 4", page)


def test_an_address_without_a_page_is_told_as_a_page(http: FlaskClient) -> None:
    answer = http.get("/vidoes", headers=HTML)
    assert answer.status_code == 404
    assert "<h1>There is no such page</h1>" in answer.text
    assert http.get("/vidoes", headers={"Accept": "application/json"}).is_json


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


def test_what_is_left_of_an_address_leads_somewhere(full: FlaskClient) -> None:
    """Of every page, with each of its last parts cut off, with the slash before them and without."""
    values = {"project": 1, "task": DRAWN, "name": "v0001", "run": 1, "page": "labels"}
    shortened = set()
    for rule in full.application.url_map.iter_rules():
        if rule.endpoint.startswith("dashboard.") and "GET" in (rule.methods or ()) and "assets" not in rule.rule:
            parts = re.sub(r"<(?:[^:>]+:)?(\w+)>", lambda found: str(values[found[1]]), rule.rule).split("/")
            shortened |= {"/".join(parts[:count]) or "/" for count in range(1, len(parts) + 1)}
    assert {"/models/1", "/projects/1", "/videos", "/runs/1", "/quality"} <= shortened
    for address in shortened:
        for slash in ("", "/"):
            answer = full.get(f"{address.rstrip('/')}{slash}" or "/", headers=HTML, follow_redirects=True)
            assert (address, answer.status_code) == (address, 200)


@pytest.mark.parametrize(
    ("address", "leads_to"),
    [
        ("/models/1", "/models?project=1"),
        ("/labels/2/", "/labels?project=2"),
        ("/quality/1", "/quality?project=1"),
        ("/projects/1", "/#project-1"),
        ("/projects", "/"),
        ("/runs/2", "/models?project=2#trainings"),
    ],
)
def test_a_project_in_an_address_leads_to_its_page(full: FlaskClient, address: str, leads_to: str) -> None:
    assert full.get(address, headers=HTML).location == leads_to


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("", ["v0002", "v0001"]),
        ("?first=v0001&second=", ["v0001", "v0002"]),
        ("?first=base&second=base", ["base", "v0002"]),
    ],
)
def test_a_comparison_without_two_models_asks_which(full: FlaskClient, asked: str, chosen: list[str]) -> None:
    shown = page(full, f"/models/1/compare{asked}")
    assert "Choose two different ones" in shown
    assert re.findall(r"<option selected>([^<]+)", shown) == chosen
    assert "no model of its own yet" in page(full, "/models/2/compare")


def test_programs_are_told_where_addresses_are_described(full: FlaskClient) -> None:
    assert "/api/openapi.json" in full.get("/api/models").json["error"]["message"]
    assert full.get("/api").json["openapi"].startswith("3.1")


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


# Videos


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
        ("issue=rounded-back", {"drawn.mp4"}),
        ("labelled=anomalous&annotator=4", {"drawn.mp4"}),
        ("labelled=no&state=done", {"few.mp4", "nobody.mp4"}),
        ("issue=codec", {"few.mp4"}),
        ("issue=variable-rate", {"few.mp4"}),
        ("issue=no-repetitions", {"nobody.mp4"}),
        ("issue=two-lifters", {"few.mp4"}),
        ("issue=cut-short", {"nobody.mp4"}),
        ("issue=duplicate", set()),
        ("copy_of_labelled=yes", set()),
        ("copy_of_labelled=no&labelled=no&state=done", {"few.mp4", "nobody.mp4"}),
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


# Labels and quality


def test_corrections_are_counted_by_who_and_model(full: FlaskClient) -> None:
    shown = words_of(page(full, "/labels"))
    assert "user 3 base-1 1 3 0 1 1 1 60% 30.0 s" in shown
    assert "user 4 base-1 1 4 0 0 0 1 80% 30.0 s" in shown


def test_a_very_short_label_is_to_be_looked_at_again(full: FlaskClient) -> None:
    assert "lasts 0.2 s only" in page(full, "/labels")


def test_tasks_that_the_verdict_on_the_model_in_use_names_are_to_be_looked_at_again(full: FlaskClient) -> None:
    shown = page(full, "/labels")
    assert f"The verdict on v0001 , which is in use, names task {DRAWN} ." in words_of(shown)
    assert f'href="/videos/{DRAWN}?project=1"' in shown.partition("The verdict on")[2].partition("</p>")[0]


def test_scores_are_drawn_with_the_threshold(full: FlaskClient) -> None:
    shown = page(full, "/quality")
    assert 'class="threshold"' in shown
    assert "0.90 to 0.95: 1" in shown
    assert "7 repetitions that could be judged, 1 of them from 0.5 on" in words_of(shown)


def test_backs_that_look_rounded_are_told_in_the_list_of_videos(full: FlaskClient) -> None:
    assert words_of(page(full, "/videos")).count("The back looks rounded in 1.") == 1
