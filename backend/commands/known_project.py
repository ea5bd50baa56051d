"""Whether Label Studio has the project that a command is about, which it has, and the labels of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.errors import LabelConfigError, LabelStudioError, NotInLabelStudio
from backend.labelstudio.addresses import shown_address

if TYPE_CHECKING:
    from backend.labelstudio.client import LabelStudioClient
    from backend.settings import Settings
    from backend.storage.jobs import Store


def check_is_there(client: LabelStudioClient, project: int) -> None:
    """Raises NotInLabelStudio, with the projects that there are, for one that Label Studio does not have.

    A Label Studio that does not answer is no reason to refuse: whatever needs it says so.
    """
    try:
        with _named(client, project):
            client.label_config(project)
    except NotInLabelStudio:
        raise
    except LabelStudioError:
        return


def pull_labels(settings: Settings, store: Store, project: int, doing: str) -> None:
    """Take over the labels that Label Studio has; where none is named, or its labeling config of now means nothing to
    us, those known here do, which is said. doing: what is done with them.

    Raises LabelStudioError, with the address and the way without: who names a Label Studio wants the labels that it
    has. Without them a model or a dataset would be made of fewer, or of earlier ones, and nobody would know. Raises
    LabelConfigError for a project that was never seen.
    """
    from backend.context import access_of
    from backend.labels import labelled
    from backend.labels.events import store_received_events
    from backend.labelstudio.client import LabelStudioClient

    store_received_events(store)
    client = LabelStudioClient(access_of(settings))
    known = f"deadlift: the labels known here are {doing}, without a look at Label Studio"
    if not client.configured:
        print(f"{known}: LABEL_STUDIO_URL or LABEL_STUDIO_API_KEY is not set.", file=sys.stderr)
        return
    try:
        with _named(client, project):
            labelled.pull(client, store, project)
    except LabelConfigError as error:  # of now: what is known was labelled by an earlier one
        if not store.label_config(project):
            raise
        print(f"{known}: {error}", file=sys.stderr)
    except LabelStudioError as error:
        asked = shown_address(settings.label_studio_url)
        error.args = (
            f"{error} LABEL_STUDIO_URL is {asked}: leave it empty to use the labels that are stored in DATA_DIR.",
        )
        raise


@contextmanager
def _named(client: LabelStudioClient, project: int) -> Iterator[None]:
    """Names the projects that there are, where one is not there."""
    try:
        yield
    except NotInLabelStudio as error:
        raise NotInLabelStudio(_those_there(client, project)) from error


def _those_there(client: LabelStudioClient, project: int) -> str:
    missing = f"Label Studio does not have project {project}."
    try:
        return f"{missing} It has: {', '.join(f'{one.id} ({one.title})' for one in client.projects()) or 'none'}."
    except NotInLabelStudio:  # no list of projects either
        return "Nothing at LABEL_STUDIO_URL answers as Label Studio does. Check the address."
    except LabelStudioError as error:
        return f"{missing} {error}"
