"""Bodies that nobody means well with: large, deep, wide, endless, of text that is none, of numbers beyond bounds."""

from __future__ import annotations

import json
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG
from flask.testing import FlaskClient
from pydantic import SecretStr

from backend.labels.events import store_received_events
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from backend.web.server import listening

FIVE_MB = 5_000_000
START = '{"label_config": ' + json.dumps(CONFIG) + ', "action": "ANY", "project": {"id": 1}, "task": [], '
PLACES = [
    ("/predict", START.replace('{"id": 1}', "1") + '"tasks": [ITEMS]}'),
    ("/webhook", START.replace("ANY", "TASKS_CREATED") + '"tasks": [ITEMS]}'),
    ("/webhook", START.replace("ANY", "TASKS_DELETED") + '"tasks": [ITEMS]}'),
    ("/webhook", START.replace("ANY", "ANNOTATIONS_DELETED") + '"annotations": [ITEMS]}'),
    ("/webhook", START.replace("ANY", "ANNOTATIONS_CREATED") + '"annotation": [ITEMS]}'),
]


def cost_of(client: FlaskClient, path: str, body: bytes) -> tuple[int, float]:
    """The status of the answer, and the megabytes that were needed beside the body."""
    tracemalloc.start()
    try:
        status = client.post(path, data=body).status_code
        return status, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("path", "text"), PLACES)
