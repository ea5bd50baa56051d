"""`deadlift doctor` on this machine, and the command as a whole."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import typer
from distributed import LocalCluster
from doctor_servers import KEY, Servers
from flask import Flask
from pydantic import SecretStr
from werkzeug.serving import make_server

from backend.commands.doctor import doctor as command
from backend.doctor import machine
from backend.doctor.database import database, stored
from backend.doctor.machine import Check
from backend.errors import BackendError, http_status
from backend.models.registry import Model, Registry
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.access import Access, Credentials
from pipeline.anomaly.detector import load_detector


def test_libraries_of_these_tests_are_as_the_project_asks() -> None:
    assert machine.libraries().status == "ok"


def test_pose_model_of_the_wheel_finds_a_drawn_lifter(settings: Settings) -> None:
    assert machine.pose_model(settings).status == "ok"


def test_absent_pose_model_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    found = machine.pose_model(settings.model_copy(update={"pose_model": str(tmp_path / "absent.task")}))
    assert found.status == "problem"
    assert "POSE_MODEL" in found.remedy


def test_shipped_model_loads(settings: Settings) -> None:
    version, check = machine.anomaly_model(settings)
    assert version.startswith("base-")
    assert check.status == "ok"


def test_models_of_projects_are_named_beside_the_shipped_one(settings: Settings) -> None:
    registry = Registry(settings.models_dir, Model("base-0", None))
    for project in (1, 2):
        registry.publish(project, load_detector(), "", {}, [])
    registry.promote(1, "v0001")
    _, check = machine.anomaly_model(settings)
    assert check.found.endswith("(shipped) where a project has none of its own: project 1 uses v0001")


def test_folder_without_a_model_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    version, check = machine.anomaly_model(settings.model_copy(update={"model_dir": tmp_path}))
    assert (version, check.status) == ("", "problem")


def test_data_folder_is_made(tmp_path: Path) -> None:
    assert machine.data_folder(tmp_path / "new" / "data").status == "ok"


def test_data_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert machine.data_folder(tmp_path / "data").status == "problem"


def test_a_database_that_is_not_there_yet_is_nothing_to_tell(settings: Settings) -> None:
    assert database(settings) == []


@pytest.mark.parametrize(("content", "cause"), [(b"no database" * 100, "damaged"), (None, "made by a later release")])
def test_what_keeps_a_database_from_being_used_is_named(settings: Settings, content: bytes | None, cause: str) -> None:
    settings.data_dir.mkdir(exist_ok=True)
    path = settings.data_dir / "backend.sqlite3"
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(content)
    (found,) = database(settings)
    assert found.status == "problem"
    assert cause in found.found


def test_a_database_with_damaged_pages_is_a_problem(settings: Settings) -> None:
    Store(settings.database_url).close()
    with (settings.data_dir / "backend.sqlite3").open("r+b") as file:
        file.seek(100)
        file.write(bytes(range(256)) * 15)
    (found,) = database(settings)
    assert (found.status, "the database is damaged" in found.found) == ("problem", True)


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_database_of_this_release_can_be_used(settings: Settings, is_empty: bool) -> None:
    if is_empty:
        settings.data_dir.mkdir(exist_ok=True)
        (settings.data_dir / "backend.sqlite3").touch()
    else:
        Store(settings.database_url).close()
    (found,) = database(settings)
    assert found.status == "ok"


def test_a_database_of_an_earlier_release_is_told_and_left_as_it_is(settings: Settings) -> None:
    Store(settings.database_url).close()
    path = settings.data_dir / "backend.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    (found,) = database(settings)
    assert found.status == "note"
    assert "made by an earlier release" in found.found
    assert "copy DATA_DIR" in found.remedy
    with stored(settings) as store:
        assert store is None
    assert path.read_bytes() == before


def test_port_of_our_backend_shows_its_model(settings: Settings) -> None:
    found = machine.port(settings, "base-1")
    assert (found.status, found.found) == ("ok", "our backend answers with model base-1")


def test_backend_with_another_model_than_a_restart_would_load_is_noted(settings: Settings) -> None:
    assert machine.port(settings, "base-2").status == "note"


def test_a_server_of_another_folder_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    found = machine.port(settings.model_copy(update={"data_dir": tmp_path / "other"}), "base-1")
    assert found.status == "problem"
    assert found.found == (
        f"The server on port {settings.backend_port} works in another folder than DATA_DIR, {tmp_path / 'other'}."
    )
    assert not (tmp_path / "other").exists()


def test_port_of_somebody_else_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.model_class = "Another"
    assert machine.port(settings, "base-1").status == "problem"


def test_a_cluster_that_is_not_there_is_a_problem(settings: Settings) -> None:
    (found,) = machine.cluster(settings.model_copy(update={"dask_scheduler": "tcp://127.0.0.1:9"}))
    assert (found.status, "DASK_SCHEDULER" in found.remedy) == ("problem", True)


def test_a_cluster_without_workers_is_noted(settings: Settings) -> None:
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        (found,) = machine.cluster(settings.model_copy(update={"dask_scheduler": cluster.scheduler_address}))
    assert (found.status, "no workers" in found.found) == ("note", True)


@pytest.mark.parametrize(("password", "status"), [("", "problem"), ("s", "note")])
def test_a_port_that_others_reach_needs_a_password(settings: Settings, password: str, status: str) -> None:
    open_to_all = {"backend_host": "0.0.0.0", "basic_auth_pass": SecretStr(password)}
    (found,) = machine.exposure(settings.model_copy(update=open_to_all))
    assert found.status == status


def test_a_token_that_crosses_the_internet_in_clear_is_a_problem(settings: Settings) -> None:
    (found,) = machine.exposure(settings.model_copy(update={"label_studio_url": "http://93.184.216.34"}))
    assert (found.status, "https" in found.remedy) == ("problem", True)


def test_free_port_is_fine(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "free" in machine.port(settings.model_copy(update={"backend_port": port}), "base-1").found


# The command


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from a .env of the developer's
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("BACKEND_PORT", str(settings.backend_port))
    monkeypatch.setenv("LABEL_STUDIO_URL", settings.label_studio_url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pose model, which takes seconds."""
    monkeypatch.setattr("backend.doctor.checks._pose_model", lambda settings: Check("Pose model", "ok", "left out"))


