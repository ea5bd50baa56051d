"""Labelled lists of videos, and drawn samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.errors import DatasetError
from pipeline.learning.samples import labelled_samples, of_label
from pipeline.records import Pose
from pipeline.synthetic.samples import synthetic_samples

REP = {"start_s": 1.0, "top_s": 2.0, "end_s": 3.0}


def pose_of(_: Path) -> Pose:
    return synthetic.pose_of(synthetic.LiftPlan(), np.arange(0.0, 5.0, 0.1))


def listed(tmp_path: Path, *entries: object) -> Path:
    file = tmp_path / "list.json"
    file.write_text(json.dumps(entries))
    return file


def test_label_of_a_video_is_that_of_its_repetitions(tmp_path: Path) -> None:
    file = listed(
        tmp_path,
        {"file": "a.mp4", "form_label": "good (folder)", "reps": [REP]},
        {"file": "b.mp4", "form_label": "bad", "reps": [REP, REP]},
    )
    samples = labelled_samples(file, tmp_path, pose_of)
    assert [(s.group, s.label) for s in samples] == [
        ("a.mp4", "normal"),
        ("b.mp4", "anomalous"),
        ("b.mp4", "anomalous"),
    ]


def test_label_of_a_repetition_goes_before_that_of_its_video(tmp_path: Path) -> None:
    file = listed(tmp_path, {"file": "a.mp4", "form_label": "ok", "reps": [REP | {"label": "anomalous"}, REP]})
    assert [s.label for s in labelled_samples(file, tmp_path, pose_of)] == ["anomalous", "normal"]


def test_partial_and_unlabelled_repetitions_are_left_out(tmp_path: Path) -> None:
    file = listed(
        tmp_path,
        {"file": "a.mp4", "form_label": "ok", "reps": [REP | {"end_s": None}]},
        {"file": "b.mp4", "form_label": "unknown", "reps": [REP]},
    )
    assert labelled_samples(file, tmp_path, pose_of) == []


@pytest.mark.parametrize("content", ["{", '{"file": 1}', '[{"file": "a.mp4"}]'])
def test_another_file_is_a_dataset_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "list.json"
    file.write_text(content)
    with pytest.raises(DatasetError, match=r"list\.json"):
        labelled_samples(file, tmp_path, pose_of)


def test_absent_list_is_a_dataset_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        labelled_samples(tmp_path / "none.json", tmp_path, pose_of)


def test_drawn_samples_are_normal_and_repeatable() -> None:
    first, second = synthetic_samples(4, 7), synthetic_samples(4, 7)
    assert len(of_label(first, "normal")) == len(first) > 0
    np.testing.assert_array_equal(first[0].pose.image, second[0].pose.image)


def test_every_drawn_video_is_a_group() -> None:
    assert len({sample.group for sample in synthetic_samples(4, 7)}) == 4


def test_without_a_lockout_it_is_found_from_the_landmarks(tmp_path: Path) -> None:
    plan = synthetic.LiftPlan()
    truth = synthetic.reps_of(plan)[0]
    pose = synthetic.pose_of(plan)
    file = listed(
        tmp_path, {"file": "a.mp4", "form_label": "ok", "reps": [{"start_s": truth.start_s, "end_s": truth.end_s}]}
    )
    [sample] = labelled_samples(file, tmp_path, lambda _: pose)
    assert sample.rep.top_s == pytest.approx(truth.top_s, abs=0.1)