@pytest.mark.parametrize("item", ["1", "{}", "[[[]]]", '{"id":1}'])
def test_five_megabytes_of_nothing_cost_little(lone_http: FlaskClient, path: str, text: str, item: str) -> None:
    items = ",".join([item] * (FIVE_MB // (len(item) + 1)))
    status, megabytes = cost_of(lone_http, path, text.replace("ITEMS", items).encode())
    assert status == 413
    assert megabytes < 20


@pytest.mark.parametrize(("path", "text"), PLACES[:3:2])
@pytest.mark.parametrize(("item", "count"), [("1", 500_000), ("{}", 240_000)])
def test_what_is_let_through_to_the_last_costs_little(
    lone_http: FlaskClient, path: str, text: str, item: str, count: int
) -> None:
    status, megabytes = cost_of(lone_http, path, text.replace("ITEMS", ",".join([item] * count)).encode())
    assert status == 400
    assert megabytes < 100


def test_a_body_above_the_limit_is_not_read(lone_http: FlaskClient) -> None:
    assert lone_http.post("/webhook", data=b'{"a": "' + b"x" * (16 * 1024 * 1024) + b'"}').status_code == 413


@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_a_deep_body_is_refused(lone_http: FlaskClient, pair: str) -> None:
    middle = len(pair) - 1
    for levels in (100, 900, 100_000):
        text = pair[:middle] * levels + "1" + pair[middle:] * levels
        path, body = PLACES[1]
        body = body.replace("ITEMS", '{"id": 1, "data": {"video": ' + text + "}}")
        assert lone_http.post(path, data=body.encode()).status_code in (400, 413)


def test_a_labeling_config_of_megabytes_is_refused(lone_http: FlaskClient) -> None:
    config = CONFIG.replace("<View>", "<View>" + " " * 1_000_000)
    assert lone_http.post("/setup", json={"project": "1.1", "schema": config}).status_code == 400


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDFFF", b"\xed\xa0\x80", b"\xff"])
@pytest.mark.parametrize(
    ("path", "text"),
    [("/webhook", b'{"action": "%s", "project": {"id": 1}}'),
     ("/webhook", b'{"action": "PROJECT_UPDATED", "project": {"id": 1, "label_config": "%s"}}'),
     ("/webhook", b'{"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": [{"id": 1, "data": {"%s": 1}}]}'),
     ("/setup", b'{"project": "1", "schema": "%s"}'), ("/predict", b'{"project": "1", "label_config": "%s"}')],
)  # fmt: skip
def test_text_that_cannot_be_encoded_is_refused(lone_http: FlaskClient, path: str, text: bytes, half: bytes) -> None:
    assert lone_http.post(path, data=text % half).status_code == 400


def test_characters_beyond_the_first_plane_are_taken(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store
) -> None:
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    event["task"]["data"]["note"] = "\N{WEIGHT LIFTER}"
    assert lone_http.post("/webhook", data=json.dumps(event).encode()).status_code == 200  # written as two halves
    assert store_received_events(store) == {1}


@pytest.mark.parametrize("number", [2**63, 10**30, "9" * 5000])
def test_numbers_beyond_those_of_the_database_are_no_error_of_ours(
    lone_http: FlaskClient, payload: Callable[[str], Any], number: int | str
) -> None:
    assert lone_http.delete(f"/jobs/runs/{number}").status_code == 404
    assert lone_http.get(f"/jobs?project={number}").status_code == 400
    assert lone_http.post("/setup", json={"project": number, "schema": CONFIG}).status_code == 400
    deleted = {"action": "TASKS_DELETED", "project": {"id": 1}, "tasks": [{"id": number}]}
    assert lone_http.post("/webhook", json=deleted).status_code == 400


@pytest.mark.parametrize(
    "odd",
    [{"completed_by": 2**63}, {"completed_by": "\u00b2"}, {"completed_by": {"id": 10**400}}, {"lead_time": 10**400},
     {"created_at": "0001-01-01T00:00:00+10:00", "draft_created_at": "9999-12-31T23:59:59-10:00"}],
)  # fmt: skip
def test_a_label_is_stored_whatever_stands_beside_it(
    lone_http: FlaskClient, payload: Callable[[str], Any], store: Store, odd: dict[str, Any]
) -> None:
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    event["annotation"] |= odd
    assert lone_http.post("/webhook", json=event).status_code == 200
    assert store_received_events(store) == {1}


@pytest.mark.parametrize("number", [2**63, "9" * 5000])
@pytest.mark.parametrize("path", ["/api/videos/{}", "/api/labels/{}", "/videos/{}/skeleton.svg", "/models/{}/base"])
def test_no_address_with_such_a_number_leads_anywhere(lone_http: FlaskClient, path: str, number: int | str) -> None:
    assert lone_http.get(path.format(number)).status_code == 404
    assert lone_http.get(f"/api/quality?project={number}").status_code == 400
    assert lone_http.get(f"/api/videos?text={number}").status_code == 200


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = Settings(
        _env_file=None, data_dir=tmp_path_factory.mktemp("data"), backend_port=0, workers=1, basic_auth_user="coach",
        basic_auth_pass=SecretStr("horse"),
    )  # fmt: skip
    with listening(settings) as running:
        threading.Thread(target=running.server.serve, daemon=True).start()
        yield int(running.url.rpartition(":")[2])


AUTH = "Authorization: Basic Y29hY2g6aG9yc2U="


@pytest.mark.parametrize(
    ("headers", "status"),
    [(["Content-Length: 15000000"], 401), (["Content-Length: 99000000", AUTH], 413),
     (["Transfer-Encoding: chunked", AUTH], 411), (["Transfer-Encoding: chunked"], 401)],
)  # fmt: skip
def test_a_body_that_never_ends_is_not_waited_for(port: int, headers: list[str], status: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=8.0) as connection:
        connection.sendall("\r\n".join(["POST /webhook HTTP/1.1", "Host: localhost", *headers, "", "5"]).encode())
        answer = b"".join(iter(lambda: connection.recv(1000), b""))  # until the server closes the connection
    assert answer.startswith(f"HTTP/1.1 {status}".encode())


def test_the_limit_is_a_setting(lone_service: Any, store: Store, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_request_mb=1)
    client = create_app(settings, lone_service, store).test_client()
    assert client.post("/setup", data=b'{"a": "' + b"x" * (1024 * 1024) + b'"}').status_code == 413
