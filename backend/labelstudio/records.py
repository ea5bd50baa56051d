"""What Label Studio has, as our own records: how to reach it, projects, tasks and what was drawn on them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from pydantic import SecretStr

from backend.labelstudio.addresses import own_path, public_url
from backend.labelstudio.format import Json, Task

WEBHOOK_HEADER = "X-Deadlift-Secret"
"""The header of Label Studio's events that holds the secret, which the backend writes into its webhook."""


def _named_by_environment() -> tuple[str, ...]:
    """LABEL_STUDIO_HOST is Label Studio's own variable; where both run in one environment it holds for both."""
    found = public_url(os.environ.get("LABEL_STUDIO_HOST"))
    return (found,) if found else ()


@dataclass(frozen=True)
class Access:
    """How to reach Label Studio and what may be fetched. Travels to workers; the key stays masked when shown.

    public_urls: the names that browsers have for the same Label Studio. labeling_rate: the most frames per second that
    new tasks are given, 0 for those of their videos.
    """

    url: str
    api_key: SecretStr
    media_hosts: tuple[str, ...] = ()
    max_bytes: int = 2048 * 1024 * 1024
    public_urls: tuple[str, ...] = field(default_factory=_named_by_environment)
    labeling_rate: float = 0.0

    @property
    def configured(self) -> bool:
        return bool(self.url and self.api_key.get_secret_value())

    def own_path(self, address: str) -> str | None:
        """The path of an address below Label Studio's root, None for an address of somebody else."""
        return own_path(address, self.url, self.public_urls)


@dataclass(frozen=True)
class TaskState:
    """A task as Label Studio has it: its raw data, and what was drawn on it.

    has_frames: whether there are annotations, drafts or non-empty predictions, whose frames must keep their meaning.
    is_labelled: whether there are annotations or drafts. predictions: (id, model version) of each, oldest first.
    """

    task: Task
    has_frames: bool
    is_labelled: bool
    predictions: tuple[tuple[int, str], ...]

    def prediction_ids(self, model_version: str) -> list[int]:
        return [number for number, version in self.predictions if version == model_version]


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction without what it says; `score` and `cluster` are None where it has none."""

    id: int
    model_version: str
    score: float | None
    cluster: int | None


@dataclass(frozen=True)
class ProjectInfo:
    """A project; `model_version` is the one whose predictions it shows, "" for none chosen."""

    id: int
    title: str
    label_config: str
    model_version: str


@dataclass(frozen=True)
class ConnectedBackend:
    """An ML backend of a project; `state` is Label Studio's word: CO (connected), DI (disconnected), ER (error)."""

    url: str
    title: str
    state: str
    error: str


@dataclass(frozen=True)
class Webhook:
    """Where Label Studio sends events, and which: `actions`, unless `all_actions`. secret: what it sends along."""

    url: str
    active: bool
    sends_payload: bool
    all_actions: bool
    actions: tuple[str, ...]
    secret: str = field(default="", repr=False)


def task_of(task: Json) -> Task:
    """Of a task as the API shows it."""
    project = task.get("project")
    number = project.get("id") if isinstance(project, dict) else project
    return Task(int(task["id"]), int(number or 0), dict(task.get("data") or {}))


def predictions_of(task: Json) -> list[StoredPrediction]:
    """Of a task as the API shows it with all fields, oldest first."""
    found = (
        StoredPrediction(int(one["id"]), str(one.get("model_version") or ""), one.get("score"), one.get("cluster"))
        for one in task.get("predictions") or []
    )
    return sorted(found, key=lambda one: one.id)


def state_of(task: Json) -> TaskState:
    """Of a task as the API shows it with all fields."""
    stored = task.get("predictions") or []
    # `drafts` has the token's user's alone, `draft_exists` everybody's.
    drafted = bool(task.get("draft_exists") or task.get("drafts"))
    labelled = drafted or bool(task.get("total_annotations") or task.get("cancelled_annotations"))
    return TaskState(
        task_of(task),
        has_frames=labelled or any(one.get("result") for one in stored),
        is_labelled=labelled,
        predictions=tuple(sorted((int(one["id"]), str(one.get("model_version"))) for one in stored)),
    )
