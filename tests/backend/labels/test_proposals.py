"""Where labels come from when Label Studio does not say: drafts lose the prediction that they were begun with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes import CONFIG, analysis
from sqlalchemy import update
from sqlalchemy.orm import Session

from backend.labels import labelled
from backend.labels.events import save_annotations
from backend.labels.proposals import PredictedRep, Proposals, bounds_s, origin_of, proposal_for, proposals_of
from backend.labelstudio.format import AnnotationsSaved, Json, Task
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Job, Store
from backend.storage.labels import LabelledRegion
from pipeline.records import Rep, RepScore

RATE = 25.0
TASK = Task(3, 1, {"video": "/data/upload/1/a.mp4", "fps": RATE})
REPS = (Rep(1.0, 2.0, 3.0), Rep(4.0, 5.0, 6.0), Rep(8.0, 9.0, 10.0))
MORNING = datetime(2026, 11, 22, 8)


def _predicted(store: Store, version: str, delivered: datetime | None, score: float = 0.1, prediction: int = 0) -> None:
    """The task's video was predicted by a model, and the prediction brought to Label Studio at that moment."""
    job = store.job_for(TASK, TASK.data["video"], version, "c")
    store.finish_job(
        job.id, dump_analysis(replace(analysis(), reps=REPS, scores=(RepScore(score, 0.5, 1.0),) * len(REPS)))
    )
    if prediction:
        store.mark_pushed(job.id, prediction)
    with store.engine.begin() as connection:
        moments = {"delivered_at": delivered, "created_at": delivered or MORNING}
        connection.execute(update(Job).where(Job.id == job.id).values(**moments))


def _submitted(store: Store, spans: dict[str, tuple[int, int]], origin: str = "prediction", **about: Any) -> None:
    """An annotation as Label Studio 1.23.2 sends one that was kept as a draft: it names no prediction."""
    result: list[Json] = [
        {
            "id": region, "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": origin,
            "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": ["Normal rep"]},
        }
        for region, (start, end) in spans.items()
    ]  # fmt: skip
    annotation = {
        "id": 9, "result": result, "completed_by": 1, "parent_prediction": None, "lead_time": 40.0,
        "draft_created_at": "2026-11-22T09:30:00.195997Z", "created_at": "2026-11-22T12:00:00.000000Z",
        "updated_at": "2026-11-22T12:00:00.000000Z",
    }  # fmt: skip
    save_annotations(store, AnnotationsSaved(((annotation | about, TASK),), CONFIG))


UNTOUCHED = {"rep1": (26, 75), "rep2": (101, 150)}
MOVED = {"rep1": (26, 75), "rep2": (101, 275)}


def _known(store: Store) -> list[tuple[str, str]]:
    (video,) = labelled.labelled_videos(store, 1)
    return [(rep.origin, rep.proposed_by) for rep in video.reps]


def _began_with(store: Store) -> Proposals | None:
    with Session(store.engine) as session:
        return proposals_of(session, store.labels.annotations()).get(9)


