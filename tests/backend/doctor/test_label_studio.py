"""`deadlift doctor`: each check finds what it is there for, and names a remedy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from flask import Flask, Response, jsonify, request
from places import LABELING_CONFIG
from pydantic import SecretStr
from werkzeug.serving import make_server

from backend.commands.doctor import doctor as command
from backend.doctor import label_studio, machine
from backend.doctor.machine import Check
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install
from backend.models.registry import Model, Registry
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.server import listening
from pipeline.anomaly.detector import load_detector

CONFIG_TEXT = LABELING_CONFIG.read_text()
KEY = "0123456789abcdef0123456789abcdef01234567"


class Servers:
    """What doctor asks of Label Studio, and our backend's /health, at one address. Tests change the values."""

    def __init__(self) -> None:
        self.release = "1.23.2"
        self.key = KEY
        self.project = {"id": 3, "title": "Lifts", "label_config": CONFIG_TEXT, "model_version": ""}
        self.state = "CO"
        self.webhook: dict[str, Any] = {"is_active": True, "send_payload": True, "send_for_all_actions": True}
        self.webhook_path = "/webhook"
        self.video = b"a video"
        self.task_data: dict[str, Any] = {"video": "/data/upload/3/lift.mp4"}
        self.model_class = "DeadliftModel"
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _app(self) -> Flask:
        app = Flask("servers")

        @app.before_request
        def refuse() -> tuple[Response, int] | None:
            open_to_all = request.path in ("/api/version", "/health")
            if request.args.get("page", "1") != "1":
                return jsonify(detail="Invalid page."), 404  # how Label Studio ends a list
            if open_to_all or request.headers.get("Authorization") == f"Token {self.key}":
                return None
            return jsonify(detail="Invalid token."), 401

        @app.get("/api/version")
        def version() -> Response:
            return jsonify(release=self.release)

        @app.get("/health")
        def health() -> Response:
            return jsonify(status="UP", model_class=self.model_class, model_version="base-1")

        @app.get("/api/current-user/whoami")
        def whoami() -> Response:
            return jsonify(id=1, email="lifter@example.com")

        @app.get("/api/projects/")
        def projects() -> Response:
            return jsonify(count=1, next=None, previous=None, results=[self.project])

        @app.get("/api/ml/")
        def backends() -> Response:
            return jsonify([{"id": 1, "url": self.url, "title": "Deadlift", "state": self.state, "project": 3}])

        @app.get("/api/webhooks/")
        def webhooks() -> Response:
            return jsonify([{"id": 1, "url": self.url + self.webhook_path, "project": 3, **self.webhook}])

        @app.get("/api/tasks/")
        def tasks() -> Response:
            task = {"id": 8, "project": 3, "data": self.task_data, "total_annotations": 0, "predictions": []}
            return jsonify(tasks=[task], total=1, total_annotations=0, total_predictions=0)

        @app.get("/data/upload/3/lift.mp4")
        def media() -> Response:
            return Response(self.video, 200 if self.video else 404)

        return app


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.close()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Settings:
    return Settings(
        label_studio_url=servers.url,
        label_studio_api_key=SecretStr(KEY),
        backend_port=servers.port,
        data_dir=tmp_path / "data",
    )


def remote(settings: Settings, version: str = "base-1") -> dict[str, Check]:
    """The checks of Label Studio, by the last words of their subjects."""
    return {check.subject.split(": ")[-1]: check for check in label_studio.label_studio(settings, version)}


def problems(checks: dict[str, Check]) -> list[str]:
    return [subject for subject, check in checks.items() if check.status == "problem"]


# This machine


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


def test_folder_without_a_model_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    version, check = machine.anomaly_model(settings.model_copy(update={"model_dir": tmp_path}))
    assert (version, check.status) == ("", "problem")


def test_data_folder_is_made(tmp_path: Path) -> None:
    assert machine.data_folder(tmp_path / "new" / "data").status == "ok"


def test_data_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert machine.data_folder(tmp_path / "data").status == "problem"


def test_port_of_our_backend_shows_its_model(settings: Settings) -> None:
    found = machine.port(settings, "base-1")
    assert (found.status, found.found) == ("ok", "our backend answers with model base-1")


def test_backend_with_another_model_than_a_restart_would_load_is_noted(settings: Settings) -> None:
    assert machine.port(settings, "base-2").status == "note"


def test_port_of_somebody_else_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.model_class = "Another"
    assert machine.port(settings, "base-1").status == "problem"


