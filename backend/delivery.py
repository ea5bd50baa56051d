"""Bringing a finished analysis into Label Studio: the task's frame rate first, then one prediction, never two."""

from __future__ import annotations

from collections.abc import Set

from backend.labeling_config import Controls, effective_rate
from backend.ls_client import LabelStudioClient, TaskState
from backend.ls_format import Task, to_prediction
from pipeline.records import Analysis


def ensure_frame_rate(client: LabelStudioClient, state: TaskState, controls: Controls, fps: float) -> Task:
    """The task, with the video's rate in its data where the config asks for one.

    Left alone where the data already has a value, or where frames are drawn: a rate set now would move them.
    """
    task, key = state.task, controls.rate_key
    if not key or task.data.get(key) not in (None, "") or state.has_frames:
        return task
    data = {**task.data, key: round(fps, 5)}
    client.set_task_data(task.id, data)
    return Task(task.id, task.project, data)


def push(
    client: LabelStudioClient,
    task: Task,
    controls: Controls,
    analysis: Analysis,
    superseded: Set[str] = frozenset(),
    cluster: int | None = None,
) -> int:
    """Store the prediction unless the task has one of this version; returns its id either way.

    Predictions of the `superseded` versions are removed, but for those that an annotation was made from; all of them
    stay where there are drafts, which do not tell what they were made from.

    Raises NotInLabelStudio for a task that was deleted, else LabelStudioError; it may be tried again then.
    """
    state = client.task_state(task)
    existing = state.prediction_ids(analysis.model_version)
    created = None
    if not existing:
        current = ensure_frame_rate(client, state, controls, analysis.video.fps)
        rate = effective_rate(controls, current.data)
        created = client.create_prediction(task.id, to_prediction(analysis, controls, rate, cluster))
        # Others may have looked and stored at the same time (a server, a bulk run). Whoever looks last sees all, and
        # everybody keeps the first.
        state = client.task_state(task)
        existing = state.prediction_ids(analysis.model_version) or [created]
    stored = existing[0]
    for surplus in existing[1:]:
        if surplus == created or not state.is_labelled:
            client.delete_prediction(surplus)
    if not state.has_drafts:
        for number, version in state.predictions:
            if version in superseded and number not in state.sources:
                client.delete_prediction(number)
    return stored
