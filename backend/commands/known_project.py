"""Whether Label Studio has the project that a command is about, and which it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.errors import LabelStudioError, NotInLabelStudio
from backend.labelstudio.addresses import shown_address

if TYPE_CHECKING:
    from backend.labelstudio.client import LabelStudioClient
    from backend.settings import Settings


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


@contextmanager
def labels_wanted(settings: Settings, client: LabelStudioClient, project: int) -> Iterator[None]:
    """Within it Label Studio is asked for labels. Raises what is raised there, with the address and the way without.

    Who names a Label Studio wants the labels that it has: without them a model or a dataset would be made of fewer, or
    of earlier ones, and nobody would know.
    """
    try:
        with _named(client, project):
            yield
    except LabelStudioError as error:
        asked = shown_address(settings.label_studio_url)
        raise type(error)(
            f"{error} It was asked at {asked}. With LABEL_STUDIO_URL set to nothing, the labels that are known here "
            "are taken."
        ) from error


@contextmanager
def _named(client: LabelStudioClient, project: int) -> Iterator[None]:
    """Names the projects that there are, where one is not there."""
    try:
        yield
    except NotInLabelStudio as error:
        raise NotInLabelStudio(f"Label Studio does not have project {project}. {_those_there(client)}") from error


def _those_there(client: LabelStudioClient) -> str:
    try:
        return f"It has: {', '.join(f'{one.id} ({one.title})' for one in client.projects()) or 'none'}."
    except LabelStudioError:  # as anything but a Label Studio answers
        return "Nor does it say which it has. Check LABEL_STUDIO_URL."