def test_free_port_is_fine(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "free" in machine.port(settings.model_copy(update={"backend_port": port}), "base-1").found


# Label Studio


def test_connected_project_has_no_problem(settings: Settings) -> None:
    assert {subject: check.status for subject, check in remote(settings).items()} == {
        "Label Studio": "ok",
        "Timeouts": "ok",
        "Token": "ok",
        "Project 3, Lifts": "ok",
        "webhook": "ok",
        "labeling config": "ok",
        "video": "ok",
    }


def test_without_an_address_nothing_else_is_looked_at(settings: Settings) -> None:
    (check,) = label_studio.label_studio(settings.model_copy(update={"label_studio_url": ""}), "base-1")
    assert (check.status, "LABEL_STUDIO_URL" in check.remedy) == ("note", True)


def test_label_studio_that_does_not_answer_is_a_problem(settings: Settings) -> None:
    (check,) = label_studio.label_studio(
        settings.model_copy(update={"label_studio_url": "http://127.0.0.1:9"}), "base-1"
    )
    assert check.status == "problem"


def test_another_release_is_noted(settings: Settings, servers: Servers) -> None:
    servers.release = "1.19.0"
    assert remote(settings)["Label Studio"].status == "note"


def test_missing_token_is_a_problem(settings: Settings) -> None:
    found = remote(settings.model_copy(update={"label_studio_api_key": SecretStr("")}))
    assert problems(found) == ["Token"]


def test_refused_token_is_a_problem_and_not_shown(settings: Settings, servers: Servers) -> None:
    servers.key = "another"
    found = remote(settings)["Token"]
    assert found.status == "problem"
    assert "legacy" in found.remedy
    assert KEY not in found.found + found.remedy


def test_project_of_another_backend_is_left_out(settings: Settings, servers: Servers) -> None:
    servers.model_class = "Another"
    found = remote(settings.model_copy(update={"backend_port": 9090}))
    assert found["Projects"].found == "none is connected to this backend"


def test_disconnected_backend_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.state = "DI"
    assert problems(remote(settings)) == ["Project 3, Lifts"]


def test_missing_webhook_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.webhook_path = "/elsewhere"
    found = remote(settings)
    assert problems(found) == ["webhook"]
    assert f"add {servers.url}/webhook" in found["webhook"].remedy


@pytest.mark.parametrize("change", [{"is_active": False}, {"send_payload": False}])
def test_webhook_that_says_nothing_is_a_problem(settings: Settings, servers: Servers, change: dict[str, bool]) -> None:
    servers.webhook |= change
    assert problems(remote(settings)) == ["webhook"]


def test_webhook_for_some_events_names_the_others(settings: Settings, servers: Servers) -> None:
    servers.webhook |= {
        "send_for_all_actions": False,
        "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"],
    }
    assert "not told of TASKS_CREATED" in remote(settings)["webhook"].found


def test_unfit_labeling_config_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.project["label_config"] = '<View><Video name="video" value="$video"/></View>'
    assert problems(remote(settings)) == ["labeling config"]


def test_other_predictions_on_show_are_noted(settings: Settings, servers: Servers) -> None:
    servers.project["model_version"] = "base-0"
    assert remote(settings)["version"].status == "note"


def test_a_version_of_the_project_s_own_is_as_it_should_be(servers: Servers, settings: Settings) -> None:
    registry = Registry(settings.models_dir, Model("base-1", None))
    published = registry.publish(3, load_detector(), "", {"gate": {"passed": True}}, [])
    servers.project["model_version"] = registry.promote(3, published.name).version
    assert "version" not in remote(settings)
    servers.project["model_version"] = "base-1"
    assert published.model.version in remote(settings)["version"].remedy


def test_video_that_is_gone_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.video = b""
    assert "not found" in remote(settings)["video"].found


def test_large_video_is_not_fetched_whole(settings: Settings, servers: Servers) -> None:
    servers.video = bytes(4 << 20)
    assert remote(settings)["video"].status == "ok"


@pytest.mark.parametrize("is_set", [True, False])
def test_video_at_the_public_name_is_fetched(settings: Settings, servers: Servers, is_set: bool) -> None:
    # HumanSignal/label-studio-ml-backend#904: by LABEL_STUDIO_HOST, or by what Label Studio said when it connected.
    public = "https://example.org/ls"
    servers.task_data = {"video": f"{public}/data/upload/3/lift.mp4"}
    if is_set:
        settings = settings.model_copy(update={"label_studio_host": f"{public}/"})
    else:
        with closing(Store(settings.database_url)) as store:
            store.remember_label_studio_name(public)
    assert remote(settings)["video"].status == "ok"


def test_task_without_the_key_is_a_problem(settings: Settings, servers: Servers) -> None:
    servers.task_data = {"clip": "/data/upload/3/lift.mp4"}
    assert problems(remote(settings)) == ["video"]


# The command


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from a .env of the developer's
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("BACKEND_PORT", str(settings.backend_port))
    monkeypatch.setenv("LABEL_STUDIO_URL", settings.label_studio_url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)


@pytest.mark.usefixtures("environment")
def test_command_ends_well_without_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    command()
    assert "No problem found" in capsys.readouterr().out


@pytest.mark.usefixtures("environment")
def test_command_fails_with_a_problem(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    servers.webhook_path = "/elsewhere"
    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    assert "1 problem" in capsys.readouterr().out


@pytest.mark.e2e
def test_nothing_is_wrong_with_a_label_studio_that_was_set_up_well(tmp_path: Path) -> None:
    with LabelStudioServer(
        install(), tmp_path / "label-studio", 0, username="doctor@example.com", password="doctor-of-label-studio"
    ) as label_studio:
        key = SecretStr(label_studio.personal_token())
        settings = Settings(
            label_studio_url=label_studio.url,
            label_studio_api_key=key,
            backend_port=0,
            workers=1,
            data_dir=tmp_path / "backend",
        )
        client = LabelStudioClient(Access(label_studio.url, key))
        with listening(settings) as backend:
            threading.Thread(target=backend.server.serve, daemon=True).start()
            url = backend.url
            project = client.create_project("Lifts", CONFIG_TEXT)
            client.connect_backend(project, url, "Deadlift")
            (tmp_path / "lift.mp4").write_bytes(b"not a video, but it can be fetched")
            client.upload(project, tmp_path / "lift.mp4")
            settings = settings.model_copy(update={"backend_port": int(url.rpartition(":")[2])})
            version = backend.services.preannotator.model_version(project)
            found = remote(settings, version)
        assert {"webhook", "labeling config", "video"} <= set(found)
        assert problems(found) == []
