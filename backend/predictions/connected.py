"""Which projects are worked for: those that are connected, asked so that nobody waits for long."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Executor

from backend.errors import BackendError, LabelConfigError, LabelStudioError, NotConnected
from backend.labelstudio.connections import Connections
from backend.labelstudio.labeling_config import parse_controls
from backend.storage.jobs import Store
from backend.storage.setups import forget_refused, note_refused

log = logging.getLogger(__name__)

_PATIENCE_S = 2.0
"""For all projects of a request. Label Studio asks us how we are before it answers, and may have no thread free."""

_SHOWN = 5


def check_set_up(store: Store, project: int, label_config: str) -> None:
    """Keep why a project with that labeling config is refused, or forget it; log which labels of a new one are not
    used. Raises LabelConfigError."""
    try:
        controls = parse_controls(label_config)
    except LabelConfigError as error:
        if note_refused(store.engine, project, str(error)):  # Label Studio shows it to nobody, and asks often
            log.warning("Project %s is not connected: %s", project, error)
        raise
    if controls.unused and store.label_config(project) != label_config:  # asked often: once per config
        log.warning("Project %s: %s", project, controls.unused_words)
    forget_refused(store.engine, project)


def refusals(connections: Connections, projects: Collection[int], lookups: Executor) -> dict[int, BackendError]:
    """Why nothing is done for some of the projects, by id: they are not connected, or nobody knows whether.

    lookups: where Label Studio is asked; an answer that comes too late counts the next time.
    """
    refused: dict[int, BackendError] = {}
    ask_until = time.monotonic() + _PATIENCE_S
    for project in projects:
        if connections.is_known(project):
            continue
        left_s = ask_until - time.monotonic()
        try:
            if left_s < 0 or not lookups.submit(connections.is_connected, project).result(left_s):
                refused[project] = NotConnected(_how_to_connect(project, connections.listed(project)))
        except TimeoutError:
            refused[project] = LabelStudioError(f"Label Studio did not say whether project {project} is connected.")
        except LabelStudioError as error:
            refused[project] = error
    return refused


def _how_to_connect(project: int, listed: Sequence[str]) -> str:
    words = f"Project {project} does not list this backend as its model. Connect it in Settings > Model."
    if not listed:
        return words
    return f"{words} It lists {', '.join(listed[:_SHOWN])}: if that is this backend, add its host to ALLOWED_HOSTS."


def those_connected(connections: Connections, projects: Collection[int]) -> set[int]:
    """The projects that are connected, as far as Label Studio says so. Waits for its answers."""
    connected = set()
    for project in projects:
        try:
            if connections.is_connected(project):
                connected.add(project)
        except LabelStudioError as error:
            log.warning("Project %s waits: %s", project, error)
    return connected