@pytest.mark.usefixtures("environment")
def test_command_ends_well_without_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    command()
    assert "No problem found" in capsys.readouterr().out


@pytest.mark.usefixtures("environment")
def test_command_counts_notes_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Check("Videos", "note", "1 failed"), Check("Token", "ok", "is accepted"), Check("Disk", "note", "is full")]
    monkeypatch.setattr("backend.doctor.checks.checks", lambda settings: found)
    command()
    assert "No problem found, 2 notes" in capsys.readouterr().out


@pytest.mark.usefixtures("environment", "light")
def test_command_prints_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    command(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {"Python", "Pose model", "Data folder", "Exposure", "Workers", "Token"} <= {one["subject"] for one in found}
    assert {one["status"] for one in found} <= {"ok", "note"}
    assert set(found[0]) == {"subject", "status", "found", "remedy"}


@pytest.mark.usefixtures("environment", "light")
def test_command_fails_with_a_problem(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    servers.webhook_path = "/elsewhere"
    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    assert "1 problem" in capsys.readouterr().out


@pytest.mark.parametrize("credentials", [None, Credentials("coach", "secret")])
@pytest.mark.parametrize(("name", "is_refused"), [("backend", False), ("elsewhere.invalid", True)])
def test_hosts_that_the_server_refuses_are_known(credentials: Credentials | None, name: str, is_refused: bool) -> None:
    app = Flask("backend")
    app.register_error_handler(BackendError, lambda error: ("", http_status(type(error))))
    Access(credentials, "", ["backend"]).attach(app, b"key")
    server = make_server("127.0.0.1", 0, app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        settings = Settings(_env_file=None, backend_host="0.0.0.0", backend_port=server.server_port)
        assert machine.refuses_host(f"http://{name}:{server.server_port}/", settings) is is_refused
    finally:
        server.shutdown()
        server.server_close()
