"""The pages' content as JSON, and its description, which real answers are checked against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

import pytest
from dashboard_data import DRAWN, FEW, WAITING, add_model, fail_files, fill_videos, label
from fakes import FakeExecutor
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from odd_requests import OddRequests

from backend.context import context_of
from backend.labelstudio.format import Task
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.app import create_app
from backend.web.services import services_of
from pipeline.learning.rates import UnseenAtRate

AT = UnseenAtRate(0.05, 0.03, None, 10, 3, 0)
ADDRESSES = {
    "/api/projects": "/api/projects",
    "/api/videos": "/api/videos?project=1&order=newest",
    "/api/videos/{task}": f"/api/videos/{DRAWN}",
    "/api/videos/{task}/landmarks": f"/api/videos/{DRAWN}/landmarks",
    "/api/models/{project}": "/api/models/1",
    "/api/models/{project}/{name}": "/api/models/1/v0001",
    "/api/labels/{project}": "/api/labels/1",
    "/api/labels/{project}/repetitions": "/api/labels/1/repetitions?kind=accepted",
    "/api/quality": "/api/quality?project=1",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A server with something to tell at every address."""
    folder = tmp_path_factory.mktemp("full")
    settings = Settings(data_dir=folder)
    store = Store(settings.database_url)
    service = Preannotator(context_of(settings, store), FakeExecutor(), 0.0)
    client = create_app(settings, service, store).test_client()
    reps = fill_videos(store, folder)
    fail_files(store, [f"/archive/{number}.mp4" for number in range(25)], ": the file is empty.")
    add_model(services_of(client.application).registry, 1, 10, 2, rates=[AT], candidate_auroc=0.6, current_auroc=0.55)
    regions = [(f"rep{n}", rep.start_s, rep.end_s, "normal") for n, rep in enumerate(reps, start=1)]
    label(store, 1, DRAWN, [*regions, ("x", 0.0, 0.2, "normal")])
    label(store, 2, DRAWN, regions[:3], annotator=4)
    Runs(store).request(1, "Start Training")
    yield client
    service.close()
    store.close()


def document(http: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/openapi.json").json
    return found


def validator(described: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": described["components"]})


def test_every_address_is_described(full: FlaskClient) -> None:
    rules = {rule.rule for rule in full.application.url_map.iter_rules() if rule.rule.startswith("/api/")}
    written = {rule.replace("<int:", "{").replace("<", "{").replace(">", "}") for rule in rules}
    assert written - {"/api/openapi.json"} == set(document(full)["paths"]) == set(ADDRESSES)


@pytest.mark.parametrize("path", ADDRESSES)
def test_answers_are_as_described(full: FlaskClient, path: str) -> None:
    described = document(full)
    answer = full.get(ADDRESSES[path])
    assert answer.status_code == 200
    content = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    validator(described, content["schema"]).validate(answer.json)


@pytest.mark.parametrize("task", [FEW, WAITING])
def test_videos_without_landmarks_or_analysis_are_as_described(full: FlaskClient, task: int) -> None:
    described = document(full)
    validator(described, described["components"]["schemas"]["VideoView"]).validate(full.get(f"/api/videos/{task}").json)


@pytest.mark.parametrize("address", ["/api/videos/999", "/api/videos?state=odd", "/api/models/1/v0099"])
def test_errors_are_as_described(full: FlaskClient, address: str) -> None:
    described = document(full)
    answer = full.get(address, headers={"Accept": "text/html"})
    assert answer.status_code in (400, 404)
    validator(described, described["components"]["schemas"]["Error"]).validate(answer.json)


def test_the_schemas_refuse_what_is_no_answer(full: FlaskClient) -> None:
    described = document(full)
    schema = described["components"]["schemas"]["VideosView"]
    assert not validator(described, schema).is_valid({"total": "many"})


def test_schemas_are_schemas(full: FlaskClient) -> None:
    for schema in document(full)["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_landmarks_of_a_lift_are_given_through_time(full: FlaskClient) -> None:
    found = full.get(f"/api/videos/{DRAWN}/landmarks").json
    assert len(found["times"]) == len(found["points"]) > 50
    assert all(len(points) % 2 == 0 for points in found["points"] if points is not None)


def test_a_video_that_only_a_model_of_before_was_to_see_is_begun_anew(lone_http: FlaskClient, store: Store) -> None:
    job = store.job_for(Task(5, 1, {"video": "/a.mp4"}), "/a.mp4", "base-1", "c")
    store.fail_job(job.id, "Superseded", "The model is p1-v0001 now.")
    answer = lone_http.get("/api/videos/5")
    assert (answer.status_code, answer.json["error"]["type"]) == (404, "NotInLabelStudio")


def test_odd_requests_are_no_errors_of_the_server(full: FlaskClient) -> None:
    """benchmarks/fuzz_requests.py sends thousands of them to a started server."""
    rules = [(method, rule.rule) for rule in full.application.url_map.iter_rules() for method in rule.methods or ()]
    failed = []
    for asked in islice(OddRequests(document(full), sorted(rules), seed=3), 300):
        answer = full.open(asked.target, method=asked.method, data=asked.body, headers=asked.headers)
        if answer.status_code >= 500:
            failed.append((asked, answer.text))
    assert failed == []


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../v0001",
        "../1/v0001",
        "%2e%2e%2f1%2fv0001",
        "..%5cv0001",
        "%2e%2e",
        "v0001/../v0001",
        "v0001%00",
        ".",
        "CURRENT",
    ],
)
def test_a_name_of_a_model_leads_to_no_other_folder(full: FlaskClient, name: str) -> None:
    for address in (f"/api/models/1/{name}", f"/models/1/{name}/labels"):
        assert full.get(address, headers={"Accept": "application/json"}).status_code in (404, 308)


def test_rates_of_false_alarms_are_told_with_the_one_in_use(full: FlaskClient) -> None:
    found = full.get("/api/models/1/v0001").json
    assert found["rates"] == [asdict(AT)]
    assert (found["rate"], found["judged_at"]) == ({"rate": 0.05, "chosen_for": "model"}, 0.05)


def test_what_is_said_of_backs_is_given(full: FlaskClient) -> None:
    reps = full.get(f"/api/videos/{DRAWN}").json["reps"]
    assert [rep["back_bow"] for rep in reps] == [None, 0.06, None, None, 0.0]
    assert [rep["back_is_rounded"] for rep in reps] == [False, True, False, False, False]


def test_files_that_failed_before_they_had_a_task_are_told_the_newest_first(full: FlaskClient) -> None:
    found = full.get("/api/videos").json
    assert (found["failed_file_count"], len(found["failed_files"])) == (25, 20)
    first = found["failed_files"][0]
    told = (first["file"], first["address"], first["why"], first["task"])
    assert told == ("24.mp4", "/archive/24.mp4", "the file is empty.", None)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("project=1&state=failed", 25),
        ("text=/1.mp4", 1),
        ("text=IS EMPTY", 25),
        ("project=2", 0),
        ("state=done", 0),
        ("labelled=yes", 0),
        ("issue=codec", 0),
    ],
)
def test_the_filter_holds_for_those_files_as_well(full: FlaskClient, asked: str, count: int) -> None:
    assert full.get(f"/api/videos?{asked}").json["failed_file_count"] == count
