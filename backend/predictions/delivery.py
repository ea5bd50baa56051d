"""Bringing a finished analysis into Label Studio: the task's frame rate first, then one prediction, never two."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from backend.errors import LabelStudioError, NotInLabelStudio, VideoReplaced
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task, to_prediction
from backend.labelstudio.labeling_config import Controls, effective_rate
from backend.labelstudio.records import TaskState
from backend.labelstudio.task_columns import columns_of, columns_of_failure
from backend.labelstudio.task_data import resolve, with_value, without_value
from backend.predictions.playable import without_copy
from pipeline.records import Analysis


def lacks_frame_rate(task: Task, controls: Controls) -> bool:
    """Whether the config asks for the video's rate, and the task's data has a place for it, but no rate."""
    rate = controls.frame_rate
    return with_value(task.data, rate, 0.0) is not None and resolve(rate, task.data) in (None, "")


def ensure_frame_rate(client: LabelStudioClient, state: TaskState, controls: Controls, fps: float) -> Task:
    """The task, with the video's rate (or a part of it: `task_rate`) in its data where the config asks for one.

    Left alone where the data already has a value, or where frames are drawn: a rate set now would move them.
    """
    task = state.task
    if not lacks_frame_rate(task, controls) or state.has_frames:
        return task
    data = with_value(task.data, controls.frame_rate, round(client.task_rate(fps), 5))
    assert data is not None  # that there is a place for it was asked above
    client.set_task_data(task.id, data)
    return Task(task.id, task.project, data)


@dataclass(frozen=True)
class Delivery:
    """An analysis for a task, the model versions that it supersedes, and the video's cluster, None for none.

    outdated: predictions of the same model version that were found under other settings: this one is stored beside
    them. removes_outdated: whether it supersedes them as well.
    """

    task: Task
    analysis: Analysis
    superseded: Set[str] = frozenset()
    cluster: int | None = None
    outdated: Set[int] = frozenset()
    removes_outdated: bool = True

    def stored(self, state: TaskState) -> list[int]:
        """The predictions that the task has of this analysis, the earliest first."""
        return [one for one in state.prediction_ids(self.analysis.model_version) if one not in self.outdated]

    def is_superseded(self, number: int, version: str) -> bool:
        """Whether a prediction of the task may go. A Label Studio that was set up anew gives its numbers again: the
        number alone says nothing."""
        is_outdated = version == self.analysis.model_version and number in self.outdated
        return version in self.superseded or (is_outdated and self.removes_outdated)


PushOutcome = int | LabelStudioError
"""The id of a stored prediction, or why there is none: NotInLabelStudio where the task was deleted. After any other
error it may be tried again."""


def push(client: LabelStudioClient, delivery: Delivery, controls: Controls) -> int:
    """What push_all does, for one task. Raises LabelStudioError."""
    (outcome,) = push_all(client, [delivery], controls)
    if isinstance(outcome, LabelStudioError):
        raise outcome
    return outcome


def push_all(client: LabelStudioClient, deliveries: Sequence[Delivery], controls: Controls) -> list[PushOutcome]:
    """Store predictions for different tasks of one project, unless a task has one of that version and those settings.

    Predictions that are superseded are removed from tasks that nobody has begun. On others all of them stay:
    neither a draft nor the annotation that it becomes says which one it was made from.
    """
    first = _states(client, [delivery.task for delivery in deliveries])
    is_fresh = len(deliveries) == 1
    stored = [_stored(client, delivery, first[delivery.task.id], controls, is_fresh) for delivery in deliveries]
    # Others (a server, an archive run) may have found none and stored one at the same time. Whoever asks last sees
    # all, and everybody keeps the first.
    second = _states(client, [one.task for one, new in zip(deliveries, stored, strict=True) if isinstance(new, int)])
    return [
        _tidied(client, delivery, second.get(delivery.task.id, first[delivery.task.id]), new, controls)
        for delivery, new in zip(deliveries, stored, strict=True)
    ]


def tell_failure(client: LabelStudioClient, task: Task, controls: Controls, message: str) -> None:
    """Write into a task's data why its video was not analyzed. Raises LabelStudioError."""
    data = client.task_state(task).task.data
    told = data | columns_of_failure(message, controls.media_of(data))
    if told != data:
        client.set_task_data(task.id, told)


