"""A copy that browsers play, in place of a video that they do not: uploaded, and the task points to it."""

from __future__ import annotations

import logging
from pathlib import Path

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.file_names import name_for_files, upload_name
from backend.labelstudio.format import Json, Task
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.task_data import ORIGINAL, with_value, without_value
from pipeline.errors import VideoError
from pipeline.media.playable_copy import copy_name, make_playable

log = logging.getLogger(__name__)


def upload_copy(client: LabelStudioClient, task: Task, controls: Controls, video: Path, folder: Path) -> bool:
    """Write an H.264 copy into `folder`, upload it, and let the task play it. What goes wrong is logged: the task says
    that its video is not playable, and everything else goes on.

    Returns whether the task plays a copy.

    video: the file of the task's video, which keeps its place: the task's data names it under `deadlift_original`.
    """
    try:
        data = client.task_state(task).task.data
        if pointed_to_copy(data, controls, "") is None:
            return ORIGINAL in data
        # An address may end in more than a file can be called. The task knows which video the copy is of.
        copy = folder / copy_name(Path(upload_name(Path(name_for_files(controls.media_of(data))))).stem)
        make_playable(video, copy)
        return play_copy(client, task, controls, client.upload_file(task.project, copy))
    except (LabelStudioError, VideoError, OSError) as error:
        log.warning("Task %s: no copy was made that browsers play. %s", task.id, error)
        return False


def play_copy(client: LabelStudioClient, task: Task, controls: Controls, address: str) -> bool:
    """Let a task play the copy at that address; returns whether it plays one. Raises LabelStudioError."""
    data = client.task_state(task).task.data
    changed = pointed_to_copy(data, controls, address)
    if changed is None:
        return ORIGINAL in data
    client.set_task_data(task.id, changed)
    return True


def without_copy(data: Json, controls: Controls) -> Json:
    """The data with the original's address in its place again."""
    if ORIGINAL not in data:
        return data
    return without_value(with_value(data, controls.media, data[ORIGINAL]) or data, f"${ORIGINAL}")


def pointed_to_copy(data: Json, controls: Controls, address: str) -> Json | None:
    """The data with the copy's address in place of the original's, which is kept; None where a copy is played already,
    or where the labeling config makes the address of several parts."""
    original = controls.media_of(data)
    changed = with_value(data, controls.media, address)
    return {**changed, ORIGINAL: original} if changed is not None and original and ORIGINAL not in data else None
