"""The part of `deadlift doctor` about Label Studio: its release, clock and token, and all projects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from backend.doctor import machine, project
from backend.doctor.database import stored
from backend.doctor.machine import Check
from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.local_labelstudio.install import VERSION as TESTED_LABEL_STUDIO
from backend.models.registry import Model, Registry
from backend.settings import Settings
from pipeline.anomaly.versions import parts_of

MOST_SKEW_S = 60.0
_AT_ONCE = 4


def label_studio(settings: Settings, version: str) -> Iterator[Check]:
    """From the address to the video of a task, as far as each step allows the next."""
    from backend.context import access_of, with_known_names

    if not settings.label_studio_url:
        yield Check(
            "Label Studio",
            "note",
            "LABEL_STUDIO_URL is not set: uploaded videos cannot be fetched, nor predictions stored",
            "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
        )
        return
    access = access_of(settings)
    with stored(settings) as store:
        if store is not None:
            access = with_known_names(access, store)
    client = LabelStudioClient(access, machine.PATIENCE_S)
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
    yield from clock(client)
    accepted = token(settings, client)
    yield accepted
    if accepted.status == "ok":
        yield from projects(settings, client, access, version)


def set_ups(settings: Settings) -> Iterator[Check]:
    """Projects that were to be connected and were refused: Label Studio shows its users no reason."""
    from backend.storage.setups import refused_setups

    with stored(settings) as store:
        for refused in [] if store is None else refused_setups(store.engine):
            found = f"could not be connected on {refused.refused_at:%Y-%m-%d %H:%M} UTC: {refused.message}"
            remedy = "Correct that, then connect it again: Settings > Model > Connect Model of the project."
            yield Check(f"Project {refused.project}", "problem", found, remedy)


def clock(client: LabelStudioClient) -> Iterator[Check]:
    """Whether both machines have the same time: access tokens live five minutes."""
    try:
        theirs = client.clock_s()
    except LabelStudioError:  # it answered a moment ago, and is asked again
        return
    if theirs is None:
        return
    skew_s = theirs - time.time()
    if abs(skew_s) > MOST_SKEW_S:
        found = f"Label Studio's is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
        yield Check("Clock", "problem", f"{found}: tokens look expired", "Let both machines set their clocks by NTP.")
    else:
        yield Check("Clock", "ok", "the same as Label Studio's")


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
        if not error.refuses_token:
            return Check("Token", "problem", f"could not be tried: {error}", "See what Label Studio's log says.")
        if kind == "legacy token":
            new = f"New organizations refuse legacy tokens. {new}"
        return Check("Token", "problem", f"{kind}: {error}", new)


def projects(settings: Settings, client: LabelStudioClient, access: Access, version: str) -> Iterator[Check]:
    """Every project that the token's user sees, beside each other; those of our backend with what they need."""
    base = Model(parts_of(version)[0], settings.model_dir)
    registry = Registry(settings.models_dir, base, settings.false_alarm_rate)
    connected = 0
    try:
        every = list(client.projects())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            looks = [
                pool.submit(project.project_checks, settings, client, access, registry, one)  # each with its requests
                for one in every
            ]
            for look in as_completed(looks):
                is_connected, found = look.result()
                connected += is_connected
                yield from found
    except LabelStudioError as error:
        yield Check("Projects", "problem", str(error), "Let the token's user see the projects.")
        return
    if not connected:
        remedy = (
            "In a project: Settings > Model > Connect Model, with the backend's address as Label Studio sees it. "
            f"{project.LOOPBACK}"
        )
        yield Check("Projects", "note", "none is connected to this backend", remedy)
