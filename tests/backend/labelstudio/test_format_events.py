"""What Label Studio sends, read: tasks and ids, events, the regions of annotations."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from fakes import CONFIG
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadRequest
from backend.labelstudio import format
from backend.labelstudio.format import Task, parse_event, parse_regions
from backend.labelstudio.labeling_config import effective_rate, parse_controls
from pipeline.datasets.frames import to_seconds

CONTROLS = parse_controls(CONFIG)


# Tasks and ids


def test_a_task_is_read() -> None:
    assert format.parse_task({"id": 3, "project": 1, "data": {"video": "x"}}) == Task(3, 1, {"video": "x"})


def test_a_task_without_a_project_belongs_to_that_of_the_request() -> None:
    assert format.parse_task({"id": 3, "project": None, "data": {}}, project=7).project == 7


@pytest.mark.parametrize(
    "broken",
    [None, 5, "task", [], {}, {"id": 1}, {"id": 1, "data": []}, {"id": "x", "data": {}}, {"id": None, "data": {}},
     {"id": 1.5, "data": {}}, {"id": -1, "data": {}}, {"id": True, "data": {}}, {"id": 2**64, "data": {}},
     {"id": math.inf, "data": {}}, {"id": 1, "data": {}, "project": [3]}],
)  # fmt: skip
def test_a_broken_task_is_a_bad_request(broken: Any) -> None:
    with pytest.raises(BadRequest):
        format.parse_task(broken, project=1)


def test_a_broken_task_keeps_its_place_in_the_list() -> None:
    tasks = format.parse_tasks([{"id": 1, "data": {}}, "broken", {"id": 3, "data": {}}], project=1)
    assert [isinstance(task, Task) for task in tasks] == [True, False, True]


@pytest.mark.parametrize("value", ["12.1795325641", "12", 12])
def test_a_project_is_named_in_several_ways(value: object) -> None:
    assert format.parse_project(value) == 12


@pytest.mark.parametrize("value", [None, "", "x", {}, [], -1, 1.5, True, "1" * 50, "-3"])
def test_what_is_no_project_is_a_bad_request(value: object) -> None:
    with pytest.raises(BadRequest):
        format.parse_project(value)


# Events as Label Studio sends them


def saved(payload: Callable[[str], Any], name: str) -> tuple[tuple[dict[str, Any], Task], ...]:
    event = parse_event(payload(name))
    assert isinstance(event, format.AnnotationsSaved)
    return event.annotations


def test_new_tasks(payload: Callable[[str], Any]) -> None:
    event = parse_event(payload("18_webhook_TASKS_CREATED"))
    assert isinstance(event, format.TasksCreated)
    assert event.tasks == (Task(5, 1, {"video": "/data/local-files/?d=vids/t30.mp4", "fps": 30}),)


def test_deleted_tasks(payload: Callable[[str], Any]) -> None:
    assert parse_event(payload("19_webhook_TASKS_DELETED")) == format.TasksDeleted((5,), 1)


def test_start_of_training(payload: Callable[[str], Any]) -> None:
    event = parse_event(payload("10_webhook_START_TRAINING"))
    assert isinstance(event, format.StartTraining)
    assert event.project == 1


def test_a_changed_project(payload: Callable[[str], Any]) -> None:
    event = parse_event(payload("17_webhook_PROJECT_UPDATED"))
    assert isinstance(event, format.ProjectUpdated)
    assert parse_controls(event.label_config).labels == "reps"


@pytest.mark.parametrize(
    ("name", "ids"),
    [("13_webhook_ANNOTATIONS_DELETED", (1,)), ("16_webhook_ANNOTATIONS_DELETED_bulk", (4,))],
)
def test_deleted_annotations(payload: Callable[[str], Any], name: str, ids: tuple[int, ...]) -> None:
    assert parse_event(payload(name)) == format.AnnotationsDeleted(ids, 1)


@pytest.mark.parametrize(
    "name",
    ["11_webhook_ANNOTATION_CREATED_api", "12_webhook_ANNOTATION_UPDATED_api",
     "14_webhook_ANNOTATION_CREATED_skipped_task", "20_webhook_ANNOTATION_CREATED_from_UI_after_correction",
     "21_webhook_ANNOTATION_UPDATED_from_UI"],
)  # fmt: skip
def test_a_saved_annotation_comes_with_its_task(payload: Callable[[str], Any], name: str) -> None:
    ((annotation, task),) = saved(payload, name)
    assert annotation["task"] == task.id


def test_several_saved_annotations_come_with_their_tasks(payload: Callable[[str], Any]) -> None:
    pairs = saved(payload, "15_webhook_ANNOTATIONS_CREATED_bulk")
    assert [(annotation["id"], task.id) for annotation, task in pairs] == [(4, 3), (5, 4)]


def test_a_correction_in_the_page_is_read_as_the_person_left_it(payload: Callable[[str], Any]) -> None:
    ((annotation, task),) = saved(payload, "20_webhook_ANNOTATION_CREATED_from_UI_after_correction")
    first, second = parse_regions(annotation["result"], CONTROLS, effective_rate(CONTROLS, task.data))
    assert (first.origin, second.origin) == ("prediction", "prediction-changed")
    assert (second.start_s, second.end_s) == (3.0, pytest.approx(115 / 30))


def test_annotations_made_by_api_have_no_origin(payload: Callable[[str], Any]) -> None:
    (annotation, _), _ = saved(payload, "15_webhook_ANNOTATIONS_CREATED_bulk")
    assert {region.origin for region in parse_regions(annotation["result"], CONTROLS, 30.0)} == {""}


def test_a_skipped_task_has_no_repetitions(payload: Callable[[str], Any]) -> None:
    ((annotation, _),) = saved(payload, "14_webhook_ANNOTATION_CREATED_skipped_task")
    assert parse_regions(annotation["result"], CONTROLS, 30.0) == ()


@pytest.mark.parametrize("broken", [None, 5, {}, {"id": "x", "task": 3}, {"id": 9, "task": 77}])
def test_a_broken_annotation_among_others_is_left_out(payload: Callable[[str], Any], broken: Any) -> None:
    body = payload("15_webhook_ANNOTATIONS_CREATED_bulk")
    body["annotation"].insert(1, broken)
    event = parse_event(body)
    assert isinstance(event, format.AnnotationsSaved)
    assert [annotation["id"] for annotation, _ in event.annotations] == [4, 5]


def test_a_broken_deletion_among_others_is_left_out() -> None:
    body = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 4}, {}, {"id": 5}]}
    assert parse_event(body) == format.AnnotationsDeleted((4, 5))


def test_an_unknown_action_is_ignored() -> None:
    assert parse_event({"action": "LABEL_LINK_CREATED", "project": {"id": 1}}) == format.Ignored("LABEL_LINK_CREATED")


@pytest.mark.parametrize(
    "broken",
    [None, [], {}, {"action": 3}, {"action": "TASKS_CREATED"}, {"action": "TASKS_DELETED", "tasks": [1]},
     {"action": "ANNOTATIONS_DELETED", "annotations": [{}]}, {"action": "START_TRAINING"},
     {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 2}, "task": []},
     {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": {}}, "task": []},
     {"action": "ANNOTATION_CREATED", "annotation": {"id": "x", "task": 2}, "task": []},
     {"action": "ANNOTATION_CREATED", "annotation": [3], "task": []},
     {"action": "PROJECT_UPDATED", "project": {"id": "x"}}],
)  # fmt: skip
def test_a_broken_event_is_a_bad_request(broken: Any) -> None:
    with pytest.raises(BadRequest):
        parse_event(broken)


# Regions


def region(**changes: Any) -> dict[str, Any]:
    value = {"ranges": [{"start": 31, "end": 60}], "timelinelabels": ["Normal rep"]} | changes.pop("value", {})
    return {"id": "r", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "value": value} | changes


def test_the_label_decides_and_not_the_score_that_the_model_left() -> None:
    (found,) = parse_regions([region(score=0.99, origin="prediction-changed")], CONTROLS, 30.0)
    assert found.label == "normal"


def test_repetitions_come_in_the_order_of_time() -> None:
    later = region(id="later", value={"ranges": [{"start": 100, "end": 120}]})
    assert [found.id for found in parse_regions([later, region()], CONTROLS, 30.0)] == ["r", "later"]


def test_each_range_of_a_region_is_a_repetition() -> None:
    two = region(value={"ranges": [{"start": 1, "end": 30}, {"start": 61, "end": 90}]})
    assert [found.start_s for found in parse_regions([two], CONTROLS, 30.0)] == [0.0, 2.0]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"start": 30.6, "end": 60.2}, (31, 60)),
        ({"start": 60, "end": 31}, (31, 60)),
        ({"start": 0, "end": 30}, (1, 30)),
    ],
)
def test_frames_that_are_slightly_wrong_are_put_right(span: dict[str, float], expected: tuple[int, int]) -> None:
    (found,) = parse_regions([region(value={"ranges": [span]})], CONTROLS, 30.0)
    assert (found.start_s, found.end_s) == to_seconds(*expected, 30.0)


@pytest.mark.parametrize(
    "broken",
    [
        "text",
        None,
        region(value={"ranges": []}),
        region(value={"ranges": None}),
        region(value={"ranges": [{"start": 1}]}),
        region(value={"ranges": [{"start": "1", "end": "2"}]}),
        region(value={"ranges": [{"start": 1, "end": math.nan}]}),
        region(value={"ranges": [5]}),
        region(value={"timelinelabels": ["Warm-up"]}),
        region(value={"timelinelabels": None}),
        region() | {"value": 3},
        region(from_name="others"),
        region(type="number"),
    ],
)
def test_what_is_no_repetition_is_left_out(broken: Any) -> None:
    assert len(parse_regions([broken, region()], CONTROLS, 30.0)) == 1


@pytest.mark.parametrize("nothing", [None, {}, "text", 5])
def test_an_annotation_without_results_has_no_repetitions(nothing: Any) -> None:
    assert parse_regions(nothing, CONTROLS, 30.0) == ()


WORDS = ["action", "id", "task", "annotation", "project", "value", "ranges", "start"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(body=st.dictionaries(st.sampled_from(WORDS), ANYTHING))
def test_no_event_breaks_the_reader(body: dict[str, Any]) -> None:
    with suppress(BadRequest):
        parse_event(body | {"action": "ANNOTATION_CREATED"})
