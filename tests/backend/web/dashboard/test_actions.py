"""What people can change on the pages: asked first, done by POST alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_data import BROKEN, DRAWN, LOST, RATE, add_model, fill_videos, media
from fakes import VERSION, analysis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.labelstudio.format import Task
from backend.models.registry import Registry
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.services import services_of


@pytest.fixture
def registry(lone_http: FlaskClient, store: Store, tmp_path: Path) -> Registry:
    fill_videos(store, tmp_path)
    found = services_of(lone_http.application).registry
    add_model(found, 1, 10, 2)
    return found


def choose(http: FlaskClient, project: int = 1, **fields: str) -> TestResponse:
    """The form of the rate, sent as its page sends it."""
    with http.session_transaction() as session:
        session["csrf_token"] = "t"
    fields["csrf_token"] = "t"
    return http.post(f"/projects/{project}/rate", data=fields, headers={"Accept": "text/html"})


def state(store: Store, task: int) -> str:
    return next(job.state for job in store.jobs() if job.task == task)


def test_looking_at_a_question_changes_nothing(lone_http: FlaskClient, registry: Registry, store: Store) -> None:
    for address in ("/models/1/v0001/promote", f"/videos/{LOST}/retry", "/projects/1/retry", "/projects/1/train"):
        assert lone_http.get(address).status_code == 200
    assert registry.current_name(1) == "base"
    assert state(store, LOST) == "failed"
    assert Runs(store).runs() == []


def test_a_promotion_warns_where_nothing_shows_that_it_is_better(lone_http: FlaskClient, registry: Registry) -> None:
    assert "too few to tell" in lone_http.get("/models/1/v0001/promote").text


def test_a_promotion_warns_of_a_better_model_that_may_guess(lone_http: FlaskClient, registry: Registry) -> None:
    better = {"candidate_misses": 0.1, "current_auroc": 0.5}
    for number, auroc in ((2, 0.54), (3, 0.9)):
        add_model(registry, number, 200, 60, candidate_auroc=auroc, **better)
    assert "better than chance would" in lone_http.get("/models/1/v0002/promote").text
    assert "better than chance would" not in lone_http.get("/models/1/v0003/promote").text


def test_a_model_is_promoted_and_rolled_back(lone_http: FlaskClient, registry: Registry) -> None:
    answer = lone_http.post("/models/1/v0001/promote")
    assert (answer.status_code, answer.location) == (303, "/models?done=promoted&project=1")
    assert registry.current_name(1) == "v0001"
    lone_http.post("/models/1/rollback")
    assert registry.current_name(1) == "base"


def test_after_a_roll_back_a_video_is_shown_by_the_model_in_use_again(
    lone_http: FlaskClient, registry: Registry, store: Store
) -> None:
    add_model(registry, 2, 10, 2)
    task, versions = Task(DRAWN, 1, {"video": media("drawn"), "fps": RATE}), []
    for name, scores in (("v0001", (0.1, 0.2, 0.9)), ("v0002", (0.9,))):
        lone_http.post(f"/models/1/{name}/promote")
        versions.append(registry.current(1).version)
        job = store.job_for(task, media("drawn"), versions[-1], "c")
        store.finish_job(job.id, dump_analysis(analysis(scores)))
    earlier, newer = versions
    assert lone_http.get(f"/api/videos/{DRAWN}").json["shown"] == newer
    lone_http.post("/models/1/rollback")
    found = lone_http.get(f"/api/videos/{DRAWN}").json
    assert (found["shown"], found["line"]["model_version"], len(found["reps"])) == (earlier, earlier, 3)
    assert [one["model_version"] for one in found["predictions"]] == [newer, earlier, VERSION]
    listed = {one["task"]: one for one in lone_http.get("/api/videos").json["videos"]}[DRAWN]
    assert (listed["model_version"], listed["reps"]) == (earlier, 3)


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("/models/1/v0001/promote", "v0001"),
        ("/models/1/rollback", "base"),
        ("/projects/1/rate", "v0001 at that rate"),
    ],
)
def test_what_labelled_videos_keep_is_said_before_a_change(
    lone_http: FlaskClient, registry: Registry, address: str, model: str
) -> None:
    registry.promote(1, "v0001")
    shown = lone_http.get(address).text
    assert f"Videos that people labelled keep their predictions. One by {model} comes beside them" in shown
    assert "(deadlift_anomalies, deadlift_confidence, deadlift_model) stay" in shown


def test_where_nothing_was_before_nothing_is_rolled_back(lone_http: FlaskClient, registry: Registry) -> None:
    assert lone_http.post("/models/1/rollback").status_code == 404
    assert "nothing to go back to" in lone_http.get("/models/1/rollback").text


def test_a_training_is_asked_for_and_ended(lone_http: FlaskClient, registry: Registry, store: Store) -> None:
    lone_http.post("/projects/1/train")
    (run,) = Runs(store).runs()
    assert "End training" in lone_http.get(f"/runs/{run.id}/cancel").text
    lone_http.post(f"/runs/{run.id}/cancel")
    assert Runs(store).run(run.id).state == "cancelled"


def test_a_training_of_nothing_new_is_told_before_it_is_asked_for(
    lone_http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "That takes minutes" in lone_http.get("/projects/1/train").text
    since = "Nothing has changed since v0001: it was made of exactly these labels"
    monkeypatch.setattr(services_of(lone_http.application).trainer, "nothing_new", lambda project: since)
    shown = lone_http.get("/projects/1/train").text
    assert since in shown
    assert "ends at once where there are none" in shown
    assert "That takes minutes" not in shown


def test_a_training_that_somebody_ended_is_not_offered_to_be_ended_again(lone_http: FlaskClient, store: Store) -> None:
    runs = Runs(store)
    run = runs.request(1, "the dashboard")
    runs.begin()
    page = "/models?project=1"
    assert "End it" in lone_http.get(page).text
    assert "going on</span>, asked for by the dashboard" in lone_http.get(page).text
    runs.cancel(run.id)
    assert "ending</span>" in lone_http.get(page).text
    assert "End it" not in lone_http.get(page).text


def test_a_video_is_tried_again(lone_http: FlaskClient, registry: Registry, store: Store) -> None:
    assert lone_http.post(f"/videos/{LOST}/retry").location == f"/videos/{LOST}?done=retried&project=1"
    assert state(store, LOST) == "queued"


def test_a_video_that_cannot_be_read_is_not(lone_http: FlaskClient, registry: Registry, store: Store) -> None:
    assert "done=nothing" in (lone_http.post(f"/videos/{BROKEN}/retry").location or "")
    assert state(store, BROKEN) == "failed"


def test_all_passing_failures_of_a_project_are_tried_again(
    lone_http: FlaskClient, registry: Registry, store: Store
) -> None:
    lone_http.post("/projects/1/retry")
    assert (state(store, LOST), state(store, BROKEN)) == ("queued", "failed")


def test_a_rate_of_false_alarms_is_chosen_and_given_up(lone_http: FlaskClient, registry: Registry) -> None:
    assert "5 %, what the model was made for" in lone_http.get("/projects/1/rate").text
    assert registry.chosen_rate(1) is None  # looking at it changes nothing
    answer = choose(lone_http, percent="2.5")
    assert (answer.status_code, answer.location) == (303, "/models?done=rate&project=1")
    assert registry.rate(1) == 0.025
    assert 'value="2.5"' in lone_http.get("/projects/1/rate").text
    assert lone_http.get("/health").json["model_version"] == VERSION
    assert lone_http.get("/api/projects").json["projects"][0]["model"].endswith("-at-2.5%")
    choose(lone_http, percent=" ")
    assert registry.chosen_rate(1) is None


@pytest.mark.parametrize("given", ["0.9", "50.1", "nan", "-5"])
def test_a_rate_out_of_range_is_refused_with_the_range(lone_http: FlaskClient, registry: Registry, given: str) -> None:
    answer = choose(lone_http, percent=given)
    assert (answer.status_code, "Expected 1 to 50 %" in answer.text) == (400, True)
    assert registry.chosen_rate(1) is None


def test_a_rate_that_is_no_number_is_refused(lone_http: FlaskClient, registry: Registry) -> None:
    answer = choose(lone_http, percent="few")
    assert (answer.status_code, "got few" in answer.text) == (400, True)
    registry.choose_rate(1, 0.1)
    assert lone_http.post("/projects/1/rate").status_code == 400
    assert registry.rate(1) == 0.1


def test_a_project_that_is_not_connected_has_no_rate_to_choose(lone_http: FlaskClient, registry: Registry) -> None:
    assert choose(lone_http, 99, percent="5").status_code == 404
    assert registry.chosen_rate(99) is None
