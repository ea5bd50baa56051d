"""What Label Studio tells of labels: kept as it came before the answer, then stored as annotations, in that order."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime

from backend.errors import LabelConfigError
from backend.labelstudio.format import AnnotationsDeleted, AnnotationsSaved, parse_event, parse_regions
from backend.labelstudio.labeling_config import Controls, effective_rate, parse_controls
from backend.storage.jobs import Store

log = logging.getLogger(__name__)

_QUIET_S = 0.1
_LONGEST_BURST_S = 1.0
"""Somebody waits for the answer to each event of a burst: storing begins after it, or after so long."""

_ROUND_S = 60.0

LabelEvent = AnnotationsSaved | AnnotationsDeleted


class LabelEvents:
    """Takes events while people wait. `changed` is told the projects whose labels were stored. Close it to end."""

    def __init__(self, store: Store, changed: Callable[[Collection[int]], None]) -> None:
        self._store = store
        self._changed = changed
        self._came = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._untold: set[int] = set()

    def receive(self, event: LabelEvent, body: bytes) -> None:
        """Keep an event and its body as it came: from now on it survives the server.

        Raises LabelConfigError where nobody knows how its labels are to be read.
        """
        if isinstance(event, AnnotationsSaved):
            _controls(self._store, event)
        self._store.labels.receive(body)
        if isinstance(event, AnnotationsSaved):
            with self._lock:  # others may settle before our thread does
                self._untold |= {task.project for _, task in event.annotations}
        self._came.set()

    def run_until_closed(self) -> None:
        """Store what is received, and at once what an earlier server left, until closed. For a thread of its own."""
        while not self._closed.is_set():
            try:
                self._settle()
            except Exception:  # the top of a thread
                log.exception("Received events are not stored yet.")
            self._came.wait(_ROUND_S)
            until = time.monotonic() + _LONGEST_BURST_S
            while self._came.is_set() and time.monotonic() < until:
                self._came.clear()
                self._closed.wait(_QUIET_S)

    def close(self) -> None:
        self._closed.set()
        self._came.set()

    def _settle(self) -> None:
        with self._lock:
            projects, self._untold = self._untold, set()
        try:
            projects |= store_received_events(self._store)
            if projects:
                self._changed(projects)
        except BaseException:
            with self._lock:  # told in the next round
                self._untold |= projects
            raise


def store_received_events(store: Store) -> set[int]:
    """Store the labels of all received events; returns their projects. For whoever is about to read labels.

    Two that settle at the same time do no harm: an annotation is never replaced by an older state of itself. An event
    that cannot be stored is kept and tried again later.
    """
    projects: set[int] = set()
    for received in store.labels.received():
        try:
            event = parse_event(json.loads(received.body))
            if isinstance(event, AnnotationsSaved):
                save_annotations(store, event, received.received_at)
                projects |= {task.project for _, task in event.annotations}
            elif isinstance(event, AnnotationsDeleted):
                store.labels.delete_annotations(event.annotation_ids)
        except Exception:  # whatever it is, the other events go on
            log.exception("Received event %d is not stored; it is tried again later.", received.id)
            store.labels.put_off(received.id)
        else:
            store.labels.forget_received(received.id)
    return projects


def save_annotations(store: Store, event: AnnotationsSaved, received_at: datetime | None = None) -> int:
    """Store what people labelled, at that moment or now; returns how many annotations. Raises LabelConfigError."""
    controls = _controls(store, event)
    for annotation, task in event.annotations:
        rate = effective_rate(controls, task.data)
        regions = parse_regions(annotation.get("result"), controls, rate)
        media = str(task.data.get(controls.media_key, ""))
        try:
            store.labels.put_annotation(annotation, task, media, regions, received_at)
        except (ValueError, OverflowError) as error:  # what no database takes
            log.warning("Annotation %s is left out: %s", annotation["id"], error)
    return len(event.annotations)


def _controls(store: Store, event: AnnotationsSaved) -> Controls:
    """Those of the event's labeling config; where it has no usable one, of that which its project had before."""
    try:
        return parse_controls(event.label_config)
    except LabelConfigError as error:
        for project in {task.project for _, task in event.annotations}:
            if known := store.label_config(project):
                log.warning("Project %s: labels are read with an earlier labeling config. %s", project, error)
                return parse_controls(known)
        raise
