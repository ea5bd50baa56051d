"""The part of `deadlift doctor` about one project: its connection, webhook, labeling config, a video, a prediction."""

from __future__ import annotations

import hmac
import ipaddress
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from backend.doctor.database import stored
from backend.doctor.machine import Check, backend_at, elsewhere, refuses_host
from backend.errors import LabelConfigError, LabelStudioError, MediaError, MediaTooLarge
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import DEFAULT_RATE, Controls, effective_rate, parse_controls
from backend.labelstudio.outgoing import is_public, resolved
from backend.labelstudio.records import Access, ConnectedBackend, ProjectInfo
from backend.labelstudio.task_columns import command_for_copies
from backend.labelstudio.task_data import ORIGINAL, resolve
from backend.models.registry import Registry
from backend.settings import Settings
from pipeline.errors import VideoError
from pipeline.records import VideoInfo

NEEDED_EVENTS = {"TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"}
LOOPBACK = (
    "Since 1.23.1 Label Studio takes addresses of its own machine or network only when it is started with both "
    "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false."
)
TRIAL_VERSION = "deadlift-doctor"
"""The model version of the prediction that is stored and removed again."""
_SAMPLE_BYTES = 1 << 20
_NAMED = 3
_RATE_TOLERANCE = 0.01


def project_checks(
    settings: Settings, client: LabelStudioClient, access: Access, registry: Registry, project: ProjectInfo
) -> tuple[bool, list[Check]]:
    """Whether the project is connected to our backend, and what is to say about it. Raises LabelStudioError."""
    ours = [backend for backend in client.connected_backends(project.id) if is_ours(backend.url, settings)]
    if not ours:
        return False, list(unconnected(settings, project))
    version = registry.current(project.id).version
    found = [check for backend in ours for check in connection(settings, client, access, project, backend, version)]
    return True, [*model(registry, project), *failed(settings, version, project), *found]


def model(registry: Registry, project: ProjectInfo) -> Iterator[Check]:
    """Whether the model that was put in use for the project can be used."""
    damage = registry.damage(project.id)
    if damage:
        found = f"{damage} {registry.fallback.version} judges in its place"
        remedy = f"Put its folder back, or another model in use: deadlift models rollback --project {project.id}."
        yield Check(f"{_subject(project)}: model", "problem", found, remedy)


def failed(settings: Settings, version: str, project: ProjectInfo) -> Iterator[Check]:
    """How many videos have no prediction of the model in use because their analysis failed."""
    from backend.storage.overview import count_videos
    from backend.storage.video_filter import VideoFilter

    with stored(settings) as store:
        wanted = VideoFilter(project.id, "failed")
        count = 0 if store is None else count_videos(store.engine, {project.id: version}, wanted)
    if count:
        found = f"{count} {'has' if count == 1 else 'have'} no prediction, because the analysis failed"
        remedy = f"deadlift jobs --project {project.id} says why, and what to do."
        yield Check(f"{_subject(project)}: videos", "note", found, remedy)


def unconnected(settings: Settings, project: ProjectInfo) -> Iterator[Check]:
    """A project of somebody else, or one that was forgotten: whether it could be connected. One that was refused for
    what keeps it from that is told among the set-ups."""
    try:
        parse_controls(project.label_config)
    except LabelConfigError as error:
        if _is_told(settings, project, str(error)):
            return
        remedy = "Before it is connected: labeling_config.xml, or its controls."
        found = f"not connected; its labeling config would be refused: {error}"
        yield Check(_subject(project), "note", found, remedy)
        return
    yield Check(_subject(project), "ok", "not connected to this backend; its labeling config would do")


def _is_told(settings: Settings, project: ProjectInfo, why: str) -> bool:
    from backend.storage.setups import refused_setups

    with stored(settings) as store:
        refused = [] if store is None else refused_setups(store.engine)
    return any(one.project == project.id and why.startswith(one.message) for one in refused)


