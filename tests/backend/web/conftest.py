"""A server that has a token for Label Studio, and events as Label Studio sends them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor
from hinted_server import ONCE, Server
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from pipeline.config import PipelineConfig


@pytest.fixture
def server(
    label_studio: FakeLabelStudio, access: Access, store: Store, tmp_path: Path, executor: FakeExecutor
) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    label_studio.backend_url = f"http://127.0.0.1:{port}"
    client = LabelStudioClient(access)
    connections = Connections(client, lambda url, _: url == label_studio.backend_url)
    registry = Registry(tmp_path / "models", Model(VERSION, None))
    context = Context(store, client, registry, PipelineConfig(), access, tmp_path, connections=connections)
    service = Preannotator(context, executor, 0.0)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, backend_port=port, label_studio_url=access.url,
        label_studio_api_key=SecretStr(access.api_key.get_secret_value()),
    )  # fmt: skip
    yield Server(create_app(settings, service, store), label_studio, store, service)
    service.close()


@pytest.fixture
def event(payload: Callable[[str], Any]) -> Callable[..., Any]:
    """An event of project 1 about task 5, changed as wanted."""

    def make(name: str, project: int = 1, **changes: Any) -> Any:
        sent = payload(name)
        sent["project"] |= {"id": project, "label_config": CONFIG}
        if "annotation" in sent:
            sent["annotation"] |= {"id": 6, "task": 5, "updated_at": ONCE} | changes
            sent["task"] |= {"id": 5, "project": project}
        return sent

    return make
