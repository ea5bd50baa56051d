"""Events about labels: kept before the answer, stored after it, and not lost in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.errors import LabelConfigError
from backend.labels.events import LabelEvents, save_annotations, store_received_events
from backend.labelstudio.format import AnnotationsDeleted, AnnotationsSaved, Json, parse_event
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.received_events import ReceivedEvent


def ignore(projects: Collection[int]) -> None:
    """What LabelEvents reports to where a test is not about that."""


@pytest.fixture
def created(payload: Callable[[str], Any]) -> Json:
    event: Json = payload("11_webhook_ANNOTATION_CREATED_api")
    return event


def kept(store: Store) -> Sequence[ReceivedEvent]:
    with Session(store.engine) as session:
        return session.scalars(select(ReceivedEvent)).all()


def receive(events: LabelEvents, event: Json) -> None:
    parsed = parse_event(event)
    assert isinstance(parsed, AnnotationsSaved | AnnotationsDeleted)
    events.receive(parsed, json.dumps(event).encode())


def test_a_received_event_survives_the_server_that_received_it(store: Store, created: Json) -> None:
    receive(LabelEvents(store, ignore), created)
    assert store.labels.annotations() == []
    other = Store(store.url)
    assert store_received_events(other) == {1}
    assert len(store.labels.labelled_regions(created["annotation"]["id"])) == len(created["annotation"]["result"])
    other.close()


def test_what_is_stored_is_received_no_more(store: Store, created: Json) -> None:
    receive(LabelEvents(store, ignore), created)
    store_received_events(store)
    assert list(store.events.received()) == []


def test_events_are_stored_in_the_order_they_came(store: Store, created: Json, payload: Callable[[str], Any]) -> None:
    events = LabelEvents(store, ignore)
    receive(events, created)
    receive(events, payload("13_webhook_ANNOTATIONS_DELETED"))
    store_received_events(store)
    assert [annotation.deleted for annotation in store.labels.annotations()] == [True]


def test_an_event_that_was_stored_by_two_changes_nothing(store: Store, created: Json) -> None:
    events = LabelEvents(store, ignore)
    receive(events, created)
    store_received_events(store)
    before = [(region.start_s, region.end_s) for region in store.labels.labelled_regions(1)]
    receive(events, created)
    store_received_events(store)
    assert [(region.start_s, region.end_s) for region in store.labels.labelled_regions(1)] == before


def test_an_event_that_cannot_be_stored_holds_up_no_other(store: Store, created: Json) -> None:
    store.events.receive(b"no JSON")
    receive(LabelEvents(store, ignore), created)
    store_received_events(store)
    assert len(store.labels.annotations()) == 1
    assert [event.body for event in kept(store)] == [b"no JSON"]


def test_an_event_that_cannot_be_stored_is_tried_again_after_pauses_that_double(store: Store) -> None:
    store.events.receive(b"no JSON")
    pauses = []
    for _ in range(3):
        store_received_events(store)
        (event,) = kept(store)
        assert event.put_off_until is not None
        pauses.append(round((event.put_off_until - now()) / timedelta(minutes=1)))
        with store.engine.begin() as connection:
            connection.execute(update(ReceivedEvent).values(put_off_until=now()))
    assert pauses == [1, 2, 4]


def test_whoever_stores_late_forgets_no_event_that_came_meanwhile(store: Store, created: Json) -> None:
    store.events.receive(json.dumps(created).encode())
    late = store.events.received()
    number = next(late).id
    store_received_events(store)
    store.events.receive(json.dumps(created).encode())
    store.events.forget(number)
    assert len(kept(store)) == 1


def test_an_annotation_that_cannot_be_read_is_left_out_and_others_are_stored(
    store: Store, payload: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    event = parse_event(payload("15_webhook_ANNOTATIONS_CREATED_bulk"))
    assert isinstance(event, AnnotationsSaved)
    (first, task), second = event.annotations
    odd = [region | {"id": 10**5000} for region in first["result"]]  # no text can be made of it
    save_annotations(store, replace(event, annotations=((first | {"result": odd}, task), second)))
    assert [annotation.id for annotation in store.labels.annotations()] == [second[0]["id"]]
    assert f"Annotation {first['id']} cannot be read" in caplog.text


def test_labels_have_the_time_at_which_they_came(store: Store, created: Json) -> None:
    receive(LabelEvents(store, ignore), created)
    (event,) = kept(store)
    moment = now()
    store_received_events(store)
    (annotation,) = store.labels.annotations()
    assert annotation.received_at == event.received_at < moment


def test_labels_that_nobody_can_read_are_refused(store: Store, created: Json) -> None:
    created["project"]["label_config"] = "<View/>"
    with pytest.raises(LabelConfigError):
        receive(LabelEvents(store, ignore), created)
    assert list(store.events.received()) == []


def reported_by_thread(store: Store, created: Json, before: Callable[[], object]) -> list[Collection[int]]:
    """What the thread reports after an event came; `before` happens between the two."""
    reports: list[Collection[int]] = []
    is_reported = threading.Event()

    def report(projects: Collection[int]) -> None:
        reports.append(projects)
        is_reported.set()

    events = LabelEvents(store, report)
    receive(events, created)
    before()
    thread = threading.Thread(target=events.run_until_closed)
    thread.start()
    is_reported.wait(20)
    events.close()
    thread.join(20)
    assert not thread.is_alive()
    return reports


def test_the_thread_stores_what_comes_and_reports_it(store: Store, created: Json) -> None:
    assert reported_by_thread(store, created, lambda: None) == [{1}]
    assert len(store.labels.annotations()) == 1


def test_projects_are_reported_though_somebody_else_stored_the_event(store: Store, created: Json) -> None:
    assert reported_by_thread(store, created, lambda: store_received_events(store)) == [{1}]


def test_regions_of_another_timeline_are_not_learnt_from(store: Store, created: Json) -> None:
    # HumanSignal/label-studio PR 6191: a page with several timelines, the other one first.
    other = (
        '<TimelineLabels name="sets" toName="video"><Label value="Normal rep"/><Label value="Rest"/></TimelineLabels>'
    )
    config = created["project"]["label_config"].replace("<View>", "<View>" + other, 1)
    for word, value in (("normal", "Normal rep"), ("anomalous", "Anomalous rep")):
        meant = f'<Label value="{value}" predicted_values="{word}"'
        head, _, tail = config.rpartition(f'<Label value="{value}"')
        config = head + meant + tail
    created["project"]["label_config"] = config
    regions = created["annotation"]["result"]
    strangers = [region | {"id": f"x{region['id']}", "from_name": "sets"} for region in regions]
    created["annotation"]["result"] = strangers + regions
    receive(LabelEvents(store, ignore), created)
    store_received_events(store)
    stored = store.labels.labelled_regions(created["annotation"]["id"])
    assert {one.region for one in stored} <= {region["id"] for region in regions}
    assert stored


def test_what_was_put_off_by_a_clock_that_was_set_back_is_due(store: Store) -> None:
    store.events.receive(b"{}")
    store.events.put_off(1)
    assert list(store.events.received()) == []
    with store.engine.begin() as connection:
        connection.execute(update(ReceivedEvent).values(put_off_until=now() + timedelta(days=2)))
    assert [event.id for event in store.events.received()] == [1]


def test_the_thread_waits_no_longer_than_until_what_is_put_off_is_due(store: Store) -> None:
    rounds: list[int] = []
    is_tried_again = threading.Event()

    def look_up() -> None:
        due = list(store.events.received())
        rounds.append(len(due))
        if len(rounds) == 1:
            store.events.put_off(due[0].id, timedelta(seconds=0.5))
        else:
            is_tried_again.set()

    store.events.receive(b"a hint")
    events = LabelEvents(store, ignore, look_up)
    thread = threading.Thread(target=events.run_until_closed)
    thread.start()
    is_tried_again.wait(20)
    events.close()
    thread.join(20)
    assert rounds[:2] == [1, 1]
