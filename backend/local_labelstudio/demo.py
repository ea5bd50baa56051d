"""The demo: a Label Studio and our backend on this machine, videos in, predictions visible. Used by `deadlift demo`."""

from __future__ import annotations

import logging
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pydantic import SecretStr

from backend.errors import BackendError, LabelStudioError, UploadRefused
from backend.labelstudio import data_manager
from backend.labelstudio.client import UPLOADED, LabelStudioClient
from backend.labelstudio.format import Json, Task
from backend.labelstudio.labeling_config import default_config, parse_controls
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, free_port
from backend.settings import Settings
from backend.storage.jobs import Job, Store
from backend.web.server import check_listening, listening
from pipeline.errors import PipelineError
from pipeline.media.playability import unplayable
from pipeline.media.playable_copy import copy_of
from pipeline.media.reading import probe

log = logging.getLogger(__name__)

PROJECT_TITLE = "Deadlift demo"
BACKEND_TITLE = "Deadlift"
_POLL_S = 0.5
_ALL = 1_000_000


@dataclass(frozen=True)
class Demo:
    """A running demo: where it is, and access to its parts."""

    url: str
    backend_url: str
    project: int
    client: LabelStudioClient
    store: Store
    model_version: str
    """The one in use for the project."""
    known: frozenset[int] = frozenset()
    """Tasks that had a prediction of that version when the demo started."""


@contextmanager
def running(
    label_studio: LabelStudioServer,
    settings: Settings,
    videos: Sequence[Path],
    refused: Callable[[str], None] = log.warning,
    draw: Callable[[], Path] | None = None,
) -> Iterator[Demo]:
    """Start both servers, create the project once, upload videos that it does not have yet; stop both at the end.

    `settings` say where the backend listens and keeps its data; address and token of Label Studio are filled in here.
    `refused` gets why Label Studio did not take a video. draw: see `videos_or_drawn`.
    Raises LabelStudioError, or BackendError for a taken port or data folder.
    """
    check_listening(settings)  # Label Studio takes long to start
    with label_studio:
        token = label_studio.personal_token()
        settings = settings.model_copy(
            update={"label_studio_url": label_studio.url, "label_studio_api_key": SecretStr(token)}
        )
        client = LabelStudioClient(Access(label_studio.url, SecretStr(token)))
        with listening(settings) as backend:
            threading.Thread(target=backend.server.serve, name="http", daemon=True).start()
            project = client.find_project(PROJECT_TITLE)
            if project is None:
                project = client.create_project(PROJECT_TITLE, default_config())
            user, password = settings.basic_auth_user, settings.basic_auth_pass.get_secret_value()
            client.connect_backend(project, backend.url, BACKEND_TITLE, user, password)
            data_manager.preset(client, project)
            controls = parse_controls(default_config())
            before = list(client.tasks(project))
            addresses = [controls.media_of(task.data) for task, _, _ in before]
            upload_new(client, project, videos_or_drawn(videos, addresses, draw), addresses, refused)
            version = backend.services.preannotator.model_version(project)
            known = frozenset(task.id for task, _, versions in before if version in versions)
            try:
                yield Demo(label_studio.url, backend.url, project, client, backend.services.store, version, known)
            except LabelStudioError as error:
                if fault := label_studio.fault():
                    raise fault from error
                raise


def check_ports(settings: Settings, label_studio_port: int) -> None:
    """Whether both servers can have their ports, before anything is made for them. Raises BackendError."""
    check_listening(settings)
    free_port(label_studio_port)


def videos_or_drawn(
    videos: Sequence[Path], addresses: Sequence[str], draw: Callable[[], Path] | None
) -> Sequence[Path]:
    """The videos; without any a drawn one, but only for a project without tasks: beside real ones it would be in the
    way."""
    return videos if videos or addresses or draw is None else [draw()]


def upload_new(
    client: LabelStudioClient,
    project: int,
    videos: Sequence[Path],
    addresses: Sequence[str],
    refused: Callable[[str], None],
) -> None:
    """Upload the videos that none of the project's addresses is of; `refused` gets why one was not taken.

    Raises UploadRefused where the project stays without any video: there would be nothing to wait for.
    """
    count = len(addresses)
    last: UploadRefused | None = None
    for video in videos:
        if any(is_upload_of(address, video) for address in addresses):
            continue
        try:
            client.upload(project, video)
            count += 1
        except UploadRefused as error:
            last = error
            refused(f"{video}: {error}")
    if last is not None and not count:
        raise last


def wait_for_predictions(demo: Demo, progress: Callable[[int, int], None]) -> list[tuple[Task, list[Json]]]:
    """Each task with its predictions of the current version, as Label Studio's API shows them.

    Returns when every task has one or its job has failed; `progress` gets the number of tasks that are through, of how
    many. Raises LabelStudioError.
    """
    while True:
        found = []
        failed = {job.task for job in failed_jobs(demo)}
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
    """The failed jobs of the version in use."""
    jobs = demo.store.jobs(demo.project, limit=_ALL)
    return [job for job in jobs if job.state == "failed" and job.model_version == demo.model_version]


def usable(videos: Sequence[Path], refused: Callable[[str], None]) -> list[Path]:
    """Those of the videos that can be used, before anything is started; `refused` gets the reason of each other one.

    Raises BackendError, with all reasons, where none can.
    """
    good, wrong = [], []
    for video in videos:
        try:
            probe(video)
        except PipelineError as error:
            wrong.append(str(error))
            continue
        if video.name.lower().endswith(UPLOADED):
            good.append(video)
        else:
            taken = f"{video}: Label Studio takes uploads that end in {' or '.join(UPLOADED)}."
            wrong.append(f"{taken} {_how_to_have_it_taken(video)}")
    if wrong and not good:
        raise BackendError("\n".join(wrong))
    for why in wrong:
        refused(why)
    return good


def _how_to_have_it_taken(video: Path) -> str:
    if unplayable(video):
        return f"Give {copy_of(video).name}, which `deadlift playable {shlex.quote(str(video))}` writes."
    return "Browsers play it: give it a name that ends so."


def is_upload_of(address: str, video: Path) -> bool:
    """Whether that address of an upload is of a file of this name: eight characters, a dash, and the cleaned name."""
    cleaned = re.sub(r"[^-\w.]", "", video.name.strip().replace(" ", "_"))
    return re.fullmatch(r"[0-9a-f]{8}-" + re.escape(cleaned), unquote(address.rsplit("/", 1)[-1])) is not None