def connection(
    settings: Settings,
    client: LabelStudioClient,
    access: Access,
    project: ProjectInfo,
    backend: ConnectedBackend,
    version: str,
) -> Iterator[Check]:
    """One project and our backend: the connection, its webhook, the labeling config, the version shown, a task."""
    subject = _subject(project)
    if backend.state == "CO":
        yield Check(subject, "ok", f"connected to {backend.url}")
    else:
        remedy = f"See that Label Studio reaches {backend.url}, then open Settings > Model of the project."
        if _is_local(backend.url):
            remedy = f"{remedy} {LOOPBACK}"
        yield Check(subject, "problem", f"not connected to {backend.url}. {backend.error}".strip(), remedy)
    if refuses_host(backend.url, settings):
        host = urlsplit(backend.url).hostname
        remedy = f"Add {host} to ALLOWED_HOSTS and restart the backend."
        yield Check(f"{subject}: host", "problem", f"the backend refuses all that Label Studio sends to {host}", remedy)
    secret = settings.webhook_secret.get_secret_value()
    yield replace(webhook(client, project.id, backend.url, secret), subject=f"{subject}: webhook")
    try:
        controls = parse_controls(project.label_config)
    except LabelConfigError as error:
        remedy = "Use labeling_config.xml, or add its controls."
        yield Check(f"{subject}: labeling config", "problem", f"refused: {error}", remedy)
        return
    found = f"{controls.labels} on {controls.video}: {controls.normal}, {controls.anomalous}"
    yield Check(f"{subject}: labeling config", "ok", found)
    if controls.unused_words:
        remedy = "Take them out of the labeling config, or tell annotators which two count."
        yield Check(f"{subject}: labels", "note", controls.unused_words, remedy)
    # Of another folder the version says nothing.
    if version and project.model_version not in ("", version) and not elsewhere(settings):
        remedy = f"Choose {version} in Settings > Model, or Predictions, to see and sort by its scores."
        yield Check(f"{subject}: version", "note", f"shows predictions of {project.model_version}", remedy)
    task, _, _ = next(client.tasks(project.id), (None, 0, None))
    if task is None:
        yield Check(f"{subject}: video", "note", "no task to try", "Import a video.")
        return
    check, info = video(client, access, task, controls)
    yield replace(check, subject=f"{subject}: video")
    info = info or _analyzed(settings, task, controls)
    yield from (replace(one, subject=f"{subject}: playing") for one in _playing(settings, project.id, task, info))
    yield replace(frame_rate(task, controls, info.fps if info else None), subject=f"{subject}: frame rate")
    yield replace(prediction(client, task), subject=f"{subject}: prediction")


def webhook(client: LabelStudioClient, project: int, backend_url: str, secret: str = "") -> Check:
    """Whether Label Studio tells the backend of new tasks and of what people label, with the secret that it wants."""
    wanted = backend_url.rstrip("/") + "/webhook"
    found = [hook for hook in client.webhooks(project) if hook.url == wanted]
    remedy = f"In Settings > Webhooks add {wanted} with payload, for all actions."
    if not found:
        # So it is with ML_BLOCK_LOCAL_IP=false alone: the connection is made, but its webhook refused.
        if _is_local(backend_url):
            remedy = f"{remedy} {LOOPBACK}"
        return Check("", "problem", f"none to {wanted}: new tasks and labels go unnoticed", remedy)
    hook = found[0]
    if not (hook.active and hook.sends_payload):
        return Check("", "problem", f"{wanted} is switched off or comes without payload", remedy)
    missing = set() if hook.all_actions else NEEDED_EVENTS - set(hook.actions)
    if missing:
        return Check("", "problem", f"{wanted} is not told of {', '.join(sorted(missing))}", remedy)
    if secret and not hmac.compare_digest(hook.secret.encode(), secret.encode()):
        sent = "another secret than" if hook.secret else "no secret, and"
        return Check(
            "", "problem", f"{wanted} is sent {sent} WEBHOOK_SECRET: events are refused", "Restart the backend."
        )
    return Check("", "ok", wanted)


def video(client: LabelStudioClient, access: Access, task: Task, controls: Controls) -> tuple[Check, VideoInfo | None]:
    """Whether the video of a task can be fetched, and what it is; of a large one no more than its beginning is."""
    from backend.labelstudio.media import MediaFetcher
    from pipeline.media import reading

    media = controls.media_of(task.data)
    if not media:
        found = f'task {task.id} has no video address under "{controls.media.removeprefix("$")}"'
        return Check("", "problem", found, "Import tasks that have one there."), None
    info = None
    with tempfile.TemporaryDirectory(prefix="deadlift-") as folder:
        try:
            fetcher = MediaFetcher(replace(access, max_bytes=_SAMPLE_BYTES), client, longest_pause_s=0.5)
            path = fetcher.fetch(media, task.id, Path(folder))
            with suppress(VideoError):
                info = reading.probe(path)
        except MediaTooLarge:
            pass  # it is there, and that was the question
        except (MediaError, LabelStudioError) as error:
            remedy = "Check the token, the storage, LABEL_STUDIO_HOST and MEDIA_HOSTS."
            return Check("", "problem", f"task {task.id}: {error}", remedy), None
    return Check("", "ok", f"task {task.id}: {media} can be fetched"), info


