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

    public_urls: the names that browsers have for the same Label Studio.
    """

    url: str
    api_key: SecretStr
    media_hosts: tuple[str, ...] = ()
    max_bytes: int = 2048 * 1024 * 1024
    public_urls: tuple[str, ...] = field(default_factory=_named_by_environment)

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
    sources: those of them that annotations were made from.
    """

    task: Task
    has_frames: bool
    is_labelled: bool
    has_drafts: bool
    predictions: tuple[tuple[int, str], ...]
    sources: frozenset[int] = frozenset()

    def prediction_ids(self, model_version: str) -> list[int]:
        return [number for number, version in self.predictions if version == model_version]


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction without what it says; `cluster` is None where it has none."""

    id: int
    model_version: str
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


def state_of(task: Json) -> TaskState:
    """Of a task as the API shows it with all fields."""
    stored = task.get("predictions") or []
    # `drafts` has the token's user's alone, `draft_exists` everybody's.
    drafted = bool(task.get("draft_exists") or task.get("drafts"))
    labelled = drafted or bool(task.get("total_annotations") or task.get("cancelled_annotations"))
    parents = {annotation.get("parent_prediction") for annotation in task.get("annotations") or []}
    return TaskState(
        task_of(task),
        has_frames=labelled or any(one.get("result") for one in stored),
        is_labelled=labelled,
        has_drafts=drafted,
        predictions=tuple(sorted((int(one["id"]), str(one.get("model_version"))) for one in stored)),
        sources=frozenset(parent for parent in parents if isinstance(parent, int)),
    )
