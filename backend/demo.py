"""The demo: a Label Studio and our backend on this machine, videos in, predictions visible. Used by `deadlift demo`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import waitress
from pydantic import SecretStr

from backend.app import THREADS, create_app
from backend.errors import BackendError, LabelStudioError
from backend.labelstudio_server import LOOPBACK, LabelStudioServer
from backend.ls_client import Access, LabelStudioClient
from backend.ls_format import Json, Task
from backend.settings import Settings
from backend.store import Job, Store

PROJECT_TITLE = "Deadlift demo"
BACKEND_TITLE = "Deadlift"
LABELING_CONFIG = Path(__file__).parent.parent / "labeling_config.xml"
_POLL_S = 0.5


@dataclass(frozen=True)
class Demo:
    """A running demo: where it is, and access to its parts."""

    url: str
    project: int
    client: LabelStudioClient
    store: Store
    model_version: str
    """The one in use for the project."""


@contextmanager
def running(label_studio: LabelStudioServer, settings: Settings, videos: Sequence[Path]) -> Iterator[Demo]:
    """Start both servers, create the project once, upload videos that it does not have yet; stop both at the end.

    `settings` say where the backend listens and keeps its data; address and token of Label Studio are filled in here.
    Raises LabelStudioError, or BackendError for a taken port.
    """
    with label_studio:
        token = label_studio.personal_token()
        settings = settings.model_copy(
            update={"label_studio_url": label_studio.url, "label_studio_api_key": SecretStr(token)}
        )
        client = LabelStudioClient(Access(label_studio.url, SecretStr(token)))
        with backend_running(settings) as (url, store, version_of):
            project = client.find_project(PROJECT_TITLE)
            if project is None:
                project = client.create_project(PROJECT_TITLE, LABELING_CONFIG.read_text(encoding="utf-8"))
            client.connect_backend(project, url, BACKEND_TITLE)
            known = [str(task.data.get("video", "")) for task, _, _ in client.tasks(project)]
            for video in videos:
                if not any(address.endswith(_uploaded_name(video)) for address in known):
                    client.upload(project, video)
            yield Demo(label_studio.url, project, client, store, version_of(project))


@contextmanager
def backend_running(settings: Settings) -> Iterator[tuple[str, Store, Callable[[int], str]]]:
    """Our server in a thread of this process: its address, its store, and the model version in use for a project."""
    store = Store(settings.database_url)
    app = create_app(settings, store=store)
    service = app.extensions["preannotator"]
    try:
        server = waitress.create_server(app, host=LOOPBACK, port=settings.backend_port, threads=THREADS)
    except OSError as error:
        app.extensions["trainer"].close()
        service.close()
        raise BackendError(
            f"Port {settings.backend_port} is taken. Stop what listens there, or choose another with --backend-port."
        ) from error
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.effective_port}", store, service.model_version
    finally:
        server.close()
        app.extensions["trainer"].close()
        service.close()
        store.close()


def wait_for_predictions(demo: Demo, progress: Callable[[int, int], None]) -> list[tuple[Task, list[Json]]]:
    """Each task with its predictions of the current version, as Label Studio's API shows them.

    Returns when every task has one or its job has failed; `progress` gets the number of tasks that are through, of how
    many. Raises LabelStudioError.
    """
    while True:
        found = []
        failed = {job.task for job in demo.store.jobs(demo.project) if job.state == "failed"}
        tasks = list(demo.client.tasks(demo.project))
        for task, _, versions in tasks:
            if demo.model_version in versions:
                stored = demo.client.predictions(task.id)
                found.append((task, [p for p in stored if p["model_version"] == demo.model_version]))
            elif task.id in failed:
                found.append((task, []))
        progress(len(found), len(tasks))
        if tasks and len(found) == len(tasks):
            return found
        time.sleep(_POLL_S)


def failed_jobs(demo: Demo) -> list[Job]:
    return [job for job in demo.store.jobs(demo.project) if job.state == "failed"]


def check_videos(videos: Sequence[Path]) -> None:
    """Raise LabelStudioError for a path that is no file, before anything is started."""
    missing = [str(video) for video in videos if not video.is_file()]
    if missing:
        raise LabelStudioError(f"No such video file: {', '.join(missing)}. Check the path.")


def _uploaded_name(video: Path) -> str:
    """How Label Studio ends the address of an uploaded file: eight characters, a dash, and the cleaned name."""
    return "-" + "".join(c for c in video.name.replace(" ", "_") if c.isalnum() or c in "-_.")
