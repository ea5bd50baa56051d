"""The managed Label Studio: its start and end, what it may not reach, and its token."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fake_label_studio
import httpx
import pytest

from backend.errors import LabelStudioError
from backend.local_labelstudio import server as server_module
from backend.local_labelstudio.access_token import csrf_token, personal_token
from backend.local_labelstudio.server import LabelStudioServer, install

USER, PASSWORD = "tester@example.com", "a-long-password"
Start = Callable[..., LabelStudioServer]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """An environment whose label-studio script is the fake one."""
    folder = tmp_path / "environment" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    (folder / "label-studio").write_text(Path(fake_label_studio.__file__).read_text())
    return folder / "label-studio"


@pytest.fixture
def server(script: Path, tmp_path: Path) -> Iterator[Start]:
    """Makes servers on the fake script, and stops them after the test."""
    made: list[LabelStudioServer] = []

    def make(fake: str = "", **more: Any) -> LabelStudioServer:
        settings: dict[str, Any] = {"port": 0, "username": USER, "password": PASSWORD, "env": {"FAKE": fake}, **more}
        made.append(LabelStudioServer(script, tmp_path / "data", **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_it_answers_when_start_returns(server: Start) -> None:
    with server() as started:
        assert httpx.get(f"{started.url}/api/version", trust_env=False).status_code == 200


def test_it_is_gone_after_the_block(server: Start) -> None:
    with server() as started:
        pid = started.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_block_stops_it_when_an_error_leaves_it(server: Start) -> None:
    started = server()
    with pytest.raises(ZeroDivisionError), started:
        raise ZeroDivisionError
    assert started.pid is None


def test_one_that_ends_by_itself_is_told_with_its_exit_code_and_log(server: Start) -> None:
    label_studio = server()
    label_studio.start()
    assert label_studio.pid is not None
    assert label_studio.fault() is None
    os.killpg(label_studio.pid, signal.SIGKILL)
    label_studio.wait()
    assert str(label_studio.fault()) == f"Label Studio ended with exit code -9. Its log is {label_studio.log_path}."


def test_one_that_ignores_the_request_to_end_is_killed(server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STOP_GRACE_S", 0.2)
    with server("stubborn") as started:
        pid = started.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_when_its_starter_is_killed(script: Path, tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from backend.local_labelstudio.server import LabelStudioServer\n"
        f"script, data = Path({str(script)!r}), Path({str(tmp_path / 'data')!r})\n"
        "server = LabelStudioServer(script, data, 0, username='u', password='p')\n"
        "server.start(); print(server.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    with (tmp_path / "data" / "server.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it holds the lock to its end
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{killed.stdout.strip()}/api/version", trust_env=False)


def test_a_taken_port_is_named(server: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabelStudioError, match=f"Port {port} .* Name another port"):
            server(port=port).start()


def test_a_port_out_of_range_is_a_mistake_of_the_caller(server: Start) -> None:
    with pytest.raises(ValueError, match=r"Expected a port in 0\.\.65535, got 70000"):
        server(port=70000)


def test_a_port_lost_while_starting_is_told(server: Start) -> None:
    with pytest.raises(LabelStudioError, match="was taken while Label Studio started"):
        server("elsewhere").start()


def test_an_early_end_shows_the_last_lines_of_the_log(server: Start) -> None:
    with pytest.raises(LabelStudioError, match=r"exit code 3(.|\n)*no such table: django_session"):
        server("dies").start()


def test_no_answer_in_time_is_an_error(server: Start) -> None:
    with pytest.raises(LabelStudioError, match=r"did not answer at .* within 1 s"):
        server("silent", ready_within_s=1.0).start()


def test_nothing_runs_on_after_a_failed_start(server: Start) -> None:
    silent = server("silent", ready_within_s=1.0)
    with pytest.raises(LabelStudioError):
        silent.start()
    assert silent.pid is None


def test_two_on_one_data_directory_are_refused(server: Start) -> None:
    with server(), pytest.raises(LabelStudioError, match="Another Label Studio works on"):
        server().start()


def test_a_data_directory_can_be_used_again_after_a_stop(server: Start) -> None:
    for _ in range(2):
        with server() as started:
            assert started.pid is not None


def test_a_missing_script_is_an_error(tmp_path: Path) -> None:
    missing = LabelStudioServer(
        tmp_path / "bin" / "label-studio", tmp_path / "data", 0, username=USER, password=PASSWORD
    )
    with pytest.raises(LabelStudioError, match="Install it again"):
        missing.start()


@pytest.mark.parametrize("name", ["LABEL_STUDIO_HOST", "USERNAME", "SECRET_KEY", "HTTP_PROXY", "PYTHONPATH"])
def test_settings_of_the_callers_environment_stay_outside(
    server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://elsewhere.example")
    with server():
        assert name not in json.loads((tmp_path / "data" / "environment.json").read_text())


def test_the_password_is_no_argument(server: Start) -> None:
    with server() as started:
        assert PASSWORD not in Path(f"/proc/{started.pid}/cmdline").read_text()


def test_the_token_is_given(server: Start) -> None:
    with server() as started:
        assert started.personal_token() == "head.body0.signature"


def test_a_kept_token_is_given_again(server: Start) -> None:
    with server() as started:
        assert started.personal_token() == started.personal_token()


def test_a_token_that_was_not_kept_is_replaced(server: Start) -> None:
    with server() as started:
        started.personal_token()
        (started.data_dir / "personal-access-token").unlink()
        assert started.personal_token() == "head.body1.signature"


def test_a_kept_token_that_is_not_accepted_is_replaced(server: Start) -> None:
    with server() as started:
        (started.data_dir / "personal-access-token").write_text("head.old.signature\n")
        assert started.personal_token() == "head.body0.signature"


def test_only_its_owner_may_read_the_kept_token(server: Start) -> None:
    with server() as started:
        started.personal_token()
        assert (started.data_dir / "personal-access-token").stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_told_without_showing_it(server: Start, tmp_path: Path) -> None:
    with server() as started, pytest.raises(LabelStudioError, match="does not accept the password") as told:
        personal_token(started.url, USER, "a-wrong-password", tmp_path / "kept")
    assert "a-wrong-password" not in str(told.value)


def test_no_server_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(LabelStudioError, match="Is it running there"):
            personal_token(url, USER, PASSWORD, tmp_path / "kept")


@pytest.mark.parametrize(
    "tag",
    [
        '<input type="hidden" name="csrfmiddlewaretoken" value="abc">',
        "<input value='abc' type='hidden' name='csrfmiddlewaretoken'/>",
    ],
)
def test_the_form_token_is_found(tag: str) -> None:
    assert csrf_token(f"<form><input name='email' value='x'>{tag}</form>") == "abc"


def test_a_page_without_form_token_is_not_label_studio() -> None:
    with pytest.raises(LabelStudioError, match="another program"):
        csrf_token("<html>It works!</html>")


class Backend(BaseHTTPRequestHandler):
    """The least that Label Studio takes for an ML backend."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"status": "UP", "model_version": "v1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815


