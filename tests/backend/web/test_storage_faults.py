"""A database that cannot be used for a while: requests end in one line with the remedy, and work when that is over."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard_data import add_model
from fakes import CONFIG
from flask.testing import FlaskClient
from pydantic import SecretStr

from backend.labels.events import store_received_events
from backend.labelstudio.records import Access
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from backend.web.services import services_of

Fault = Callable[[Path], Any]
CREATED = "11_webhook_ANNOTATION_CREATED_api"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not end."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


@contextmanager
def full(path: Path) -> Iterator[None]:
    """No file of this process grows any more."""
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backend.sqlite3"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("backend.storage.database._BUSY_S", 0.05)  # instead of half a minute
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture
def http(store: Store, make_service: Callable[..., Preannotator], tmp_path: Path) -> FlaskClient:
    service = make_service(Access("", SecretStr("")))
    service.connect(1, CONFIG)
    return create_app(Settings(_env_file=None, data_dir=tmp_path), service, store).test_client()


@pytest.mark.parametrize(("fault", "remedy"), [(locked, "another process"), (full, "disk")])
def test_an_event_is_refused_with_the_remedy_and_taken_afterwards(
    http: FlaskClient, store: Store, path: Path, payload: Callable[[str], Any], caplog: pytest.LogCaptureFixture,
    fault: Fault, remedy: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    missed: list[bool] = []
    monkeypatch.setattr(services_of(http.application).trainer, "events_missed", lambda: missed.append(True))
    with fault(path):
        answer = http.post("/webhook", json=payload(CREATED))
    assert (answer.status_code, answer.json["error"]["type"]) == (503, "StorageFault")
    assert remedy in answer.json["error"]["message"]
    assert [record for record in caplog.records if record.exc_info] == []
    assert missed == [True]
    assert http.post("/webhook", json=payload(CREATED)).status_code == 200
    assert store_received_events(store) == {1}


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CONSTRAINT])
def test_a_database_that_is_damaged_meanwhile_is_told_from_a_mistake_of_ours(
    http: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def damaged(*_: object) -> None:
        error = sqlite3.DatabaseError("odd")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(store.events, "receive", damaged)
    event = {"action": "ANNOTATIONS_DELETED", "project": {"id": 1}, "annotations": [{"id": 1}]}
    answer = http.post("/webhook", json=event)
    is_damage = code == sqlite3.SQLITE_CORRUPT
    assert (answer.status_code, "the database is damaged" in answer.text) == (
        (503, True) if is_damage else (500, False)
    )


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 503), (errno.EBADF, 500)])
def test_a_full_disk_is_told_where_no_file_is_named(http: FlaskClient, number: int, status: int) -> None:
    app = http.application
    with app.test_request_context("/jobs"):
        answer = app.make_response(app.handle_user_exception(OSError(number, os.strerror(number))))
    assert (answer.status_code, "Make room" in answer.get_data(as_text=True)) == (status, status == 503)


def test_a_model_that_cannot_be_put_in_use_says_why(http: FlaskClient, tmp_path: Path) -> None:
    registry = services_of(http.application).registry
    name = add_model(registry, 1, 9, 1)
    (registry.root / "1" / "CURRENT").mkdir()  # in place of the file
    with http.session_transaction() as session:
        session["csrf_token"] = "t"
    answer = http.post(f"/models/1/{name}/promote", data={"csrf_token": "t"}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "CURRENT" in answer.text


@pytest.mark.parametrize("fault", [locked, full])
def test_a_page_says_what_is_wrong_with_the_database(http: FlaskClient, path: Path, fault: Fault) -> None:
    http.post(
        "/predict", json={"tasks": [{"id": 1, "data": {"video": "/a.mp4"}}], "project": 1, "label_config": CONFIG}
    )
    form = {"csrf_token": "t"}
    with http.session_transaction() as session:
        session["csrf_token"] = "t"
    with fault(path):
        answer = http.post("/projects/1/train", data=form, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The database:" in answer.text
    assert http.post("/projects/1/train", data=form).status_code == 303