def playable(task: Task, info: VideoInfo) -> Check:
    """Whether people see anything when they open the task: browsers do not play every file that can be analyzed."""
    if ORIGINAL in task.data:
        return Check("", "ok", f"task {task.id} plays a copy that browsers play")
    if not info.unplayable:
        return Check("", "ok", f"browsers play the video of task {task.id}")
    found = f"browsers do not play the video of task {task.id}, which stays black: {info.unplayable}"
    return Check("", "note", found, _give_copies(task.project))


def _analyzed(settings: Settings, task: Task, controls: Controls) -> VideoInfo | None:
    """What an analysis says of the video of a task, None where there is none."""
    from backend.predictions.jobs import known_media

    key = task.id, controls.media_of(task.data)
    with stored(settings) as store:
        known = None if store is None else known_media(store, [key]).get(key)
        return None if known is None else known.video


def _playing(settings: Settings, project: int, task: Task, info: VideoInfo | None) -> list[Check]:
    """The analyzed videos that browsers do not play; where there is none, whether they play that of one task."""
    from backend.storage import summaries
    from backend.storage.overview import count_videos, videos
    from backend.storage.video_filter import InUse, VideoFilter

    with stored(settings) as store:
        if store is not None:
            summaries.refresh(store.engine)
            wanted = VideoFilter(project, issue="codec")
            any_model: InUse = {}  # whichever it is, it says the same of the file
            if rows := videos(store.engine, any_model, wanted, "newest", limit=_NAMED):
                count = count_videos(store.engine, any_model, wanted)
                named = "; ".join(f"task {row.task}: {row.unplayable}" for row in rows)
                more = f"; and {count - len(rows)} more" if count > len(rows) else ""
                found = f"browsers do not play {count} of its videos ({named}{more})"
                return [Check("", "note", found, _give_copies(project))]
    return [] if info is None else [playable(task, info)]


def _give_copies(project: int) -> str:
    return f"Give them copies: {command_for_copies(project)}. With MAKE_PLAYABLE=true new videos get one."


def frame_rate(task: Task, controls: Controls, fps: float | None) -> Check:
    """Whether Label Studio counts frames as the task's video has them. fps: of the video, None where not known."""
    wanted, given = controls.frame_rate, resolve(controls.frame_rate, task.data)
    if not wanted:
        found = f"the labeling config names none: Label Studio counts {DEFAULT_RATE:g} a second"
        return Check("", "note", found, 'Write frameRate="$fps" into its Video tag.')
    if given in (None, ""):
        return Check("", "ok", f"{wanted} of task {task.id} is written with its prediction")
    rate = effective_rate(controls, task.data)
    if rate == DEFAULT_RATE and str(given) not in ("24", "24.0"):
        found = f'task {task.id} says "{given}", which Label Studio takes for {DEFAULT_RATE:g} a second'
        return Check("", "problem", found, "Write a number there, such as 29.97.")
    if fps is not None and abs(rate / fps - 1.0) > _RATE_TOLERANCE:
        found = f"task {task.id}: Label Studio counts {rate:g} a second, the video has {fps:g}"
        return Check("", "note", found, "Its pictures stand beside other frame numbers than players show.")
    return Check("", "ok", f"task {task.id}: {rate:g} a second")


def prediction(client: LabelStudioClient, task: Task) -> Check:
    """Whether a prediction can be stored and removed: an empty one of a version of its own, for a moment."""
    try:
        number = client.create_prediction(task.id, {"result": [], "score": 0.0, "model_version": TRIAL_VERSION})
    except LabelStudioError as error:
        remedy = "Give the token's user the right to write in the project."
        return Check("", "problem", f"none can be stored for task {task.id}. {error}", remedy)
    try:
        client.delete_prediction(number)
    except LabelStudioError as error:
        remedy = f"Remove prediction {number} of version {TRIAL_VERSION} by hand."
        return Check("", "problem", f"stored for task {task.id}, but cannot be removed. {error}", remedy)
    return Check("", "ok", f"one was stored for task {task.id} and removed again")


def is_ours(url: str, settings: Settings) -> bool:
    """Whether a connected backend is this one: it says so, or, not reachable by its name from here, has our port."""
    serving, _ = backend_at(url)
    return serving is not None or urlsplit(url).port == settings.backend_port


def _is_local(url: str) -> bool:
    """Whether Label Studio would refuse the address unless told otherwise: as far as its name can be looked up here."""
    with suppress(OSError, UnicodeError, ValueError):
        return not all(is_public(ipaddress.ip_address(address)) for address in resolved(urlsplit(url).hostname or ""))
    return True


def _subject(project: ProjectInfo) -> str:
    return f"Project {project.id}, {project.title}"
