"""Bringing a finished analysis into Label Studio: the frame rate first, then one prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes import CONFIG, VERSION, analysis
from label_studio_api import FakeLabelStudio

from backend.errors import LabelStudioError, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import Access
from backend.labelstudio.task_columns import COLUMNS, without_columns
from backend.predictions import delivery
from backend.predictions.delivery import Delivery
from pipeline.datasets.frames import to_seconds

CONTROLS = parse_controls(CONFIG)


def push(client: LabelStudioClient, number: int, fps: float = 30.0, config: str = CONFIG) -> int:
    return delivery.push(client, Delivery(Task(number, 1, {}), analysis(fps=fps)), parse_controls(config))


def first_range(label_studio: FakeLabelStudio, number: int) -> dict[str, int]:
    found: dict[str, int] = label_studio.of_task(number)[-1]["result"][0]["value"]["ranges"][0]
    return found


def test_a_prediction_is_stored(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    assert push(client, number) in label_studio.predictions


def test_a_prediction_of_this_version_is_not_stored_again(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    assert push(client, number) == push(client, number)
    assert len(label_studio.of_task(number)) == 1


def test_a_prediction_of_another_version_does_not_count(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    label_studio.add_prediction(number, "base-0", [])
    push(client, number)
    assert [p["model_version"] for p in label_studio.of_task(number)] == ["base-0", VERSION]


def test_of_two_that_store_at_the_same_time_the_first_is_kept(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    label_studio.before_storing = lambda: others.append(label_studio.add_prediction(number, VERSION, [{"id": "rep1"}]))
    others: list[int] = []
    assert push(client, number) == others[0]
    assert [p["id"] for p in label_studio.of_task(number)] == others


def test_surplus_predictions_of_a_task_that_nobody_labelled_are_removed(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    first, second = (label_studio.add_prediction(number, VERSION, []) for _ in range(2))
    assert push(client, number) == first
    assert second not in label_studio.predictions


def test_surplus_predictions_that_somebody_may_have_started_from_are_kept(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    for _ in range(2):
        label_studio.add_prediction(number, VERSION, [])
    label_studio.tasks[number]["total_annotations"] = 1
    push(client, number)
    assert len(label_studio.of_task(number)) == 2


def test_storing_takes_five_requests(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    client.authorization()
    label_studio.calls.clear()
    push(client, number)
    assert sum(label_studio.calls.values()) == 5


def test_the_rate_of_the_video_is_put_into_the_task(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task(other="kept")
    push(client, number, fps=30000 / 1001)
    data = without_columns(label_studio.tasks[number]["data"])
    assert data == {"video": "/data/upload/1/a.mp4", "other": "kept", "fps": 29.97003}


def test_a_coarser_timeline_keeps_boundaries_to_half_a_frame(access: Access, label_studio: FakeLabelStudio) -> None:
    number, found = label_studio.add_task(), analysis(fps=60.0)
    client = LabelStudioClient(replace(access, labeling_rate=12.0))
    delivery.push(client, Delivery(Task(number, 1, {}), found), CONTROLS)
    assert label_studio.tasks[number]["data"]["fps"] == 12.0
    spans = [one["value"]["ranges"][0] for one in label_studio.of_task(number)[0]["result"] if "score" in one]
    drawn = [to_seconds(span["start"], span["end"], 12.0) for span in spans]
    assert drawn == [pytest.approx((rep.start_s, rep.end_s), abs=0.5 / 12) for rep in found.reps]


def test_the_address_in_a_storage_is_kept_when_the_rate_is_set(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task("s3://bucket/a.mp4")
    push(client, number)
    assert label_studio.tasks[number]["data"]["video"] == "s3://bucket/a.mp4"


def test_frames_are_counted_at_the_rate_that_was_set(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    push(client, number, fps=50.0)
    assert first_range(label_studio, number) == {"start": 51, "end": 150}


def test_a_rate_in_the_task_is_kept(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task(fps=25)
    push(client, number, fps=50.0)
    assert label_studio.tasks[number]["data"]["fps"] == 25
    assert first_range(label_studio, number) == {"start": 26, "end": 75}


@pytest.mark.parametrize("work", [{"total_annotations": 1}, {"draft_owners": ["me"]}, {"draft_owners": ["other"]}])
def test_no_rate_is_set_where_somebody_has_drawn_frames(
    client: LabelStudioClient, label_studio: FakeLabelStudio, work: dict[str, object]
) -> None:
    number = label_studio.add_task()
    label_studio.tasks[number] |= work
    push(client, number)
    assert "fps" not in label_studio.tasks[number]["data"]
    assert first_range(label_studio, number) == {"start": 25, "end": 72}  # at 24, as Label Studio shows it


def test_no_rate_is_set_where_a_prediction_has_frames(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    label_studio.add_prediction(number, "base-0", [{"id": "rep1"}])
    push(client, number)
    assert "fps" not in label_studio.tasks[number]["data"]


def test_no_rate_is_set_where_the_config_has_a_number(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    push(client, number, fps=50.0, config=CONFIG.replace("$fps", "10"))
    assert "fps" not in label_studio.tasks[number]["data"]
    assert first_range(label_studio, number) == {"start": 11, "end": 30}


def test_no_rate_is_set_where_the_config_has_none(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    push(client, number, config=CONFIG.replace('frameRate="$fps"', ""))
    assert without_columns(label_studio.tasks[number]["data"]) == {"video": "/data/upload/1/a.mp4"}


def test_what_became_of_a_video_is_told_in_the_tasks_data(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task("/data/upload/1/0123abcd-my%20set.mp4", lifter="Anna")
    push(client, number)
    data = label_studio.tasks[number]["data"]
    assert {key: data[key] for key in (*COLUMNS, "lifter")} == {
        "deadlift_file": "my set.mp4",
        "deadlift_state": "predicted",
        "deadlift_repetitions": 2,
        "deadlift_anomalies": 1,
        "deadlift_confidence": 0.8,
        "deadlift_model": VERSION,
        "lifter": "Anna",
    }


def test_what_is_told_already_is_not_written_again(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task(fps=30.0)
    push(client, number)
    push(client, number)
    assert label_studio.calls["PATCH /api/tasks/N/"] == 1


def test_what_hinders_is_told_in_words(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    found = replace(analysis(), reps=(), scores=(), nothing="nobody is seen")
    found = replace(found, video=replace(found.video, unplayable="HEVC (H.265), which browsers do not play"))
    delivery.push(client, Delivery(Task(number, 1, {}), found), CONTROLS)
    command = "deadlift prelabel --tasks all --project 1 --playable"
    told = f"not playable: HEVC (H.265), which browsers do not play ({command} gives it a copy); "
    assert label_studio.tasks[number]["data"]["deadlift_state"] == f"{told}no repetition: nobody is seen"


def test_a_failure_is_told_and_goes_with_the_next_success(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    delivery.tell_failure(client, Task(number, 1, {}), CONTROLS, "a.mp4: the file is empty." + " Really." * 100)
    state = label_studio.tasks[number]["data"]["deadlift_state"]
    assert state.startswith("failed: a.mp4: the file is empty.")
    assert len(state) == 300
    push(client, number)
    assert label_studio.tasks[number]["data"]["deadlift_state"] == "predicted"


def test_a_deleted_task_is_an_error(client: LabelStudioClient) -> None:
    with pytest.raises(NotInLabelStudio):
        push(client, 999)


def test_a_refused_prediction_is_an_error(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    label_studio.failures = [500]
    with pytest.raises(LabelStudioError, match="500"):
        push(client, label_studio.add_task())


def test_a_prediction_carries_the_cluster_of_its_video(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    delivery.push(client, Delivery(Task(number, 1, {}), analysis(), cluster=3), CONTROLS)
    assert [p["cluster"] for p in label_studio.of_task(number)] == [3]


def test_a_rate_is_set_in_the_data_of_now_where_several_are_delivered(
    client: LabelStudioClient, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = label_studio.add_task(), label_studio.add_task()
    create = LabelStudioClient.create_prediction

    def edited_meanwhile(client: LabelStudioClient, task: int, prediction: Any) -> int:
        if task == first:
            label_studio.tasks[second]["data"]["note"] = "written by somebody"
        return create(client, task, prediction)

    monkeypatch.setattr(LabelStudioClient, "create_prediction", edited_meanwhile)
    several = [Delivery(Task(number, 1, {}), analysis(fps=25.0)) for number in (first, second)]
    assert len(delivery.push_all(client, several, CONTROLS)) == 2
    assert label_studio.tasks[second]["data"]["note"] == "written by somebody"
    assert label_studio.tasks[second]["data"]["fps"] == 25.0


# Nested task data: HumanSignal/label-studio#5610.

NESTED = CONFIG.replace('"$video"', '"$media.video"').replace('"$fps"', '"$media.fps"')


def test_a_nested_rate_is_set_beside_what_is_there(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task(media={"video": "a.mp4", "lifter": "Kim"})
    push(client, number, fps=50.0, config=NESTED)
    assert label_studio.tasks[number]["data"]["media"] == {"video": "a.mp4", "lifter": "Kim", "fps": 50.0}
    assert first_range(label_studio, number) == {"start": 51, "end": 150}


def test_a_nested_rate_is_kept(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task(media={"video": "a.mp4", "fps": 25})
    push(client, number, fps=50.0, config=NESTED)
    assert first_range(label_studio, number) == {"start": 26, "end": 75}


def test_without_a_place_for_the_rate_frames_are_counted_as_label_studio_shows_them(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task(media="a.mp4")
    push(client, number, fps=50.0, config=NESTED)
    assert label_studio.tasks[number]["data"]["media"] == "a.mp4"
    assert first_range(label_studio, number) == {"start": 25, "end": 72}


def test_a_nested_rate_of_a_video_that_was_replaced_is_removed(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task(media={"video": "a.mp4"})
    push(client, number, config=NESTED)
    state = client.task_state(Task(number, 1, {}))
    delivery.withdraw(client, state, {VERSION}, parse_controls(NESTED))
    assert label_studio.tasks[number]["data"]["media"] == {"video": "a.mp4"}
