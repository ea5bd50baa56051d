"""What `deadlift doctor` checks, on this machine and in Label Studio: each finding with its remedy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from backend.doctor import machine
from backend.doctor.machine import Check, backend_at
from backend.errors import BackendError, LabelConfigError, LabelStudioError, MediaError, MediaTooLarge
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.labelstudio.records import Access, ConnectedBackend, ProjectInfo
from backend.local_labelstudio.install import VERSION as TESTED_LABEL_STUDIO
from backend.models.registry import Model, Registry
from backend.settings import Settings

NEEDED_EVENTS = {"TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"}
_SAMPLE_BYTES = 1 << 20


def checks(settings: Settings) -> Iterator[Check]:
    """Every check that makes sense, one after the other: seconds each."""
    yield machine.python()
    yield machine.libraries()
    yield machine.pose_model(settings)
    version, model = machine.anomaly_model(settings)
    yield model
    yield machine.data_folder(settings.data_dir)
    yield machine.port(settings, version)
    yield from label_studio(settings, version)


def label_studio(settings: Settings, version: str) -> Iterator[Check]:
    """From the address to the video of a task, as far as each step allows the next."""
    from backend.context import access_of, with_known_names
    from backend.storage.database import database_exists
    from backend.storage.jobs import Store

    if not settings.label_studio_url:
        yield Check(
            "Label Studio",
            "note",
            "LABEL_STUDIO_URL is not set: uploaded videos cannot be fetched, nor predictions stored",
            "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
        )
        return
    access = access_of(settings)
    if database_exists(settings.database_url):
        with suppress(BackendError), closing(Store(settings.database_url)) as store:
            access = with_known_names(access, store)
    client = LabelStudioClient(access)
    try:
        release = client.server_version()
    except LabelStudioError as error:
        yield Check("Label Studio", "problem", str(error), "Start it, or correct LABEL_STUDIO_URL.")
        return
    if release == TESTED_LABEL_STUDIO:
        yield Check("Label Studio", "ok", f"{release} at {settings.label_studio_url}")
    else:
        found = f"{release} at {settings.label_studio_url}; this backend was tested with {TESTED_LABEL_STUDIO}"
        yield Check("Label Studio", "note", found, "If something fails, try the tested version.")
    yield timeouts()
    accepted = token(settings, client)
    yield accepted
    if accepted.status == "ok":
        yield from projects(settings, client, access, version)


def timeouts() -> Check:
    """Not readable from outside, but the cause of what is seen as "disconnected" or as lost predictions."""
    found = (
        "its own settings, not to be read from here. Unless set otherwise it waits for /health 1 s "
        "(ML_TIMEOUT_HEALTH), /setup 3 s (ML_TIMEOUT_SETUP), /predict 100 s (ML_TIMEOUT_PREDICT), a webhook 1 s "
        "(WEBHOOK_TIMEOUT)"
    )
    return Check("Timeouts", "ok", found)


def token(settings: Settings, client: LabelStudioClient) -> Check:
    """Whether Label Studio accepts the key, which is a personal token (three parts with dots) or a legacy one."""
    key = settings.label_studio_api_key.get_secret_value()
    new = "Make a new one in Label Studio (Account & Settings > Personal Access Token) and set LABEL_STUDIO_API_KEY."
    if not key:
        return Check("Token", "problem", "LABEL_STUDIO_API_KEY is not set", new)
    kind = "personal access token" if key.count(".") == 2 else "legacy token"
    try:
        return Check("Token", "ok", f"{kind} of {client.account()}")
    except LabelStudioError as error:
        if kind == "legacy token":
            new = f"New organizations refuse legacy tokens. {new}"
        return Check("Token", "problem", f"{kind}: {error}", new)


def projects(settings: Settings, client: LabelStudioClient, access: Access, version: str) -> Iterator[Check]:
    """The projects that our backend is connected to, and each with what it needs."""
    connected = 0
    registry = Registry(settings.models_dir, Model(version, settings.model_dir))
    try:
        for project in client.projects():
            for backend in client.connected_backends(project.id):
                if is_ours(backend.url, settings):
                    connected += 1
                    yield from connection(client, access, project, backend, registry.current(project.id).version)
    except LabelStudioError as error:
        yield Check("Projects", "problem", str(error), "Let the token's user see the projects.")
        return
    if not connected:
        remedy = "In a project: Settings > Model > Connect Model, with the backend's address as Label Studio sees it."
        yield Check("Projects", "note", "none is connected to this backend", remedy)


def connection(
    client: LabelStudioClient, access: Access, project: ProjectInfo, backend: ConnectedBackend, version: str
) -> Iterator[Check]:
    """One project and our backend: the connection, its webhook, the labeling config, the version shown, a video."""
    subject = f"Project {project.id}, {project.title}"
    if backend.state == "CO":
        yield Check(subject, "ok", f"connected to {backend.url}")
    else:
        remedy = f"See that Label Studio reaches {backend.url}, then open Settings > Model of the project."
        yield Check(subject, "problem", f"not connected to {backend.url}. {backend.error}".strip(), remedy)
    yield replace(webhook(client, project.id, backend.url), subject=f"{subject}: webhook")
    try:
        controls = parse_controls(project.label_config)
    except LabelConfigError as error:
        remedy = "Use labeling_config.xml, or add its controls."
        yield Check(f"{subject}: labeling config", "problem", str(error), remedy)
        return
    found = f"{controls.labels} on {controls.video}: {controls.normal}, {controls.anomalous}"
    yield Check(f"{subject}: labeling config", "ok", found)
    if version and project.model_version not in ("", version):
        remedy = f"Choose {version} in Settings > Model, or Predictions, to see and sort by its scores."
        yield Check(f"{subject}: version", "note", f"shows predictions of {project.model_version}", remedy)
    yield replace(video(client, access, project.id, controls), subject=f"{subject}: video")


def webhook(client: LabelStudioClient, project: int, backend_url: str) -> Check:
    """Whether Label Studio tells the backend of new tasks and of what people label."""
    wanted = backend_url.rstrip("/") + "/webhook"
    found = [hook for hook in client.webhooks(project) if hook.url == wanted]
    remedy = f"In Settings > Webhooks add {wanted} with payload, for all actions."
    if not found:
        # So it is with ML_BLOCK_LOCAL_IP=false alone: the connection is made, but its webhook refused.
        return Check("", "problem", f"none to {wanted}: new tasks and labels go unnoticed", remedy)
    hook = found[0]
    if not (hook.active and hook.sends_payload):
        return Check("", "problem", f"{wanted} is switched off or comes without payload", remedy)
    missing = set() if hook.all_actions else NEEDED_EVENTS - set(hook.actions)
    if missing:
        return Check("", "problem", f"{wanted} is not told of {', '.join(sorted(missing))}", remedy)
    return Check("", "ok", wanted)


def video(client: LabelStudioClient, access: Access, project: int, controls: Controls) -> Check:
    """Whether the video of one task can be fetched; of a large one no more than its beginning is."""
    from backend.labelstudio.media import MediaFetcher

    task, _, _ = next(client.tasks(project), (None, 0, None))
    if task is None:
        return Check("", "note", "no task to try", "Import a video.")
    media = controls.media_of(task.data)
    if not media:
        found = f'task {task.id} has no video address under "{controls.media.removeprefix("$")}"'
        return Check("", "problem", found, "Import tasks that have one there.")
    with tempfile.TemporaryDirectory(prefix="deadlift-") as folder:
        try:
            MediaFetcher(replace(access, max_bytes=_SAMPLE_BYTES), client).fetch(media, task.id, Path(folder))
        except MediaTooLarge:
            pass  # it is there, and that was the question
        except MediaError as error:
            return Check(
                "",
                "problem",
                f"task {task.id}: {error}",
                "Check the token, the storage, LABEL_STUDIO_HOST and MEDIA_HOSTS.",
            )
    return Check("", "ok", f"task {task.id}: {media} can be fetched")


def is_ours(url: str, settings: Settings) -> bool:
    """Whether a connected backend is this one: it says so, or, not reachable by its name from here, has our port."""
    serving, _ = backend_at(url)
    return serving is not None or urlsplit(url).port == settings.backend_port
