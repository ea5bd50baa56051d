"""Labels that somebody should look at again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import CONFIG, analysis

from backend.labels.events import save_annotations
from backend.labels.odd_labels import odd_labels
from backend.labelstudio.format import AnnotationsSaved, Task
from backend.storage import summaries
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from pipeline.records import NO_BEGINNING, NO_END

TASK = Task(3, 1, {"video": "/data/upload/1/a.mp4", "fps": 10.0})


def _label(store: Store, *spans: tuple[int, int], annotation: int = 9) -> None:
    result = [
        {
            "id": f"r{n}", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "manual",
            "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": ["Normal rep"]},
        }
        for n, (start, end) in enumerate(spans)
    ]  # fmt: skip
    save_annotations(
        store, AnnotationsSaved((({"id": annotation, "result": result, "completed_by": 1}, TASK),), CONFIG)
    )


def _analyzed(store: Store, nothing: str = "", version: str = "base") -> None:
    found = analysis(()) if nothing else analysis()
    found = replace(found, nothing=nothing)
    job = store.job_for(TASK, TASK.data["video"], version, "c")
    store.finish_job(job.id, dump_analysis(replace(found, video=replace(found.video, duration_s=20.0))))


def _words(store: Store) -> dict[int, str]:
    summaries.refresh(store.engine)
    return {one.number: one.why for one in odd_labels(store.engine, store.labels.of_project(1), "base")}


def test_usual_labels_are_not_odd(store: Store) -> None:
    _analyzed(store)
    _label(store, (11, 30), (41, 60))
    assert _words(store) == {}


def test_what_is_odd_is_said_in_words(store: Store) -> None:
    _analyzed(store)
    _label(store, (11, 12), (41, 60), (42, 61), (150, 250))
    assert _words(store) == {
        1: "lasts 0.2 s only",
        3: "is where repetition 2 is",
        4: "ends after the video, which has 20.0 s",
    }


@pytest.mark.parametrize("nothing", [NO_END, NO_BEGINNING])
def test_a_label_where_half_a_lift_was_seen_is_not_odd(store: Store, nothing: str) -> None:
    _analyzed(store, nothing)
    _label(store, (11, 30))
    assert _words(store) == {}


def test_a_label_where_nobody_was_seen_is_odd(store: Store) -> None:
    _analyzed(store, "nobody is seen")
    _label(store, (11, 30))
    assert _words(store) == {1: "the model found no lift in the video: nobody is seen"}


def test_the_model_in_use_says_whether_there_is_a_lift(store: Store) -> None:
    _analyzed(store)
    _analyzed(store, "nobody is seen", "p1-v0001-0badc0de")
    _label(store, (11, 30), (41, 60))
    assert _words(store) == {}


def test_a_label_that_overlaps_another_is_odd(store: Store) -> None:
    _analyzed(store)
    _label(store, (11, 30), (27, 50), (50, 70))  # of the last two, one frame is shared
    assert _words(store) == {2: "overlaps repetition 1"}


def test_a_label_of_somebody_s_two_annotations_of_a_task_is_listed_once(store: Store) -> None:
    _label(store, (11, 12))
    _label(store, (11, 12), annotation=10)
    assert [one.annotation for one in odd_labels(store.engine, store.labels.of_project(1), "base")] == [10]


def test_a_skipped_annotation_has_no_odd_labels(store: Store) -> None:
    _label(store, (11, 12))
    store.labels.delete_annotations([9])
    assert _words(store) == {}


def test_a_label_of_a_minute_is_odd_without_any_analysis(store: Store) -> None:
    _label(store, (11, 610))
    assert _words(store) == {1: "lasts 60 s"}
