"""`deadlift doctor` in Label Studio: each check finds what it is there for, and names a remedy."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from doctor_servers import CONFIG_TEXT, KEY, Servers, problems, remote
from fakes import WITH_THIRD_LABEL
from pydantic import SecretStr

from backend.doctor import label_studio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install
from backend.models.registry import Model, Registry
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.server import listening
from pipeline.anomaly.detector import load_detector


def test_connected_project_has_no_problem(settings: Settings) -> None:
    assert {subject: check.status for subject, check in remote(settings).items()} == {
        "Label Studio": "ok",
        "Timeouts": "ok",
        "Clock": "ok",
        "Token": "ok",
        "Project 3, Lifts": "ok",
        "webhook": "ok",
        "labeling config": "ok",
        "video": "ok",
        "frame rate": "ok",
        "prediction": "ok",
    }


def test_the_prediction_that_is_tried_is_removed_again(settings: Settings, servers: Servers) -> None:
    assert "removed again" in remote(settings)["prediction"].found
    assert servers.predictions == []


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


def test_a_label_studio_that_fails_is_no_fault_of_the_token(settings: Settings, servers: Servers) -> None:
    servers.fails.add("/api/current-user/whoami")
    found = remote(settings)["Token"]
    assert found.status == "problem"
    assert "could not be tried: Label Studio answered 500" in found.found
    assert "Make a new one" not in found.remedy


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


def test_labels_that_are_not_used_are_noted(settings: Settings, servers: Servers) -> None:
    servers.project["label_config"] = WITH_THIRD_LABEL
    found = remote(settings)["labels"]
    assert (found.status, "labelled Unsure are not used" in found.found) == ("note", True)
