"""Bringing a finished analysis into Label Studio: the task's frame rate first, then one prediction, never two."""

from __future__ import annotations

from backend.labeling_config import Controls, effective_rate
from backend.ls_client import LabelStudioClient
from backend.ls_format import Task, to_prediction
from pipeline.records import Analysis


def ensure_frame_rate(client: LabelStudioClient, task: Task, controls: Controls, fps: float) -> Task:
    """The task as Label Studio has it now, with the video's rate in its data where the config asks for one.

    Left alone where the data already has a value, or where somebody has begun to annotate: a rate set now would move
    the frames they drew.
    """
    current = client.task(task.id)
    key = controls.rate_key
    if not key or current.data.get(key) not in (None, "") or client.has_human_work(task.id):
        return current
    data = {**current.data, key: round(fps, 5)}
    client.set_task_data(task.id, data)
    return Task(current.id, current.project, data)


def push(client: LabelStudioClient, task: Task, controls: Controls, analysis: Analysis) -> int:
    """Store the prediction unless the task has one of this version; returns its id either way."""
    current = ensure_frame_rate(client, task, controls, analysis.video.fps)
    existing = client.prediction_ids(task.id, analysis.model_version)
    if existing:
        return existing[0]
    rate = effective_rate(controls, current.data)
    return client.create_prediction(task.id, to_prediction(analysis, controls, rate))
