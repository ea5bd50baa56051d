"""Whether Label Studio has the project that a command is about, and which it has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from backend.errors import LabelStudioError, NotInLabelStudio

if TYPE_CHECKING:
    from backend.labelstudio.client import LabelStudioClient


def check_is_there(client: LabelStudioClient, project: int) -> None:
    """Raises NotInLabelStudio, with the projects that there are, for one that Label Studio does not have.

    A Label Studio that does not answer is no reason to refuse: the run says what it could not reach.
    """
    try:
        client.label_config(project)
    except NotInLabelStudio as error:
        there = ""
        with suppress(LabelStudioError):
            there = f" It has: {', '.join(f'{one.id} ({one.title})' for one in client.projects()) or 'none'}."
        raise NotInLabelStudio(f"Label Studio does not have project {project}.{there}") from error
    except LabelStudioError:
        return