def test_a_draft_was_begun_with_what_the_task_had_then(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    _predicted(store, "trained", MORNING + timedelta(hours=2), prediction=38)  # between draft and submission
    _submitted(store, UNTOUCHED)
    assert _known(store) == [("untouched", "base")] * 2


def test_a_boundary_that_was_moved_by_seconds_is_a_change_whatever_label_studio_calls_it(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    _submitted(store, MOVED)
    assert _known(store) == [("untouched", "base"), ("changed", "base")]


def test_without_a_draft_the_time_at_work_says_what_was_there(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    _predicted(store, "trained", datetime(2026, 11, 22, 11, 59, 50), prediction=38)
    _submitted(store, UNTOUCHED, draft_created_at=None)
    assert _known(store) == [("untouched", "base")] * 2


def test_a_prediction_that_was_brought_again_since_counts_by_when_it_was_made(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    with store.engine.begin() as connection:
        connection.execute(update(Job).values(delivered_at=MORNING + timedelta(hours=3)))
    _submitted(store, UNTOUCHED)
    assert _known(store) == [("untouched", "base")] * 2


def test_an_annotation_of_before_any_prediction_comes_from_none(store: Store) -> None:
    _predicted(store, "base", MORNING + timedelta(hours=3), prediction=37)
    _submitted(store, UNTOUCHED)
    assert _began_with(store) is None


def test_somebody_elses_prediction_is_not_taken_for_ours(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    _submitted(store, UNTOUCHED, parent_prediction=1)
    assert _began_with(store) is None


def test_a_named_prediction_whose_number_we_never_learned_is_ours(store: Store) -> None:
    _predicted(store, "base", MORNING)  # given in an answer, without access to Label Studio
    _submitted(store, UNTOUCHED, parent_prediction=1)
    assert _known(store) == [("untouched", "base")] * 2


def test_a_moment_that_is_none_is_passed_over(store: Store) -> None:
    _predicted(store, "base", MORNING)
    _submitted(store, UNTOUCHED, draft_created_at="yesterday", created_at="", lead_time="long")
    assert _known(store) == [("untouched", "base")] * 2  # by when it was last changed


def _region(name: str, start_s: float, end_s: float, origin: str = "prediction") -> LabelledRegion:
    return LabelledRegion(region=name, start_s=start_s, end_s=end_s, label="normal", origin=origin)


PROPOSED = [PredictedRep(rep.start_s, rep.end_s, "normal", 0.1, 0.9) for rep in REPS]


@pytest.mark.parametrize(
    ("region", "number"),
    [
        (_region("rep2", 4.0, 6.0), 1),
        (_region("rep2", 6.5, 7.5), 1),  # moved away altogether: its id says what it was
        (_region("rep3", 4.1, 6.1), 1),  # an id of another prediction: it lies on another repetition
        (_region("rep1", 2.9, 6.0), 1),  # which reaches into the one that it is numbered like
        (_region("a5Xk", 4.1, 6.1), 1),
        (_region("a5Xk", 4.0, 6.0, "manual"), None),  # drawn anew
        (_region("rep2", 4.0, 6.0, "manual"), 1),  # stored by a program with our id, and saved in the page
        (_region("rep2", 6.5, 7.5, "manual"), None),
        (_region("a5Xk", 6.5, 7.5), None),
        (_region("rep9", 6.5, 7.5), None),
        (_region("rep2", 6.5, 7.5, ""), None),  # made by a program, which may count as it likes
    ],
)
def test_a_region_is_found_by_its_id_or_where_it_lies(region: LabelledRegion, number: int | None) -> None:
    assert proposal_for(region, PROPOSED) == (None if number is None else PROPOSED[number])


@pytest.mark.parametrize(
    ("said", "moved_s", "is_proposed", "is_known", "origin"),
    [
        ("prediction", 0.0, True, True, "untouched"),
        ("prediction", 0.09, True, True, "untouched"),
        ("prediction", 5.0, True, True, "changed"),
        ("prediction-changed", 0.0, True, True, "untouched"),  # its note was edited, or it was put back
        ("prediction", 0.0, False, True, "changed"),
        ("prediction", 0.0, False, False, "untouched"),
        ("", 0.0, False, True, "manual"),
        ("manual", 0.0, False, True, "manual"),
        ("manual", 0.0, True, True, "untouched"),
    ],
)
def test_the_origin_is_what_changed(said: str, moved_s: float, is_proposed: bool, is_known: bool, origin: str) -> None:
    proposal = PROPOSED[1] if is_proposed else None
    assert origin_of(_region("rep2", 4.0 + moved_s, 6.0, said), proposal, is_known) == origin


def test_labels_are_judged_by_what_was_proposed_unless_somebody_moved_it(store: Store) -> None:
    _predicted(store, "base", MORNING, prediction=37)
    _submitted(store, {"rep1": (27, 75), "rep2": (101, 275)})
    (video,) = labelled.labelled_videos(store, 1)
    assert [rep.start_s for rep in video.reps] == pytest.approx([26 / 25, 100 / 25])
    assert [rep.span_s for rep in video.reps] == [(1.0, 3.0), pytest.approx((100 / 25, 275 / 25))]


def test_a_repetition_that_nobody_moved_has_the_times_that_were_proposed() -> None:
    """Label Studio keeps whole frames."""
    proposed = PredictedRep(5.567, 7.517, "normal", 0.4, 0.8)
    rounded = LabelledRegion(region="rep1", start_s=5.572, end_s=7.512, label="anomalous", origin="prediction")
    moved = LabelledRegion(region="rep1", start_s=5.572, end_s=7.9, label="anomalous", origin="prediction")
    assert bounds_s(rounded, proposed) == (5.567, 7.517)
    assert bounds_s(moved, proposed) == (5.572, 7.9)
    assert bounds_s(rounded, None) == (5.572, 7.512)
