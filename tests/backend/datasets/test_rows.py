"""A row of an export: what is said of a repetition, and where it comes from."""

from __future__ import annotations

import pytest
from labelled_project import RATE, VERSION, LabelledProject, rows

from pipeline.datasets.frames import to_frames
from pipeline.datasets.manifest import rows_of

pytestmark = pytest.mark.usefixtures("no_plots")


def test_every_repetition_is_exported_in_order(project: LabelledProject) -> None:
    assert [row.rep for row in rows(project)] == [f"squad-{task}_rep_{n}" for task in (1, 2) for n in (1, 2, 3)]


def test_a_row_has_the_seconds_and_frames_of_its_region(project: LabelledProject) -> None:
    rep = project.analyses[1].reps[0]
    start, end = to_frames(rep.start_s, rep.end_s, RATE, 1000.0)
    row = rows(project)[0]
    assert (row.start_frame, row.end_frame, row.frame_rate) == (start, end, RATE)
    assert (row.start_s, row.end_s) == ((start - 1) / RATE, end / RATE)


def test_a_row_says_what_the_model_had_said(project: LabelledProject) -> None:
    row = rows(project)[0]
    assert (row.score, row.confidence, row.model_version, row.origin) == (0.3, 0.7, VERSION, "untouched")


def test_a_row_names_its_source(project: LabelledProject) -> None:
    row = rows(project)[0]
    assert (row.task, row.annotation, row.annotator, row.region) == (1, 1, 7, "rep0")
    assert (row.digest, row.video) == (f"{1:064x}", project.media(1))


def test_an_address_without_a_name_gives_none_away(project: LabelledProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "media", lambda task: f"https://user:secret@clips.example/?token=secret{task}")
    for task in (1, 2):
        project.label(task, number=10 + task)
    found = rows(project)
    assert {row.name.rpartition("-")[0] for row in found} == {"video"}
    assert {row.video for row in found} == {"https://clips.example/"}


def test_a_moved_boundary_is_a_change(project: LabelledProject) -> None:
    cut = project.analyses[1].reps
    project.label(1, project.region(cut[0], "rep0", later=5), project.region(cut[1], "rep1"), number=9)
    assert [row.origin for row in rows(project)[:2]] == ["changed", "untouched"]


def test_labels_that_were_kept_as_a_draft_say_what_they_were_made_of(project: LabelledProject) -> None:
    # Label Studio 1.23.2 submits them without `parent_prediction`.
    moved = project.region(project.analyses[1].reps[0], "rep1", later=30)
    project.label(1, moved, number=9, parent_prediction=None, updated_at="2999-01-01T00:00:00Z")
    (row,) = [row for row in rows_of(project.export().stored.folder) if row.task == 1]
    assert (row.origin, row.model_version, row.score) == ("changed", VERSION, pytest.approx(0.3))
    assert (row.start_shift_s, row.end_shift_s) == (pytest.approx(1.2, abs=0.05), pytest.approx(1.2, abs=0.05))


def test_what_was_drawn_by_hand_has_no_score(project: LabelledProject) -> None:
    project.label(1, project.region(project.analyses[1].reps[0], "mine", origin="manual"), number=9)
    row = rows(project)[0]
    assert (row.score, row.confidence, row.model_version, row.origin) == (None, None, "", "manual")


@pytest.mark.parametrize(("label", "faults"), [("Anomalous rep", ("Hitching",)), ("Normal rep", ())])
def test_notes_are_told_and_faults_of_anomalous_repetitions(
    project: LabelledProject, label: str, faults: tuple[str, ...]
) -> None:
    span = project.region(project.analyses[1].reps[0], "rep0", label)
    value = span["value"]["ranges"]
    fault = {"id": "rep0", "type": "choices", "from_name": "fault", "to_name": "video"}
    note = {"id": "rep0", "type": "textarea", "from_name": "note", "to_name": "video"}
    project.label(
        1,
        span,
        fault | {"value": {"ranges": value, "choices": ["Hitching"]}},
        note | {"value": {"ranges": value, "text": ["slow"]}},
        number=9,
    )
    row = rows(project)[0]
    assert (row.faults, row.note) == (faults, "slow")


def test_the_lifter_decides_the_split(project: LabelledProject) -> None:
    for task in (1, 2):
        project.label(task, number=10 + task, data={"lifter": "anna"})
    assert {(row.lifter, row.group) for row in rows(project)} == {("anna", "lifter anna")}


def test_another_key_may_name_the_lifter(project: LabelledProject) -> None:
    project.label(1, number=9, data={"athlete": "bert"})
    assert rows(project, lifter_key="athlete")[0].lifter == "bert"


def test_agreement_is_the_share_of_others_who_drew_the_same(project: LabelledProject) -> None:
    first, second, third = project.proposed(1)
    project.label(1, first, second, number=20, completed_by=8, ground_truth=True)
    project.label(1, first, number=21, completed_by=9)
    project.label(1, first, second, third, number=22, completed_by=10)
    agreed = [row.agreement for row in rows(project) if row.task == 1]
    assert agreed == [1.0, pytest.approx(2 / 3)]


def test_nobody_agrees_with_himself(project: LabelledProject) -> None:
    project.label(1, *project.proposed(1), number=20, completed_by=7)
    assert {row.agreement for row in rows(project)} == {None}


def test_somebody_who_annotated_twice_is_one_other(project: LabelledProject) -> None:
    first, second, _ = project.proposed(1)
    project.label(1, first, second, number=20, completed_by=8, ground_truth=True)
    project.label(1, first, number=21, completed_by=9, updated_at="2026-02-01T00:00:00Z")
    project.label(1, second, number=22, completed_by=9, updated_at="2026-02-02T00:00:00Z")
    project.label(1, first, second, number=23, completed_by=7, updated_at="2026-02-02T00:00:00Z")
    assert [row.agreement for row in rows(project) if row.task == 1] == [0.5, 1.0]


@pytest.mark.parametrize(("lifter", "name"), [(0, "0"), (None, ""), (" anna ", "anna")])
def test_a_lifter_may_be_a_number(project: LabelledProject, lifter: object, name: str) -> None:
    project.label(1, number=9, data={"lifter": lifter})
    assert rows(project)[0].lifter == name