@pytest.fixture(scope="module")
def backend_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextmanager
def client_of(server: LabelStudioServer) -> Iterator[httpx.Client]:
    """A client with the rights of the account."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        access = client.post("/api/token/refresh/", json={"refresh": server.personal_token()}).json()["access"]
        client.headers["Authorization"] = f"Bearer {access}"
        yield client


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, backend_url: str) -> dict[str, Any]:
    """What a real Label Studio did in one life, and what it still knew in the next."""
    named = os.environ.get("DEADLIFT_LABEL_STUDIO")
    script = install(Path(named) if named else None, print)
    data = tmp_path_factory.mktemp("label-studio")
    seen: dict[str, Any] = {}
    server = LabelStudioServer(script, data, 0, username=USER, password=PASSWORD)
    with server, client_of(server) as client:
        config = Path("labeling_config.xml").read_text()
        project = client.post("/api/projects/", json={"title": "Kept", "label_config": config})
        seen["project"] = project.status_code
        number = project.json()["id"]
        seen["loopback"] = client.post("/api/ml/", json={"project": number, "url": backend_url}).status_code
        seen["webhooks"] = [hook["url"] for hook in client.get("/api/webhooks/").json()]
        seen["private"] = client.post("/api/ml/", json={"project": number, "url": "http://10.1.2.3:9090"}).text
        seen["signup"] = httpx.post(f"{server.url}/user/signup/", trust_env=False).status_code
        seen["page"] = client.get("/user/login/").text
        seen["token"] = server.personal_token()
    again = LabelStudioServer(script, data, 0, username=USER, password=PASSWORD)
    with again, client_of(again) as client:
        seen["titles"] = [row["title"] for row in client.get("/api/projects/").json()["results"]]
        seen["token_again"] = again.personal_token()
    return seen


@pytest.mark.e2e
def test_label_studio_takes_the_labeling_config(observed: dict[str, Any]) -> None:
    assert observed["project"] == 201


@pytest.mark.e2e
def test_label_studio_connects_to_a_backend_on_this_machine(observed: dict[str, Any]) -> None:
    assert observed["loopback"] == 201


@pytest.mark.e2e
def test_label_studio_reports_annotations_to_that_backend(observed: dict[str, Any], backend_url: str) -> None:
    assert observed["webhooks"] == [f"{backend_url}/webhook"]


@pytest.mark.e2e
def test_label_studio_asks_nothing_of_private_networks(observed: dict[str, Any]) -> None:
    assert "reserved network address" in observed["private"]


@pytest.mark.e2e
def test_nobody_can_sign_up(observed: dict[str, Any]) -> None:
    assert observed["signup"] == 403


@pytest.mark.e2e
@pytest.mark.parametrize("host", ["sentry", "googletagmanager"])
def test_its_pages_load_nothing_from_outside(observed: dict[str, Any], host: str) -> None:
    assert host not in observed["page"].replace("sentry_", "")


@pytest.mark.e2e
def test_projects_are_kept_over_a_restart(observed: dict[str, Any]) -> None:
    assert observed["titles"] == ["Kept"]


@pytest.mark.e2e
def test_the_token_is_kept_over_a_restart(observed: dict[str, Any]) -> None:
    assert observed["token_again"] == observed["token"]
