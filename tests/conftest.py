"""Fixtures that test modules share: real clips, a store, a fake Label Studio, the server with fakes at its seams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import CONFIG, VERSION, FakeExecutor
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from label_studio_api import FakeLabelStudio
from places import PAYLOADS, SHARED
from pydantic import SecretStr

from backend.context import Context
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.web.app import create_app
from pipeline.config import PipelineConfig

# The same examples every time, however busy the machine is.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real clips, which are not part of the repository."""
    if not (SHARED / "data" / "videos").is_dir():
        pytest.skip(f"no real clips in {SHARED}; DEADLIFT_SHARED says where they are")
    return SHARED / "data"


@pytest.fixture
def payload() -> Callable[[str], Any]:
    """A captured request of Label Studio, by the name of its file: the body alone."""

    def read(name: str) -> Any:
        content = json.loads((PAYLOADS / f"{name}.json").read_text())
        return content["body"]

    return read


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'backend.sqlite3'}")
    yield store
    store.close()


@pytest.fixture
def label_studio() -> Iterator[FakeLabelStudio]:
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture
def access(label_studio: FakeLabelStudio) -> Access:
    return Access(label_studio.url, SecretStr(label_studio.refresh_token))


@pytest.fixture
def client(access: Access) -> LabelStudioClient:
    return LabelStudioClient(access)


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def make_service(store: Store, executor: FakeExecutor, tmp_path: Path) -> Iterator[Callable[..., Preannotator]]:
    """Makes services on one store, as starts of the backend one after the other."""
    made = []

    def make(
        access: Access, wait_s: float = 0.0, version: str = VERSION, remove_superseded: bool = True
    ) -> Preannotator:
        registry = Registry(tmp_path / "models", Model(version, None))
        context = Context(store, LabelStudioClient(access), registry, PipelineConfig(), access, tmp_path)
        context = replace(context, remove_superseded=remove_superseded)
        service = Preannotator(context, executor, wait_s)
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(make_service: Callable[..., Preannotator], access: Access) -> Preannotator:
    """A backend with access to Label Studio."""
    service = make_service(access)
    service.connect(1, CONFIG)
    return service


@pytest.fixture
def lone_service(make_service: Callable[..., Preannotator]) -> Preannotator:
    """A backend that was given no token."""
    service = make_service(Access("", SecretStr("")))
    service.connect(1, CONFIG)
    return service


@pytest.fixture
def http(service: Preannotator, store: Store, tmp_path: Path) -> FlaskClient:
    """A client of the server that has access to Label Studio."""
    return create_app(Settings(data_dir=tmp_path), service, store).test_client()


@pytest.fixture
def lone_http(lone_service: Preannotator, store: Store, tmp_path: Path) -> FlaskClient:
    """A client of the server that was given no token."""
    return create_app(Settings(data_dir=tmp_path), lone_service, store).test_client()
