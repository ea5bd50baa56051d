"""Labels as Label Studio has them, taken over: what was missed, what was deleted, and what changed beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio

from backend.errors import LabelConfigError
from backend.labels import labelled
from backend.labelstudio.client import LabelStudioClient
from backend.storage.annotation_json import sources
from backend.storage.database import now
from backend.storage.jobs import Store

RATE = 25.0
SPAN = {"start": 26, "end": 75}


@pytest.fixture(autouse=True)
def _known(store: Store, label_studio: FakeLabelStudio) -> None:
    store.remember_project(1, CONFIG)
    label_studio.label_config = CONFIG


def _labelled_task(label_studio: FakeLabelStudio, label: str = "Normal rep", **data: Any) -> None:
    """Task 1 with annotation 5, of one repetition."""
    label_studio.add_task(task_id=1, fps=RATE, **data)
    region = {"id": "a", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "manual"}
    value = {"ranges": [SPAN], "timelinelabels": [label]}
    made = {"id": 5, "completed_by": 7, "updated_at": "2026-01-01T00:00:00Z", "result": [region | {"value": value}]}
    label_studio.tasks[1]["annotations"] = [made]


def test_a_missed_annotation_is_pulled(store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    _labelled_task(label_studio)
    assert labelled.pull(client, store, 1) == 1
    assert [(a.id, a.annotator) for a in store.labels.annotations()] == [(5, 7)]
    assert [r.label for r in store.labels.labelled_regions(5)] == ["normal"]


def test_a_frame_of_400_digits_keeps_no_other_label_from_being_pulled(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    _labelled_task(label_studio)
    made = label_studio.tasks[1]["annotations"][0]
    odd = made["result"][0] | {"value": made["result"][0]["value"] | {"ranges": [{"start": 10**400, "end": 5}]}}
    label_studio.tasks[1]["annotations"] = [made | {"id": 4, "result": [odd]}, made]
    assert labelled.pull(client, store, 1) == 2
    assert (len(store.labels.labelled_regions(4)), len(store.labels.labelled_regions(5))) == (0, 1)


def test_a_missed_deletion_is_pulled(store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    _labelled_task(label_studio)
    labelled.pull(client, store, 1)
    label_studio.tasks[1]["annotations"] = []
    labelled.pull(client, store, 1)
    assert store.labels.annotations()[0].deleted


@pytest.mark.parametrize(
    "delete", [lambda store: store.labels.delete_annotations([5]), lambda store: store.delete_tasks([1])]
)
def test_what_was_taken_for_deleted_is_back_at_the_next_pull(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio, delete: Callable[[Store], None]
) -> None:
    _labelled_task(label_studio)
    delete(store)
    labelled.pull(client, store, 1)
    assert [annotation.id for annotation in store.labels.valid_annotations(1)] == [5]


def test_pulling_what_is_known_is_no_news(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    _labelled_task(label_studio)
    labelled.pull(client, store, 1)
    moment = now()
    labelled.pull(client, store, 1)
    assert store.labels.normals_since(1, moment) == 0


def test_a_label_that_was_renamed_meanwhile_is_read(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.label_config = CONFIG.replace("Anomalous rep", "Bad rep")
    _labelled_task(label_studio, "Bad rep")
    labelled.pull(client, store, 1)
    assert [region.label for region in store.labels.labelled_regions(5)] == ["anomalous"]
    assert store.label_config(1) == label_studio.label_config


def test_what_is_known_is_read_again_by_a_labeling_config_that_changed(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    _labelled_task(label_studio, "Bad rep")
    labelled.pull(client, store, 1)
    assert store.labels.labelled_regions(5) == []
    label_studio.label_config = CONFIG.replace("Anomalous rep", "Bad rep")
    store.remember_project(1, label_studio.label_config)  # as with every request for predictions
    label_studio.tasks[1]["data"]["fps"] = 50.0
    labelled.pull(client, store, 1)
    assert [(one.label, one.start_s, one.end_s) for one in store.labels.labelled_regions(5)] == [
        ("anomalous", 1.0, 3.0)
    ]


def test_a_labeling_config_that_cannot_be_used_replaces_none(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.label_config = "<View/>"
    with pytest.raises(LabelConfigError):
        labelled.pull(client, store, 1)
    assert store.label_config(1) == CONFIG


def test_who_lifted_may_be_told_after_the_labels(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    _labelled_task(label_studio)
    labelled.pull(client, store, 1)
    label_studio.tasks[1]["data"] |= {"lifter": "anna", "fps": 50.0}
    labelled.pull(client, store, 1)
    data = sources(store.engine, [5])[5].data
    assert (data["lifter"], data["fps"]) == ("anna", RATE)  # the rate is that by which the frames were drawn


def test_a_nested_rate_stays_that_by_which_the_frames_were_drawn(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    # HumanSignal/label-studio#5610
    label_studio.label_config = CONFIG.replace('"$fps"', '"$media.fps"')
    _labelled_task(label_studio, media={"fps": RATE})
    labelled.pull(client, store, 1)
    label_studio.tasks[1]["data"]["media"] = {"fps": 50.0, "lifter": "anna"}
    labelled.pull(client, store, 1)
    assert sources(store.engine, [5])[5].data["media"] == {"fps": RATE, "lifter": "anna"}


def test_regions_of_another_timeline_are_no_labels(
    store: Store, client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    # HumanSignal/label-studio PR 6191: a page with several timelines, even with labels of the same names.
    other = (
        '<TimelineLabels name="sets" toName="video"><Label value="Normal rep"/><Label value="Other"/></TimelineLabels>'
    )
    label_studio.label_config = CONFIG.replace("</View>", other + "</View>")
    _labelled_task(label_studio)
    (region,) = label_studio.tasks[1]["annotations"][0]["result"]
    of_another = region | {
        "id": "b",
        "from_name": "sets",
        "value": region["value"] | {"ranges": [{"start": 1, "end": 9}]},
    }
    label_studio.tasks[1]["annotations"][0]["result"] = [of_another, region]
    labelled.pull(client, store, 1)
    assert [one.region for one in store.labels.labelled_regions(5)] == ["a"]
