"""What people labelled as a set to learn from: the annotations that count, and where each label comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import CONFIG
from pydantic import SecretStr
from training_lab import PER_VIDEO, Lab

from backend.labels import labelled
from backend.labels.events import save_annotations
from backend.labelstudio.format import AnnotationsSaved
from backend.labelstudio.records import Access
from backend.storage.jobs import Store


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Lab:
    return Lab(store, tmp_path, Access("", SecretStr("")))


def test_the_newest_annotation_of_a_task_counts(lab: Lab) -> None:
    lab.label(1, id=1)
    lab.label(1, id=2)
    assert [one.annotation for one in labelled.labelled_videos(lab.store, 1)] == [2]


def test_ground_truth_counts_more_than_newer(lab: Lab) -> None:
    lab.label(1, id=1, ground_truth=True)
    lab.label(1, id=2)
    assert [one.annotation for one in labelled.labelled_videos(lab.store, 1)] == [1]


def test_a_cancelled_annotation_does_not_count(lab: Lab) -> None:
    lab.label(1, id=1)
    lab.label(1, id=2, was_cancelled=True)
    assert [one.annotation for one in labelled.labelled_videos(lab.store, 1)] == [1]


def test_a_deleted_annotation_does_not_count(lab: Lab) -> None:
    lab.label(1)
    lab.store.labels.delete_annotations([1])
    assert labelled.labelled_videos(lab.store, 1) == []


def test_another_projects_labels_do_not_count(lab: Lab) -> None:
    lab.label(1)
    assert labelled.labelled_videos(lab.store, 2) == []


def test_what_somebody_else_calls_otherwise_is_contested(lab: Lab) -> None:
    lab.label(1, id=1, called=2)
    lab.label(1, id=2, called=1, completed_by=8)
    lab.label(2, id=3, called=1)
    lab.label(2, id=4, called=1, completed_by=8)
    assert {one.task: one.contested for one in labelled.labelled_videos(lab.store, 1)} == {1: 1, 2: 0}


def test_what_nobody_known_called_otherwise_is_contested(lab: Lab) -> None:
    lab.label(1, id=1, called=2, completed_by=None)
    lab.label(1, id=2, called=1, completed_by=None)
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert (one.annotation, one.contested) == (2, 1)


def test_nobody_contests_their_own_labels(lab: Lab) -> None:
    lab.label(1, id=1, called=2)
    lab.label(1, id=2, called=1)
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert (one.annotation, one.contested) == (2, 0)


def test_what_three_people_call_otherwise_is_contested_once(lab: Lab) -> None:
    lab.label(1, id=1, called=2)
    lab.label(1, id=2, called=2, completed_by=8)
    lab.label(1, id=3, called=1, completed_by=9)
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert (one.annotation, one.contested) == (3, 1)


def test_labels_know_where_they_come_from(lab: Lab) -> None:
    lab.label(1)
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert (one.task, one.annotation, one.annotator, one.media_digest) == (1, 1, 7, "digest-1")
    assert {rep.proposed_by for rep in one.reps} == {"base"}


def test_a_relabelled_repetition_was_changed(lab: Lab) -> None:
    lab.label(1)
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert [rep.origin for rep in one.reps] == ["untouched"] * (PER_VIDEO - 1) + ["changed"]


def test_moved_boundaries_are_a_change_whatever_label_studio_calls_it(lab: Lab) -> None:
    reps = lab.add_video(1)
    moved = (replace(reps[0], end_s=reps[0].end_s + 0.3), *reps[1:])
    save_annotations(lab.store, AnnotationsSaved(((lab.annotation(1, moved, 0), lab.task(1)),), CONFIG))
    (one,) = labelled.labelled_videos(lab.store, 1)
    assert [rep.origin for rep in one.reps][:2] == ["changed", "untouched"]