def withdraw(client: LabelStudioClient, state: TaskState, versions: Set[str], controls: Controls) -> None:
    """Make room for another video at a task's address: predictions of these versions, and the frame rate, are removed.

    Raises VideoReplaced where people labelled the video of before; LabelStudioError.
    """
    task = state.task
    if state.is_labelled:
        raise VideoReplaced(
            f"{controls.media_of(task.data)} is another video now than the one that task {task.id} was labelled "
            "on. Give the new one a name of its own."
        )
    for number, version in state.predictions:
        if version in versions:
            client.delete_prediction(number)
    data = without_copy(without_value(task.data, controls.frame_rate), controls)
    if data != task.data and all(version in versions for _, version in state.predictions):
        client.set_task_data(task.id, data)


def _states(client: LabelStudioClient, tasks: Sequence[Task]) -> dict[int, TaskState | LabelStudioError]:
    """How tasks of a project are, by id, with one request."""
    if not tasks:
        return {}
    try:
        found = client.task_states(tasks[0].project, [task.id for task in tasks])
    except LabelStudioError as error:
        return {task.id: error for task in tasks}
    return {task.id: found.get(task.id) or _gone(task) for task in tasks}


def _gone(task: Task) -> NotInLabelStudio:
    return NotInLabelStudio(f"Label Studio has no task {task.id}. Was it deleted?")


def _stored(
    client: LabelStudioClient,
    delivery: Delivery,
    state: TaskState | LabelStudioError,
    controls: Controls,
    is_fresh: bool,
) -> PushOutcome | None:
    """The new prediction; None where the task has one already, or its state is not known.

    is_fresh: whether the state was read just now, so that writing the task's data undoes no change of somebody else.
    """
    if isinstance(state, LabelStudioError):
        return None
    media = controls.media_of(delivery.task.data)
    if media and media != controls.media_of(state.task.data):
        return NotInLabelStudio(f"Task {delivery.task.id} has another video in Label Studio.")
    if delivery.stored(state):
        return None
    try:
        if lacks_frame_rate(state.task, controls) and not is_fresh:
            state = client.task_state(delivery.task)
        current = ensure_frame_rate(client, state, controls, delivery.analysis.video.fps)
        rate = effective_rate(controls, current.data)
        prediction = to_prediction(delivery.analysis, controls, rate, delivery.cluster)
        return client.create_prediction(delivery.task.id, prediction)
    except LabelStudioError as error:
        return error


def _tidied(
    client: LabelStudioClient,
    delivery: Delivery,
    state: TaskState | LabelStudioError,
    new: PushOutcome | None,
    controls: Controls,
) -> PushOutcome:
    """The prediction that stays; surplus and superseded ones are removed, and the task's columns say what it holds."""
    if isinstance(new, LabelStudioError):
        return new
    if isinstance(state, LabelStudioError):
        return state
    existing = delivery.stored(state)
    if not existing and new is not None:
        existing = [new]
    try:
        for surplus in existing[1:]:
            if surplus == new or not state.is_labelled:
                client.delete_prediction(surplus)
        if not state.is_labelled:
            for number, version in state.predictions:
                if delivery.is_superseded(number, version) and number not in (new, existing[0]):
                    client.delete_prediction(number)
        data = state.task.data
        told = data | columns_of(delivery.analysis, controls.media_of(data), data, state.task.project)
        if told != data:
            client.set_task_data(state.task.id, told)
    except LabelStudioError as error:
        return error
    return existing[0]
