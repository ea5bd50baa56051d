"""Who gets in: every route without credentials, other sites' pages, foreign host names, wrong passwords, cookies."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION
from flask.testing import FlaskClient
from pydantic import SecretStr
from werkzeug.test import TestResponse

from backend.labelstudio.format import Task
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.web.app import create_app, with_own_secrets
from backend.web.attempts import Attempts

USER, PASSWORD = "coach", "correct horse"
BASIC = (USER, PASSWORD)
HTML = {"Accept": "text/html"}
SETUP = {"project": "1.1", "schema": CONFIG}
OPEN = {"/health", "/assets/1"}


def guarded(data_dir: Path, **other: Any) -> Settings:
    return Settings(
        _env_file=None, data_dir=data_dir, basic_auth_user=USER, basic_auth_pass=SecretStr(PASSWORD), **other
    )


@pytest.fixture
def locked(lone_service: Preannotator, store: Store, tmp_path: Path) -> FlaskClient:
    """A client of a server that asks for a user and password."""
    return create_app(guarded(tmp_path), lone_service, store).test_client()


def every_route() -> list[tuple[str, str]]:
    """Method and address of every route that the application has, whoever added it."""
    app = create_app(Settings(_env_file=None), *_no_services())
    found = []
    for rule in app.url_map.iter_rules():
        address = re.sub(r"<[^<>]+>", "1", rule.rule)
        found += [(method, address) for method in sorted(rule.methods or ()) if address not in OPEN]
    return sorted(found)


def _no_services() -> tuple[Any, Any]:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: []

    return Nothing(), Store("sqlite://")


@pytest.mark.parametrize(("method", "address"), every_route())
def test_a_route_without_credentials_is_closed(locked: FlaskClient, method: str, address: str) -> None:
    assert locked.open(address, method=method).status_code == 401
    assert locked.open(address, method=method, auth=(USER, "wrong")).status_code == 401
    assert locked.open(address, method=method, headers={WEBHOOK_HEADER: "x"}).status_code == 401


def test_there_are_routes_to_close() -> None:
    wanted = {("POST", "/setup"), ("POST", "/predict"), ("POST", "/webhook"), ("DELETE", "/jobs/runs/1"), ("GET", "/")}
    assert wanted <= set(every_route())


def test_what_is_no_route_is_closed_as_well(locked: FlaskClient) -> None:
    assert locked.get("/nothing").status_code == 401


def test_the_health_is_open(locked: FlaskClient) -> None:
    assert locked.get("/health").status_code == 200


def test_the_form_to_log_in_has_the_look_of_the_pages(locked: FlaskClient) -> None:
    assert "/assets/dashboard.css" in locked.get("/", headers={"Accept": "text/html"}).text
    assert locked.get("/assets/dashboard.css").status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YQ==", "Bearer x", "Basic Y29hY2g6", "gänzlich anders"]
)
def test_credentials_that_are_none_let_nobody_in(locked: FlaskClient, header: str) -> None:
    assert locked.get("/jobs", headers={"Authorization": header}).status_code == 401


def test_programs_are_let_in_by_basic_authentication(locked: FlaskClient) -> None:
    assert locked.post("/setup", json=SETUP, auth=BASIC).status_code == 200


def test_a_refused_event_changes_nothing(locked: FlaskClient, payload: Callable[[str], Any], store: Store) -> None:
    assert locked.post("/webhook", json=payload("10_webhook_START_TRAINING")).status_code == 401
    assert locked.post("/webhook", json=payload("11_webhook_ANNOTATION_CREATED_api")).status_code == 401
    assert list(store.events.received()) == []
    assert locked.get("/jobs", auth=BASIC).json["runs"] == []


def test_events_are_let_in_by_the_secret_that_the_backend_made(
    locked: FlaskClient, payload: Callable[[str], Any], tmp_path: Path
) -> None:
    settings, _ = with_own_secrets(guarded(tmp_path))  # what the trainer writes into Label Studio's webhook
    headers = {WEBHOOK_HEADER: settings.webhook_secret.get_secret_value()}
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    assert locked.post("/webhook", json=event, headers=headers).status_code == 200
    assert locked.post("/predict", json={}, headers=headers).status_code == 401  # it opens nothing else


def test_the_secret_is_the_same_after_a_restart_and_another_elsewhere(tmp_path: Path) -> None:
    made = [with_own_secrets(guarded(tmp_path / name))[0].webhook_secret for name in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]
    assert (tmp_path / "a" / "server-key").stat().st_mode & 0o077 == 0


def test_cookies_end_with_the_password(tmp_path: Path) -> None:
    other = guarded(tmp_path).model_copy(update={"basic_auth_pass": SecretStr("another")})
    assert with_own_secrets(guarded(tmp_path))[1] != with_own_secrets(other)[1]


# Passwords by trial


def test_wrong_passwords_are_soon_not_even_looked_at(locked: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    answers = [locked.get("/jobs", auth=(USER, f"guess number {number}")) for number in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert locked.get("/jobs", auth=BASIC).status_code == 429
    assert "wrong credentials from 127.0.0.1" in caplog.text
    assert "guess" not in caplog.text


def test_others_are_not_slowed(locked: FlaskClient) -> None:
    guess_passwords(locked, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert locked.get("/jobs", auth=BASIC).status_code == 200


def guess_passwords(client: FlaskClient, **request: Any) -> None:
    """So often that the address is in a pause."""
    answers = [client.get("/jobs", auth=(USER, f"guess {number}"), **request) for number in range(6)]
    assert answers[-1].status_code == 429


def test_who_shares_an_address_with_a_guesser_is_let_in(locked: FlaskClient) -> None:
    assert locked.post("/setup", json=SETUP, auth=BASIC).status_code == 200
    guess_passwords(locked)
    assert locked.post("/setup", json=SETUP, auth=BASIC).status_code == 200
    assert log_in(locked).status_code == 303
    with locked.session_transaction() as session:
        session.clear()
    assert locked.get("/jobs", auth=(USER, "guess 7")).status_code == 429


def test_the_form_to_log_in_is_no_way_round_the_pause(locked: FlaskClient) -> None:
    answers = [log_in(locked, f"guess {number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert log_in(locked).status_code == 429


def test_passwords_and_secrets_are_compared_in_constant_time(
    locked: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: compared.append(both) or compare(*both))
    locked.get("/jobs", auth=(USER, PASSWORD[:3]))
    locked.post("/login", data={"user": USER, "password": "x"}, headers={"X-CSRF-Token": "t"})
    locked.post("/webhook", json={}, headers={WEBHOOK_HEADER: "x"})
    assert len(compared) == 3
    assert all(len(given) == len(right) for given, right in compared)  # nor does a length tell anything


def test_an_old_password_is_no_guessing_however_often_it_comes(locked: FlaskClient) -> None:
    answers = [locked.post("/setup", json=SETUP, auth=(USER, "last year's")) for _ in range(9)]
    assert {answer.status_code for answer in answers} == {401}
    assert locked.post("/setup", json=SETUP, auth=BASIC).status_code == 200


def test_events_are_let_in_while_their_address_is_in_a_pause(
    locked: FlaskClient, payload: Callable[[str], Any], tmp_path: Path
) -> None:
    settings, _ = with_own_secrets(guarded(tmp_path))
    headers = {WEBHOOK_HEADER: settings.webhook_secret.get_secret_value()}
    guess_passwords(locked)
    event = payload("11_webhook_ANNOTATION_CREATED_api")
    assert locked.post("/webhook", json=event, headers=headers).status_code == 200


def test_wrong_secrets_are_no_wrong_passwords(locked: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(9):
        assert locked.post("/webhook", json={}, headers={WEBHOOK_HEADER: f"secret {number}"}).status_code == 401
    assert locked.get("/jobs", auth=BASIC).status_code == 200
    assert "wrong credentials from 127.0.0.1 for backend.webhook" in caplog.text
    assert "secret 1" not in caplog.text


def test_requests_without_a_password_are_no_attempts(locked: FlaskClient) -> None:
    for _ in range(9):
        assert locked.post("/webhook", json={}).status_code == 401
    assert locked.get("/jobs", auth=BASIC).status_code == 200


def test_pauses_double_up_to_a_minute_and_are_forgotten() -> None:
    moment = [0.0]
    attempts = Attempts(lambda: moment[0])
    pauses = []
    for number in range(14):
        attempts.failed("a", str(number))
        pauses.append(attempts.pause_s("a"))
    assert pauses == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    moment[0] = 1000.0
    attempts.failed("a", "another")
    assert attempts.pause_s("a") == 0


def test_an_address_is_trusted_for_a_day() -> None:
    moment = [0.0]
    attempts = Attempts(lambda: moment[0])
    attempts.succeeded("a")
    moment[0] = 86399.0
    assert (attempts.is_trusted("a"), attempts.is_trusted("b")) == (True, False)
    moment[0] = 86401.0
    assert not attempts.is_trusted("a")


def test_addresses_do_not_add_up_for_ever() -> None:
    attempts = Attempts()
    for number in range(3000):
        attempts.failed(str(number), "wrong")
        attempts.succeeded(str(number))
    assert len(attempts._of) == len(attempts._right_at_s) == 1000


# Browsers


def token_of(answer: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD, page: str = "/jobs") -> TestResponse:
    form = {"user": USER, "password": password, "page": page, "csrf_token": token_of(client.get("/", headers=HTML))}
    return client.post("/login", data=form)


def test_a_browser_is_shown_a_form(locked: FlaskClient) -> None:
    answer = locked.get("/?a=b", headers=HTML)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert "Basic" not in answer.headers["WWW-Authenticate"]
    assert 'value="/?a=b"' in answer.text


def test_somebody_who_logs_in_has_a_cookie_that_scripts_and_other_sites_do_not_get(locked: FlaskClient) -> None:
    answer = log_in(locked)
    cookie = answer.headers["Set-Cookie"]
    assert (answer.status_code, answer.location) == (303, "/jobs")
    assert all(word in cookie for word in ("deadlift_session=", "HttpOnly", "SameSite=Lax"))
    assert locked.get("/jobs").status_code == 200


def test_a_wrong_password_logs_nobody_in(locked: FlaskClient) -> None:
    answer = log_in(locked, "wrong")
    assert (answer.status_code, "Wrong user or password" in answer.text) == (401, True)
    assert locked.get("/jobs").status_code == 401


@pytest.mark.parametrize("page", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/logout", "/a\nb"])
def test_logging_in_leads_nowhere_else(locked: FlaskClient, page: str) -> None:
    assert log_in(locked, page=page).location == "/"


def test_a_forged_cookie_is_none(locked: FlaskClient) -> None:
    locked.set_cookie("deadlift_session", "eyJ1c2VyIjoiY29hY2gifQ.aaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert locked.get("/jobs").status_code == 401


def test_somebody_who_logs_out_is_out(locked: FlaskClient) -> None:
    log_in(locked)
    assert locked.post("/logout", json={}).status_code == 403
    with locked.session_transaction() as session:
        session["csrf_token"] = "t"
    assert locked.post("/logout", data={"csrf_token": "t"}).status_code == 303
    assert locked.get("/jobs").status_code == 401


def test_a_browser_that_is_logged_in_needs_the_token_to_change_anything(locked: FlaskClient) -> None:
    log_in(locked)
    with locked.session_transaction() as session:
        session["csrf_token"] = "t"
    assert locked.delete("/jobs/runs/1").status_code == 403
    assert locked.delete("/jobs/runs/1", headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert locked.delete("/jobs/runs/1", headers={"X-CSRF-Token": "t"}).status_code == 404  # there is no such run


@pytest.mark.parametrize("mimetype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_is_refused_where_nobody_needs_a_password(
    lone_http: FlaskClient, store: Store, mimetype: str
) -> None:
    answer = lone_http.post(
        "/webhook", data='{"action": "START_TRAINING", "project": {"id": 1}}', content_type=mimetype
    )
    assert answer.status_code == 403
    assert lone_http.get("/jobs").json["runs"] == []


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:8080"},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_a_request_from_a_page_of_another_site_is_refused(lone_http: FlaskClient, headers: dict[str, str]) -> None:
    assert lone_http.post("/setup", json=SETUP, headers=headers).status_code == 403
    assert lone_http.post("/setup", json=SETUP, headers=headers, auth=BASIC).status_code == 403


def test_a_request_from_our_own_page_is_taken(lone_http: FlaskClient) -> None:
    assert lone_http.post("/setup", json=SETUP, headers={"Origin": "http://localhost"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9090", "localhost.evil.example", "evillocalhost", "", "2130706433"]
)
def test_a_host_name_that_is_not_ours_is_refused(lone_http: FlaskClient, host: str) -> None:
    for method, address in (("GET", "/jobs"), ("GET", "/"), ("POST", "/setup")):
        assert lone_http.open(address, method=method, json=SETUP, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "host",
    ["localhost:9090", "127.0.0.1:9090", "[::1]:9090", "192.0.2.7", "backend:9090", "Ml.Example.org", "ls.localhost"],
)
def test_a_host_name_that_is_ours_is_taken(lone_service: Preannotator, store: Store, tmp_path: Path, host: str) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, allowed_hosts="backend, ml.example.org:443")
    client = create_app(settings, lone_service, store).test_client()
    assert client.get("/jobs", headers={"Host": host}).status_code == 200


def test_every_answer_has_headers_that_protect_it(locked: FlaskClient) -> None:
    asked = ["/health", "/jobs", "/nothing", "/"]
    answers = [locked.get(address, headers=HTML) for address in asked]
    answers += [locked.get("/jobs", headers={"Host": "evil"}), log_in(locked), locked.get("/", headers=HTML)]
    for answer in answers:
        policy = dict(part.split(maxsplit=1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert set(policy.values()) <= {"'none'", "'self'", "'self' data:"}  # no script of others or of the page's text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_pages_have_neither_scripts_nor_styles_in_their_text(locked: FlaskClient, store: Store) -> None:
    texts = [path.read_text() for path in (Path(create_app.__code__.co_filename).parent / "templates").glob("*.html")]
    for text in texts:
        assert not re.search(r"<style|\bstyle=|<script(?![^>]*\bsrc=)|\bon\w+=", text)
        for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
            assert 'method="get"' in form or "csrf_field()" in form


def test_the_log_says_which_host_was_refused(lone_http: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    lone_http.get("/jobs", headers={"Host": "ml.example.org"})
    assert "'ml.example.org'" in caplog.text
    assert "ALLOWED_HOSTS" in caplog.text


def test_markup_in_what_is_shown_is_text(locked: FlaskClient, store: Store) -> None:
    log_in(locked)
    markup = "<img src=x onerror=alert(1)>"
    store.remember_project(1, CONFIG)
    job = store.job_for(Task(7, 1, {"video": markup}), markup, VERSION, "c")
    store.fail_job(job.id, "NotAVideo", markup)
    Runs(store).finish(Runs(store).request(1, markup).id, "failed", markup)
    for address in ("/", "/?project=" + markup, "/" + markup):
        assert "<img" not in locked.get(address, headers=HTML).text
    locked.post("/logout", json={}, headers={"X-CSRF-Token": "x"})
    form = {"user": markup, "password": "x", "page": "/" + markup, "csrf_token": "t"}
    with locked.session_transaction() as session:
        session["csrf_token"] = "t"
    assert "<img" not in locked.post("/login", data=form).text
