"""Set-ups that are broken in one way each: doctor names the cause, and calls nothing else broken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doctor_servers import CONFIG_TEXT, Servers, problems, remote
from fakes import analysis
from pydantic import SecretStr
from video_files import write_video

from backend.doctor import label_studio
from backend.doctor.project import playable
from backend.errors import LabelConfigError
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.labelstudio.task_data import ORIGINAL
from backend.models.registry import Model, Registry
from backend.settings import Settings
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.storage.setups import note_refused
from pipeline.anomaly.detector import load_detector
from pipeline.records import VideoInfo

BROKEN: dict[str, tuple[Callable[[Servers], object], dict[str, Any], str, str, str]] = {
    "Label Studio is down": (
        lambda servers: None, {"label_studio_url": "http://127.0.0.1:9"}, "Label Studio", "cannot be reached",
        "Start it",
    ),
    "something else answers": (
        lambda servers: None, {"label_studio_url": "{url}/data/upload/3/lift.mp4?"}, "Label Studio", "",
        "LABEL_STUDIO_URL",
    ),
    "the token was revoked": (
        lambda servers: setattr(servers, "key", "another"), {}, "Token", "401", "Personal Access Token",
    ),
    "no token was set": (
        lambda servers: None, {"label_studio_api_key": SecretStr("")}, "Token", "not set", "LABEL_STUDIO_API_KEY",
    ),
    "the clocks differ": (
        lambda servers: setattr(servers, "date", "Thu, 01 Jan 2026 00:00:00 GMT"), {}, "Clock", "behind", "NTP",
    ),
    "the backend is not reached": (
        lambda servers: setattr(servers, "state", "DI"), {}, "Project 3, Lifts", "not connected to", "SSRF_PROTECTION",
    ),
    "the backend refuses its name": (
        lambda servers: setattr(servers, "name", "localhost"), {}, "host", "sends to localhost",
        "Add localhost to ALLOWED_HOSTS and restart",
    ),
    "the backend refuses a name that is unknown here": (
        lambda servers: setattr(servers, "name", "ml-backend.invalid"), {}, "host", "sends to ml-backend.invalid",
        "Add ml-backend.invalid to ALLOWED_HOSTS and restart",
    ),
    "the webhook was refused": (
        lambda servers: setattr(servers, "webhook_path", "/x"), {}, "webhook", "none to",
        "SSRF_PROTECTION_ENABLED=false",
    ),
    "the webhook is off": (
        lambda servers: servers.webhook.update(is_active=False), {}, "webhook", "switched off", "Settings > Webhooks",
    ),
    "the webhook lacks events": (
        lambda servers: servers.webhook.update(send_for_all_actions=False, actions=["TASKS_CREATED"]), {},
        "webhook", "not told of ANNOTATIONS_DELETED", "for all actions",
    ),
    "the webhook lacks the secret": (
        lambda servers: None, {"webhook_secret": SecretStr("s")}, "webhook", "no secret", "Restart the backend",
    ),
    "the webhook has an old secret": (
        lambda servers: servers.webhook.update(headers={WEBHOOK_HEADER: "old"}), {"webhook_secret": SecretStr("s")},
        "webhook", "another secret", "Restart the backend",
    ),
    "the labeling config has no labels": (
        lambda servers: servers.project.update(label_config="<View/>"), {}, "labeling config", "refused",
        "labeling_config",
    ),
    "the video is gone": (
        lambda servers: setattr(servers, "video", b""), {}, "video", "not found", "storage",
    ),
    "the video is at a private address": (
        lambda servers: servers.task_data.update(video="http://10.0.0.1/a.mp4"), {}, "video", "private network",
        "MEDIA_HOSTS",
    ),
    "the rate is no number": (
        lambda servers: servers.task_data.update(fps="30000/1001"), {}, "frame rate", "takes for 24", "29.97",
    ),
    "the token may not write": (
        lambda servers: servers.refuses.add("POST"), {}, "prediction", "none can be stored", "right to write",
    ),
    "the token may not delete": (
        lambda servers: servers.refuses.add("DELETE"), {}, "prediction", "cannot be removed", "by hand",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_doctor_names_the_cause(settings: Settings, servers: Servers, name: str) -> None:
    breaking, changes, subject, cause, remedy = BROKEN[name]
    breaking(servers)
    given = {
        key: value.replace("{url}", servers.url) if isinstance(value, str) else value for key, value in changes.items()
    }
    found = remote(settings.model_copy(update=given))
    assert problems(found) == [subject]
    assert cause in found[subject].found
    assert remedy in found[subject].remedy


def test_a_model_in_use_that_is_damaged_is_named(settings: Settings, servers: Servers) -> None:
    registry = Registry(settings.models_dir, Model("base-1", None))
    published = registry.publish(3, load_detector(), "", {"gate": {"passed": True}}, [])
    registry.promote(3, published.name)
    assert problems(remote(settings)) == []
    (settings.models_dir / "3" / published.name / "weights.safetensors").write_bytes(b"torn")
    found = remote(settings)
    assert problems(found) == ["model"]
    assert "do not belong to model.json" in found["model"].found
    assert "deadlift models rollback --project 3" in found["model"].remedy


def test_a_name_that_the_backend_takes_is_no_problem(settings: Settings, servers: Servers) -> None:
    servers.name = "ml-backend.invalid"
    servers.allowed_hosts.add(servers.name)
    assert problems(remote(settings)) == []


def test_projects_that_are_not_connected_are_listed(settings: Settings, servers: Servers) -> None:
    servers.others = [
        servers.project | {"id": 4, "title": "Squats", "label_config": "<View/>"},
        servers.project | {"id": 5, "title": "More lifts"},
    ]
    found = remote(settings)
    assert (found["Project 5, More lifts"].status, found["Project 5, More lifts"].found[:13]) == ("ok", "not connected")
    refused = next(check for check in label_studio.label_studio(settings, "base-1") if "Squats" in check.subject)
    assert (refused.status, "would be refused" in refused.found) == ("note", True)


def test_a_rate_that_is_not_the_video_s_is_noted(settings: Settings, servers: Servers, tmp_path: Path) -> None:
    servers.video = write_video(tmp_path / "lift.mp4", count=10, fps=25).read_bytes()
    servers.task_data["fps"] = 50
    found = remote(settings)["frame rate"]
    assert (found.status, found.found) == ("note", "task 8: Label Studio counts 50 a second, the video has 25")


def test_a_config_without_a_rate_is_noted(settings: Settings, servers: Servers) -> None:
    servers.project["label_config"] = CONFIG_TEXT.replace('frameRate="$fps"', "")
    assert "24 a second" in remote(settings)["frame rate"].found


@pytest.mark.parametrize(
    ("unplayable", "data", "status"),
    [("", {}, "ok"), ("MPEG-4 Part 2", {}, "note"), ("MPEG-4 Part 2", {ORIGINAL: "/data/a.mp4"}, "ok")],
)
def test_whether_browsers_play_a_video_is_told(unplayable: str, data: dict[str, Any], status: str) -> None:
    found = playable(Task(8, 3, data), VideoInfo("a.mp4", 1.0, 25.0, 64, 48, unplayable=unplayable))
    assert (found.status, unplayable in found.found) == (status, status == "note" or not unplayable)


def test_what_is_played_is_told_of_a_project(settings: Settings, servers: Servers, tmp_path: Path) -> None:
    servers.video = write_video(tmp_path / "lift.mp4", count=10, fps=25).read_bytes()
    assert remote(settings)["playing"].found == "browsers play the video of task 8"


def test_every_analyzed_video_that_browsers_do_not_play_is_counted(settings: Settings, servers: Servers) -> None:
    with closing(Store(settings.database_url)) as store:
        for number, unplayable in ((21, ""), *((task, "MPEG-4 Part 2") for task in (22, 23, 24, 25))):
            job = store.job_for(Task(number, 3, {"video": "a.mp4"}), "a.mp4", "base-1", "c")
            found = analysis()
            found = replace(found, video=replace(found.video, unplayable=unplayable))
            store.start_jobs([job.id])
            store.finish_job(job.id, dump_analysis(found))
    said = remote(settings)["playing"]
    assert said.status == "note"
    assert said.found.startswith("browsers do not play 4 of its videos (task 25: MPEG-4 Part 2; ")
    assert said.found.endswith("; and 1 more)")
    assert "deadlift prelabel --tasks all --project 3 --playable" in said.remedy


def test_videos_whose_analysis_failed_are_counted(settings: Settings) -> None:
    in_use = load_detector().version
    with closing(Store(settings.database_url)) as store:
        for number in (21, 22):
            job = store.job_for(Task(number, 3, {"video": "a.mp4"}), "a.mp4", in_use, "c")
            store.start_jobs([job.id])
            store.fail_job(job.id, "NotAVideo", "a.mp4: the file is empty.")
    said = remote(settings)["videos"]
    assert (said.status, said.found) == ("note", "2 have no prediction, because the analysis failed")
    assert "deadlift jobs --project 3" in said.remedy


def test_projects_that_were_refused_are_told_without_label_studio(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"data_dir": tmp_path / "own", "label_studio_url": ""})
    with closing(Store(own.database_url)) as store:
        note_refused(store.engine, 7, "The labeling config has no TimelineLabels on a Video.")
    (found,) = label_studio.set_ups(own)
    assert (found.subject, found.status) == ("Project 7", "problem")
    assert "has no TimelineLabels" in found.found


def test_a_project_that_was_refused_is_told_once(settings: Settings, servers: Servers) -> None:
    servers.others = [servers.project | {"id": 4, "title": "Squats", "label_config": "<View/>"}]
    with pytest.raises(LabelConfigError) as refused:
        parse_controls("<View/>")
    with closing(Store(settings.database_url)) as store:
        note_refused(store.engine, 4, str(refused.value))
    assert not [check for check in label_studio.label_studio(settings, "base-1") if "Squats" in check.subject]
    with closing(Store(settings.database_url)) as store:
        note_refused(store.engine, 4, "It had no labels.")
    (other,) = (check for check in label_studio.label_studio(settings, "base-1") if "Squats" in check.subject)
    assert other.status == "note"
