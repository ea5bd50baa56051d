"""Events as hints: with a token for Label Studio nothing that an event says is believed; what it is about is looked up.

Only ids are kept of an event before it is answered. A moment later Label Studio is asked for the tasks that they name,
and what it says is stored: annotations as they are now, with the time of their last change, and which are gone.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from backend.errors import BackendError, LabelConfigError, LabelStudioError, LabelStudioRefused, NotInLabelStudio
from backend.labels.events import save_annotations
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.labelstudio.format import (
    AnnotationsDeleted,
    AnnotationsSaved,
    Event,
    Json,
    ProjectUpdated,
    StartTraining,
    Task,
    TasksCreated,
    TasksDeleted,
    parse_event,
)
from backend.labelstudio.labeling_config import parse_controls
from backend.storage.jobs import Store
from backend.storage.received_events import HINT, ReceivedEvent

log = logging.getLogger(__name__)

_SOON = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=1)
"""After Label Studio answered nobody, however often, unless it asks to be left alone for longer: labels are known soon
after it is back."""
_TRIES = 6
"""What Label Studio does not say (yet) is asked for again after pauses that double, two minutes in all."""


@dataclass(frozen=True)
class Hint:
    """What an event may be about. tasks: ids. saved: annotations that it says were made or changed, with the time of
    that; gone: ids of deleted ones. name: an address that Label Studio says it is opened at, "" for none."""

    project: int
    tasks: tuple[int, ...] = ()
    new_tasks: tuple[int, ...] = ()
    gone_tasks: tuple[int, ...] = ()
    saved: tuple[tuple[int, str], ...] = ()
    gone: tuple[int, ...] = ()
    wants_training: bool = False
    name: str = ""

    def dump(self) -> bytes:
        return HINT + json.dumps({key: value for key, value in asdict(self).items() if value}).encode()


def hints_of(event: Event) -> list[Hint]:
    """What an event is a hint at, by project; nothing where it does not say its project."""
    match event:
        case AnnotationsSaved():
            of_project = defaultdict[int, list[tuple[Json, Task]]](list)
            for annotation, task in event.annotations:
                of_project[task.project].append((annotation, task))
            return [
                Hint(
                    project,
                    tasks=tuple({task.id for _, task in annotations}),
                    saved=tuple((int(one["id"]), str(one.get("updated_at") or "")) for one, _ in annotations),
                )
                for project, annotations in of_project.items()
            ]
        case AnnotationsDeleted(ids, int() as project):
            return [Hint(project, gone=ids)]
        case TasksDeleted(ids, int() as project):
            return [Hint(project, gone_tasks=ids)]
        case TasksCreated():
            projects = {task.project for task in event.tasks}
            return [Hint(one, new_tasks=tuple(t.id for t in event.tasks if t.project == one)) for one in projects]
        case StartTraining():
            return [Hint(event.project, wants_training=True)]
        case ProjectUpdated():
            return [Hint(event.project)]
    return []


@dataclass(frozen=True)
class Reactions:
    """What follows from what was looked up: labels of projects changed, tasks are new, a training is wanted."""

    labels_changed: Callable[[set[int]], None]
    tasks_created: Callable[[Sequence[Task], str], None]
    training_wanted: Callable[[int], object]


class HintedEvents:
    """Looks up what the received events are about, with one request to Label Studio for many of them."""

    def __init__(self, store: Store, client: LabelStudioClient, connections: Connections, reactions: Reactions) -> None:
        self._store = store
        self._client = client
        self._connections = connections
        self._reactions = reactions
        self._unanswered = Counter[int]()  # requests in succession, by project

    def receive(self, hints: Iterable[Hint]) -> None:
        """Keep hints: from now on they survive the end of the server."""
        for hint in hints:
            self._store.events.receive(hint.dump())

    def look_up(self) -> None:
        """Store what Label Studio says of all that is due; what it does not say yet is put off."""
        of_project = defaultdict[int, list[tuple[ReceivedEvent, Hint]]](list)
        for received in self._store.events.received():
            try:
                hints = _read(received.body)
            except (ValueError, TypeError, BackendError) as error:
                log.warning("Received event %d cannot be read, and is forgotten: %s", received.id, error)
                hints = []
            if not hints:
                self._store.events.forget(received.id)
            for hint in hints:
                of_project[hint.project].append((received, hint))
        for project, rows in of_project.items():
            self._look_up_safely(project, rows)

    def _look_up_safely(self, project: int, rows: Sequence[tuple[ReceivedEvent, Hint]]) -> None:
        try:
            open_ = self._look_up(project, [hint for _, hint in rows])
        except (LabelStudioRefused, LabelConfigError) as error:
            log.warning("Events of project %s wait: %s", project, error)
            for received, _ in rows:
                self._store.events.put_off(received.id, _SOON)
            return
        except LabelStudioError as error:
            log.warning("Events of project %s wait: %s", project, error)
            pause = min(_SOON * 2 ** self._unanswered[project], _LONGEST_WAIT)
            self._unanswered[project] = min(self._unanswered[project] + 1, _TRIES)
            for received, _ in rows:
                self._store.events.wait(received.id, max(pause, timedelta(seconds=error.retry_after_s)))
            return
        except Exception:  # whatever it is, the other projects go on
            log.exception("Events of project %s are tried again later.", project)
            for received, _ in rows:
                self._store.events.put_off(received.id)
            return
        self._unanswered.pop(project, None)
        for received, hint in rows:
            if hint in open_ and received.tries < _TRIES:
                self._store.events.put_off(received.id, _SOON)
            else:
                if hint in open_:
                    log.info("An event of project %s is not what Label Studio says, and is forgotten.", project)
                self._store.events.forget(received.id)

    def _look_up(self, project: int, hints: Sequence[Hint]) -> set[Hint]:
        """Store what the hints are about; returns those that Label Studio does not confirm.

        Raises LabelStudioError, LabelConfigError.
        """
        if not self._connections.is_connected(project):
            return set(hints)
        try:
            config = self._client.label_config(project)
        except NotInLabelStudio:
            return set(hints)
        config = self._readable(project, config)
        self._store.remember_project(project, config)
        labels = self._store.labels
        asked = {task for hint in hints for task in (*hint.tasks, *hint.new_tasks, *hint.gone_tasks)}
        asked |= set(labels.tasks_of({number for hint in hints for number in hint.gone}, project).values())
        found = self._client.annotated_tasks(project, sorted(asked)) if asked else {}
        gone = self._store.tasks_of_project(asked - found.keys(), project)
        if gone:
            self._store.delete_tasks(gone)
        if self._take_over(found, config):
            self._reactions.labels_changed({project})
        new = [found[task][0] for hint in hints for task in hint.new_tasks if task in found]
        if new:
            self._reactions.tasks_created(new, config)
        if any(hint.wants_training for hint in hints):
            self._reactions.training_wanted(project)
        for name in {hint.name for hint in hints if hint.name} - set(self._store.label_studio_names()):
            self._store.remember_label_studio_name(name)
        return {hint for hint in hints if not _is_confirmed(hint, found)}

    def _readable(self, project: int, config: str) -> str:
        """The labeling config, or the one that the project had before where this one is of no use.

        Raises LabelConfigError.
        """
        try:
            parse_controls(config)
        except LabelConfigError:
            config = self._store.label_config(project)
            parse_controls(config)
        return config

    def _take_over(self, found: Mapping[int, tuple[Task, list[Json]]], config: str) -> bool:
        """Make the annotations of tasks those that Label Studio has; returns whether any was made or changed."""
        labels = self._store.labels
        deleted_tasks = labels.deleted_tasks()
        is_news = False
        for task, stored in found.values():
            if task.id in deleted_tasks:
                labels.restore_task(task.id)
            known = {annotation.id: annotation for annotation in labels.annotations(task.id)}
            there = {int(annotation["id"]) for annotation in stored}
            labels.delete_annotations({number for number, one in known.items() if not one.deleted} - there)
            labels.restore_annotations(number for number, one in known.items() if one.deleted and number in there)
            for annotation in stored:
                ours = known.get(int(annotation["id"]))
                if ours is None or ours.updated_at != str(annotation.get("updated_at") or ""):
                    save_annotations(self._store, AnnotationsSaved(((annotation, task),), config))
                    is_news = True
        return is_news


def _read(body: bytes) -> list[Hint]:
    """Of a kept hint; events of earlier releases were kept as they came. Raises ValueError, TypeError, BadRequest."""
    if not body.startswith(HINT):
        return hints_of(parse_event(json.loads(body)))
    values = json.loads(body.removeprefix(HINT))
    saved = tuple((int(number), str(at)) for number, at in values.pop("saved", ()))
    lists: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return [Hint(**lists, saved=saved)]


def _is_confirmed(hint: Hint, found: Mapping[int, tuple[Task, list[Json]]]) -> bool:
    """Whether Label Studio says what a hint said, or something later."""
    changed = {
        int(annotation["id"]): str(annotation.get("updated_at") or "")
        for _, annotations in found.values()
        for annotation in annotations
    }
    return (
        all(task in found for task in hint.new_tasks)
        and not any(task in found for task in hint.gone_tasks)
        and all(number in changed and changed[number] >= at for number, at in hint.saved)
        and not any(number in changed for number in hint.gone)
    )
