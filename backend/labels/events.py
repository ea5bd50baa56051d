"""What Label Studio's events change in the database.

Events about labels are kept as they came before they are answered, and stored as annotations a moment later, in the
order in which they came."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from backend.errors import LabelConfigError
from backend.labelstudio.format import (
    AnnotationsDeleted,
    AnnotationsSaved,
    Event,
    ProjectUpdated,
    StartTraining,
    TasksDeleted,
    parse_event,
    parse_regions,
)
from backend.labelstudio.labeling_config import Controls, effective_rate, parse_controls
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.labels import as_label_studio_writes
from backend.storage.received_events import HINT

log = logging.getLogger(__name__)

_QUIET_S = 0.1
_LONGEST_BURST_S = 1.0
"""Somebody waits for the answer to each event of a burst: storing begins after it, or after so long."""

_ROUND_S = 60.0
_SOONEST_S = 1.0
"""What is put off is tried again together, not one by one."""

LabelEvent = AnnotationsSaved | AnnotationsDeleted


class LabelEvents:
    """Takes events about labels while people wait for the answer. Close it to end its thread.

    on_change gets the ids of projects whose labels were stored, in the thread. look_up: what is done instead where
    events are hints, see `hints.py`.
    """

    def __init__(
        self,
        store: Store,
        on_change: Callable[[Collection[int]], None],
        look_up: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._look_up = look_up
        self._received = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._unreported: set[int] = set()

    def receive(self, event: LabelEvent, body: bytes) -> None:
        """Keep an event and its body as it came: from now on it survives the end of the server.

        Raises LabelConfigError where no labeling config says how its labels are to be read.
        """
        if isinstance(event, AnnotationsSaved):
            _controls(self._store, event)
        self._store.events.receive(body)
        if isinstance(event, AnnotationsSaved):
            with self._lock:  # others may store the event before our thread does, which must report it all the same
                self._unreported |= {task.project for _, task in event.annotations}
        self.wake()

    def wake(self) -> None:
        """Something was received."""
        self._received.set()

    def run_until_closed(self) -> None:
        """Store what was received, first what an earlier server left, until closed. For a thread of its own."""
        while not self._closed.is_set():
            pause_s, began = _ROUND_S, now()
            try:
                if self._look_up is not None:
                    self._look_up()
                else:
                    self._store_and_report()
                pause_s = self._until_due_s(began)
            except Exception:  # the top of a thread
                log.exception("Received events are not stored yet.")
            self._received.wait(pause_s)
            until = time.monotonic() + _LONGEST_BURST_S
            while self._received.is_set() and time.monotonic() < until:
                self._received.clear()
                self._closed.wait(_QUIET_S)

    def close(self) -> None:
        self._closed.set()
        self._received.set()

    def _until_due_s(self, began: datetime) -> float:
        """How long nothing is to do after a round that began at that moment (UTC), where no event comes."""
        due = self._store.events.next_due(began)
        left_s = _ROUND_S if due is None else (due - now()).total_seconds()
        return min(_ROUND_S, max(_SOONEST_S, left_s))

    def _store_and_report(self) -> None:
        with self._lock:
            projects, self._unreported = self._unreported, set()
        try:
            projects |= store_received_events(self._store)
            if projects:
                self._on_change(projects)
        except BaseException:
            with self._lock:  # reported in the next round
                self._unreported |= projects
            raise


def store_received_events(store: Store) -> set[int]:
    """Store the labels of all received events; returns the ids of their projects. To be called before labels are read.

    Two callers at the same time do no harm: an annotation is never replaced by an older state of itself. An event that
    cannot be stored is kept and tried again later. Hints are left to whoever may ask Label Studio.
    """
    projects: set[int] = set()
    for received in store.events.received():
        if received.body.startswith(HINT):
            continue
        try:
            event = parse_event(json.loads(received.body))
            if isinstance(event, AnnotationsSaved | AnnotationsDeleted):  # other kinds are not kept
                projects |= apply_event(store, event, received.received_at)
        except Exception:  # whatever it is, the other events go on
            log.exception("Received event %d is not stored; it is tried again later.", received.id)
            store.events.put_off(received.id)
        else:
            store.events.forget(received.id)
    return projects


def apply_event(store: Store, event: Event, received_at: datetime | None = None) -> set[int]:
    """Put what an event says into the database; returns the ids of projects in which labels were made or changed.

    received_at: when it came (UTC), now by default. What else an event is a reason for (predictions, a training) is up
    to the caller. Raises LabelConfigError.
    """
    match event:
        case AnnotationsSaved():
            save_annotations(store, _not_of_the_future(event, received_at or now()), received_at)
            return {task.project for _, task in event.annotations}
        case AnnotationsDeleted():
            store.labels.delete_annotations(event.annotation_ids)
        case TasksDeleted():
            store.delete_tasks(event.task_ids)
        case ProjectUpdated():
            store_received_events(store)  # what came before is read by the labeling config of before
            store.remember_project(event.project, event.label_config)
        case StartTraining():
            store.remember_project(event.project, event.label_config)
    return set()


def _not_of_the_future(event: AnnotationsSaved, moment: datetime) -> AnnotationsSaved:
    """The event with no change later than the moment at which it came: such a one would win over all that follow."""
    latest = as_label_studio_writes(moment)
    annotations = tuple(
        (one | {"updated_at": latest} if str(one.get("updated_at") or "") > latest else one, task)
        for one, task in event.annotations
    )
    return replace(event, annotations=annotations)


def save_annotations(store: Store, event: AnnotationsSaved, received_at: datetime | None = None) -> int:
    """Store what people labelled; returns how many annotations came. One that cannot be read is left out.

    received_at: as above. Raises LabelConfigError.
    """
    controls = _controls(store, event)
    for annotation, task in event.annotations:
        try:
            rate = effective_rate(controls, task.data)
            regions = parse_regions(annotation.get("result"), controls, rate)
            media = controls.media_of(task.data)
        except Exception:  # Label Studio takes whatever its API is given: one annotation must not block its project
            log.exception("Annotation %s cannot be read, and is left out.", annotation["id"])
            continue
        try:
            store.labels.put_annotation(annotation, task, media, regions, received_at)
        except (ValueError, OverflowError) as error:  # what no database takes
            log.warning("Annotation %s is left out: %s", annotation["id"], error)
    return len(event.annotations)


def _controls(store: Store, event: AnnotationsSaved) -> Controls:
    """Those of the event's labeling config; where it has no usable one, of the config that its project had before."""
    try:
        return parse_controls(event.label_config)
    except LabelConfigError as error:
        for project in {task.project for _, task in event.annotations}:
            if known := store.label_config(project):
                log.warning("Project %s: labels are read with an earlier labeling config. %s", project, error)
                return parse_controls(known)
        raise
