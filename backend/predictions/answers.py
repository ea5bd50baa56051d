"""What a request for predictions is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.labelstudio.format import Json, Task, to_prediction
from backend.labelstudio.labeling_config import Controls, effective_rate
from backend.labelstudio.records import TaskState
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Job


@dataclass(frozen=True)
class TaskError:
    """Why a task of a request got no prediction; `kind` is the name of the exception, `task` its id if it has one."""

    task: int | None
    kind: str
    message: str


@dataclass(frozen=True)
class Answer:
    """One entry per task: its prediction, or None where there is none (yet); and what went wrong, by task."""

    predictions: list[Json | None]
    errors: list[TaskError]


def is_of(job: Job, state: TaskState | None, controls: Controls) -> bool:
    """Whether a job is of the video that its task has in Label Studio."""
    return state is not None and controls.media_of(state.task.data) == job.media


def prediction_of(job: Job | None, answered: Mapping[int, Task], controls: Controls) -> Json | None:
    """What a job's task gets, None where there is no result or its task is not among those to answer."""
    if job is None or job.state != "done" or job.task not in answered:
        return None
    return to_prediction(load_analysis(job.result), controls, effective_rate(controls, answered[job.task].data))
