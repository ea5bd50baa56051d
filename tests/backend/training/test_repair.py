"""What the trainer puts right: labels that were missed, and the secret of events."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakes import CONFIG, VERSION, until
from label_studio_api import FakeLabelStudio
from training_lab import InlineExecutor

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.labelstudio.records import WEBHOOK_HEADER, Access
from backend.models.registry import Model, Registry
from backend.storage.jobs import Store
from backend.training.trainer import Trainer
from pipeline.config import PipelineConfig


class Repairs:
    """A trainer of project 1, which Label Studio lists the backend in, and what it asked to be caught up with."""

    def __init__(self, store: Store, access: Access, folder: Path) -> None:
        self.caught_up: list[int] = []
        self.executor = InlineExecutor()
        self.store = store
        client, self.moment = LabelStudioClient(access), 0.0
        self.connections = Connections(client, lambda url, is_only: True, lambda: self.moment)
        registry = Registry(folder / "models", Model(VERSION, None))
        context = Context(store, client, registry, PipelineConfig(), access, folder, connections=self.connections)
        self.trainer = Trainer(context, self.executor, 0, self.caught_up.append, "secret")
        store.remember_project(1, CONFIG)


@pytest.fixture
def repairs(
    store: Store, access: Access, label_studio: FakeLabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Repairs:
    monkeypatch.setattr("backend.training.trainer._REPAIR_S", 0.0)
    label_studio.label_config, label_studio.backend_version = CONFIG, VERSION
    return Repairs(store, access, tmp_path)


def label(label_studio: FakeLabelStudio) -> None:
    made = {"id": 5, "completed_by": 7, "updated_at": "2026-01-01T00:00:00Z", "result": []}
    label_studio.add_task(task_id=1)
    label_studio.tasks[1]["annotations"] = [made]


def test_labels_of_while_a_project_was_not_connected_are_pulled(
    repairs: Repairs, label_studio: FakeLabelStudio
) -> None:
    repairs.trainer.repair()
    label(label_studio)
    for listed in (set[int](), {1}):
        assert repairs.store.labels.annotations() == []
        repairs.moment += 1000.0
        label_studio.connected = listed
        repairs.trainer.repair()
    assert [annotation.id for annotation in repairs.store.labels.annotations()] == [5]


def test_labels_of_a_project_that_is_not_connected_are_not_read(
    repairs: Repairs, label_studio: FakeLabelStudio
) -> None:
    label(label_studio)
    label_studio.connected = set()
    for _ in range(2):
        repairs.trainer.repair()
        repairs.moment += 1000.0
    assert repairs.store.labels.annotations() == []


def test_labels_whose_events_could_not_be_kept_are_pulled(repairs: Repairs, label_studio: FakeLabelStudio) -> None:
    repairs.trainer.repair()
    label(label_studio)
    repairs.moment += 1000.0
    repairs.trainer.repair()
    assert repairs.store.labels.annotations() == []
    repairs.trainer.events_missed()
    repairs.moment += 1000.0
    repairs.trainer.repair()
    assert [annotation.id for annotation in repairs.store.labels.annotations()] == [5]


def test_a_webhook_that_is_made_anew_is_told_the_secret_while_a_training_goes_on(
    repairs: Repairs, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.training.trainer._POLL_S", 0.02)
    url, told = f"{label_studio.backend_url}/webhook", []

    def knows_secret() -> bool:
        return label_studio.webhooks[1]["headers"] == {WEBHOOK_HEADER: "secret"}

    def train() -> None:
        until(knows_secret)
        label_studio.webhooks[1] = {"id": 1, "url": url, "headers": {}}
        repairs.trainer.event_without_secret()
        until(knows_secret)
        told.append(1)

    label_studio.webhooks[1] = {"id": 1, "url": url, "headers": {}}
    repairs.executor.before = train
    run = repairs.trainer.request(1, "test")
    thread = threading.Thread(target=repairs.trainer.run_until_closed)
    thread.start()
    until(lambda: repairs.trainer.runs.run(run.id).state not in ("queued", "running"))
    repairs.trainer.close()
    thread.join(20)
    assert told == [1]
    assert repairs.caught_up == [1, 1]


def test_events_without_the_secret_make_nobody_catch_up_where_webhooks_have_it(
    repairs: Repairs, label_studio: FakeLabelStudio
) -> None:
    hook = {"id": 1, "url": f"{label_studio.backend_url}/webhook", "headers": {WEBHOOK_HEADER: "secret"}}
    label_studio.webhooks[1] = hook
    for _ in range(3):
        repairs.trainer.event_without_secret()
        repairs.trainer.repair()
    assert repairs.caught_up == []
    assert label_studio.calls["GET /api/webhooks/"] == 3
