"""Label Studio's JSON and frames: predictions out, events and annotations in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from fakes import CONFIG, analysis
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadRequest
from backend.labelstudio import format
from backend.labelstudio.format import Task, parse_event, parse_regions, to_prediction
from backend.labelstudio.labeling_config import Controls, FaultChoice, effective_rate, parse_controls
from pipeline.datasets.frames import to_frames, to_seconds
from pipeline.records import Analysis, Phase, Reason, Rep, RepScore, VideoInfo

CONTROLS = parse_controls(CONFIG)
RATES = st.sampled_from(
    [1.0, 10.0, 23.976, 24.0, 24000 / 1001, 25.0, 29.97, 30000 / 1001, 30.0, 50.0, 59.94, 60.0, 240.0]
)


def results(prediction: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [result for result in prediction["result"] if result["type"] == kind]


def ranges(found: Analysis, rate: float = 30.0) -> list[tuple[int, int]]:
    spans = [r["value"]["ranges"][0] for r in results(to_prediction(found, CONTROLS, rate), "timelinelabels")]
    return [(span["start"], span["end"]) for span in spans]


def cut(*reps: tuple[float, float], duration_s: float = 100.0) -> Analysis:
    made = tuple(Rep(start, (start + end) / 2, end) for start, end in reps)
    one = analysis(scores=(0.1,)).scores[0]
    return replace(analysis(), reps=made, scores=(one,) * len(made), video=VideoInfo("v", duration_s, 30.0, 640, 480))


# Frames


@pytest.mark.parametrize(
    ("start_s", "end_s", "rate", "expected"),
    [
        (0.0, 1.0, 30.0, (1, 30)),  # the first frame is 1
        (1.0, 2.0, 30.0, (31, 60)),  # both ends are shown
        (1.01, 1.99, 30.0, (31, 60)),  # a frame that is shown in part counts
        (3.0, 4.0, 29.97, (90, 120)),
        (3.0, 4.0, 24.0, (73, 96)),
        (0.1 + 0.2, 0.9, 10.0, (4, 9)),  # 0.30000000000000004 is 0.3
        (-1.0, 1.0, 30.0, (1, 30)),  # kept inside the video
        (99.0, 200.0, 30.0, (2971, 3000)),
        (200.0, 201.0, 30.0, (3000, 3000)),
        (1.0, 1.0001, 30.0, (31, 31)),
    ],
)
def test_seconds_become_frames(start_s: float, end_s: float, rate: float, expected: tuple[int, int]) -> None:
    assert to_frames(start_s, end_s, rate, 100.0) == expected


def test_a_video_of_less_than_a_frame_has_one() -> None:
    assert to_frames(0.0, 0.001, 30.0, 0.001) == (1, 1)


@given(start=st.integers(1, 500_000), length=st.integers(0, 10_000), rate=RATES)
def test_frames_survive_the_way_to_seconds_and_back(start: int, length: int, rate: float) -> None:
    seconds = to_seconds(start, start + length, rate)
    assert to_frames(*seconds, rate, duration_s=1e6) == (start, start + length)


@given(start_s=st.floats(0, 5000), length_s=st.floats(0.01, 100), rate=RATES)
def test_seconds_survive_after_the_first_way_through_frames(start_s: float, length_s: float, rate: float) -> None:
    once = to_seconds(*to_frames(start_s, start_s + length_s, rate, 1e6), rate)
    assert to_seconds(*to_frames(*once, rate, 1e6), rate) == once


@given(start_s=st.floats(0, 5000), length_s=st.floats(0.01, 100), rate=RATES)
def test_frames_cover_the_seconds(start_s: float, length_s: float, rate: float) -> None:
    shown = to_seconds(*to_frames(start_s, start_s + length_s, rate, 1e6), rate)
    assert shown[0] <= start_s + 1e-5
    assert shown[1] >= start_s + length_s - 1e-5


@given(start_s=st.floats(-10, 200), length_s=st.floats(0.01, 100), rate=RATES, duration_s=st.floats(0.01, 120))
def test_frames_are_whole_ordered_and_inside_the_video(
    start_s: float, length_s: float, rate: float, duration_s: float
) -> None:
    start, end = to_frames(start_s, start_s + length_s, rate, duration_s)
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert 1 <= start <= end <= max(1, round(duration_s * rate))


# Predictions


def test_a_prediction_has_one_label_per_repetition() -> None:
    labels = results(to_prediction(analysis((0.1, 0.9)), CONTROLS, 30.0), "timelinelabels")
    assert [r["value"]["timelinelabels"] for r in labels] == [["Normal rep"], ["Anomalous rep"]]


def test_the_score_of_a_repetition_stands_on_its_region_and_in_its_number() -> None:
    prediction = to_prediction(analysis((0.9,)), CONTROLS, 30.0)
    assert results(prediction, "timelinelabels")[0]["score"] == 0.9
    assert results(prediction, "number")[0]["value"]["number"] == 0.9


def test_the_results_of_a_region_share_its_id_and_range() -> None:
    prediction = to_prediction(analysis((0.9,)), CONTROLS, 30.0)
    assert {(r["id"], json.dumps(r["value"]["ranges"])) for r in prediction["result"]} == {
        ("rep1", '[{"start": 31, "end": 90}]')
    }


def test_ids_of_regions_are_unique() -> None:
    labels = results(to_prediction(analysis((0.1, 0.9, 0.2)), CONTROLS, 30.0), "timelinelabels")
    assert len({r["id"] for r in labels}) == 3


def test_only_controls_of_the_config_are_filled() -> None:
    bare = Controls("video", "video", "", "reps", "Normal rep", "Anomalous rep")
    assert {r["from_name"] for r in to_prediction(analysis((0.9,)), bare, 30.0)["result"]} == {"reps"}


def test_no_repetitions_make_an_empty_prediction() -> None:
    assert to_prediction(analysis(()), CONTROLS, 30.0)["result"] == []


def test_touch_and_go_repetitions_share_no_frame() -> None:
    assert ranges(cut((1.0, 2.01), (2.01, 3.0))) == [(31, 61), (62, 90)]


def test_a_repetition_shorter_than_a_frame_is_not_lost() -> None:
    assert len(ranges(cut((0.0, 1.5), (1.5, 1.9)), rate=1.0)) == 2


def test_a_repetition_beyond_the_announced_duration_is_not_lost() -> None:
    assert ranges(cut((1.0, 3.0), (6.0, 7.0), duration_s=5.0))[1] == (150, 150)


@given(
    bounds=st.lists(st.floats(0, 60), min_size=2, max_size=20, unique=True),
    rate=RATES,
    score=st.floats(0, 1),
    duration_s=st.floats(1, 60),
)
def test_every_prediction_is_json_that_the_labeling_page_can_show(
    bounds: list[float], rate: float, score: float, duration_s: float
) -> None:
    edges = sorted(bounds)
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if a < (a + b) / 2 < b]
    found = cut(*pairs, duration_s=duration_s)
    scored = replace(found, scores=tuple(RepScore(score, 0.5, math.nan) for _ in pairs))
    prediction = to_prediction(scored, CONTROLS, rate)
    json.dumps(prediction, allow_nan=False)
    for result in prediction["result"]:
        (span,) = result["value"]["ranges"]
        assert type(span["start"]) is int
        assert type(span["end"]) is int
        assert 1 <= span["start"] <= span["end"]


def test_a_clear_verdict_on_a_sure_cut_is_confident() -> None:
    assert format.confidence(analysis((0.0, 1.0), confidence=1.0)) == 1.0


def test_a_verdict_in_the_middle_asks_for_a_look() -> None:
    assert format.confidence(analysis((0.0, 0.5), confidence=1.0)) == 0.5


def test_a_doubtful_cut_asks_for_a_look() -> None:
    assert format.confidence(analysis((0.0,), confidence=0.2)) == 0.2


def test_a_repetition_that_could_not_be_judged_asks_for_a_look() -> None:
    unjudged = replace(analysis((0.0,), confidence=1.0), scores=(RepScore(0.0, 1.0, 0.0, reliable=False),))
    assert format.confidence(unjudged) == 0.5


def reason(part: str = "hips", phase: Phase = "pull") -> Reason:
    return Reason(part, phase, 0.5)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ((FaultChoice("Other"), FaultChoice("Early hips", ("hips pull",))), "Early hips"),
        ((FaultChoice("Any hips", ("hips",)), FaultChoice("Early hips", ("hips pull",))), "Early hips"),
        ((FaultChoice("Late", ("hips lowering",)),), ""),
        ((FaultChoice("Hips rise first"),), "Hips rise first"),
        ((FaultChoice("Hip shift"),), "Hip shift"),
        ((FaultChoice("Hips rise first", ("back",)),), ""),
        ((), ""),
    ],
)
def test_the_likely_fault_is_the_choice_that_names_the_reason(choices: tuple[FaultChoice, ...], expected: str) -> None:
    assert format.likely_fault([reason()], choices) == expected


def test_the_strongest_reason_that_has_a_choice_decides() -> None:
    choices = (FaultChoice("Back", ("back",)), FaultChoice("Knees", ("knees",)))
    assert format.likely_fault([reason("hips"), reason("knees"), reason("back")], choices) == "Knees"


def test_a_normal_repetition_has_no_fault() -> None:
    assert results(to_prediction(analysis((0.1,)), CONTROLS, 30.0), "choices") == []


def test_a_normal_repetition_has_no_note() -> None:
    assert results(to_prediction(analysis((0.1,)), CONTROLS, 30.0), "textarea") == []


def test_the_note_of_an_anomaly_says_why() -> None:
    assert format.note_text(analysis((0.9,)).scores[0]) == "unusual: back during the pull (60%)"


def test_the_note_says_what_could_not_be_judged() -> None:
    assert format.note_text(RepScore(0.5, 1.0, 0.0, reliable=False)) == "not judged reliably: please check"


def test_a_repetition_that_could_not_be_judged_is_marked_and_has_no_fault() -> None:
    why = (Reason("back", "pull", 0.6),)
    unjudged = replace(analysis((0.9,)), scores=(RepScore(0.9, 0.01, 3.0, why, reliable=False),))
    (label,) = results(to_prediction(unjudged, CONTROLS, 30.0), "timelinelabels")
    assert label["meta"] == {"text": ["anomaly 0.90, not judged reliably: please check"]}
    (note,) = results(to_prediction(unjudged, CONTROLS, 30.0), "textarea")
    assert note["value"]["text"] == ["not judged reliably: please check"]
    assert results(to_prediction(unjudged, CONTROLS, 30.0), "choices") == []


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
    assert parse_event(payload("19_webhook_TASKS_DELETED")) == format.TasksDeleted((5,))


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
    assert parse_event(payload(name)) == format.AnnotationsDeleted(ids)


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
