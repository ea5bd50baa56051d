"""Fixtures that test modules share: real clips, a store, a fake Label Studio, the server with fakes at its seams."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.app import create_app
from backend.context import Context
from backend.ls_client import LabelStudioClient
from backend.ls_records import Access
from backend.registry import Model, Registry
from backend.service import Preannotator
from backend.settings import Settings
from backend.store import Store
from pipeline.config import PipelineConfig
from pipeline.records import Analysis, Reason, Rep, RepScore, VideoInfo

# The same examples every time, however busy the machine is.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

CONFIG = """<View>
  <Video name="video" value="$video" frameRate="$fps" timelineHeight="120"/>
  <TimelineLabels name="reps" toName="video">
    <Label value="Normal rep"/><Label value="Anomalous rep"/>
  </TimelineLabels>
  <Number name="anomaly" toName="video" perRegion="true"/>
  <Choices name="fault" toName="video" perRegion="true">
    <Choice value="Rounded back"/><Choice value="Hitching"/>
  </Choices>
  <TextArea name="note" toName="video" perRegion="true"/>
</View>"""
VERSION = "base-1"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real clips, which are not part of the repository."""
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("DEADLIFT_SHARED", root.parent / "shared"))
    if not (folder / "data" / "videos").is_dir():
        pytest.skip(f"no real clips in {folder}; DEADLIFT_SHARED says where they are")
    return folder / "data"


@pytest.fixture
def payload() -> Callable[[str], Any]:
    """A captured request of Label Studio, by the name of its file: the body alone."""

    def read(name: str) -> Any:
        content = json.loads((Path(__file__).parent / "data" / "payloads" / f"{name}.json").read_text())
        return content["body"]

    return read


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def analysis(
    scores: tuple[float, ...] = (0.1, 0.9), fps: float = 30.0, version: str = VERSION, **other: Any
) -> Analysis:
    """Repetitions of two seconds each, one after the other from second 1 on."""
    reps = tuple(Rep(1.0 + 3 * n, 2.0 + 3 * n, 3.0 + 3 * n) for n in range(len(scores)))
    values: dict[str, Any] = {
        "video": VideoInfo("video.mp4", 3.0 * len(scores) + 2, fps, 640, 480),
        "reps": reps,
        "scores": tuple(RepScore(s, 0.5, 1.0, (Reason("back", "pull", 0.6),)) for s in scores),
        "confidence": 0.8,
        "model_version": version,
        "config_digest": "c",
    }
    return Analysis(**(values | other))


class FakeExecutor:
    """Keeps what is submitted until the test says how it ends."""

    def __init__(self) -> None:
        self.submitted: list[tuple[int, Future[Any], str]] = []
        self.works: list[Any] = []
        self.priorities: dict[int, int] = {}
        self.is_closed = False

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        self.priorities[args[0].task.id] = priority
        future: Future[Any] = Future()
        self.submitted.append((args[0].task.id, future, key))
        self.works.append(args[0])
        return future

    def hasten(self, key: str, priority: int) -> None:
        for task, _, known in self.submitted:
            if known == key:
                self.priorities[task] = max(priority, self.priorities[task])

    def close(self) -> None:
        self.is_closed = True

    def tasks(self) -> list[int]:
        return [task for task, _, _ in self.submitted]

    def finish(self, task: int, result: Analysis | None = None) -> None:
        self._latest(task).set_result(result or analysis())

    def fail(self, task: int, error: BaseException) -> None:
        self._latest(task).set_exception(error)

    def _latest(self, task: int) -> Future[Any]:
        return next(future for number, future, _ in reversed(self.submitted) if number == task)


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

    def make(access: Access, wait_s: float = 0.0, version: str = VERSION) -> Preannotator:
        registry = Registry(tmp_path / "models", Model(version, None))
        context = Context(store, LabelStudioClient(access), registry, PipelineConfig(), access, tmp_path)
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
