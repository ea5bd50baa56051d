"""The values of the pipeline refuse what makes no sense when they are made."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from fakes import analysis

from pipeline.landmarks import LANDMARKS, MIRRORED
from pipeline.records import Pose, Reason, Rep, RepScore, VideoInfo, shown_score

INFO = VideoInfo("v.mp4", 10.0, 30.0, 640, 480)


def pose(frames: int = 3, **changes: Any) -> Pose:
    arrays: dict[str, Any] = {
        "image": np.zeros((frames, 33, 2), np.float32),
        "world": np.zeros((frames, 33, 3), np.float32),
        "depth": np.zeros((frames, 33), np.float32),
        "visibility": np.ones((frames, 33), np.float32),
        "time": np.arange(frames) / 10,
        "shot": np.zeros(frames, np.int32),
    }
    return Pose(**(arrays | changes), width=640, height=480)


@pytest.mark.parametrize("name", ["duration_s", "fps", "width", "height"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_a_video_has_a_positive_duration_rate_and_size(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="Expected positive"):
        replace(INFO, **{name: value})


@pytest.mark.parametrize("name", ["image", "world", "depth", "visibility", "shot", "back_bow"])
def test_the_arrays_of_a_pose_belong_together(name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {name} of shape"):
        pose(**{name: np.zeros((4, 5), np.float32)})


@pytest.mark.parametrize("time", [[0.0, 0.1, 0.1], [0.0, 0.2, 0.1], [0.0, math.nan, 0.1]])
def test_the_times_of_a_pose_increase(time: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        pose(time=np.array(time))


def test_a_pose_may_be_empty() -> None:
    assert len(pose(0).detected) == 0


def test_a_frame_without_landmarks_is_not_detected() -> None:
    image = np.zeros((3, 33, 2), np.float32)
    image[1] = np.nan
    assert pose(image=image).detected.tolist() == [True, False, True]


@pytest.mark.parametrize("times", [(1, 1, 2), (2, 1, 3), (1, 3, 2), (1, math.nan, 2), (math.nan, 1, 2)])
def test_a_repetition_starts_then_tops_then_ends(times: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="Expected start < top < end"):
        Rep(*times)


def test_a_repetition_lasts_from_start_to_end() -> None:
    assert Rep(1.0, 2.0, 3.5).duration_s == 2.5


def test_repetitions_sort_by_time() -> None:
    assert sorted([Rep(4, 5, 6), Rep(1, 2, 3)])[0].start_s == 1


@pytest.mark.parametrize("values", [(-0.1, 0.5), (1.1, 0.5), (math.nan, 0.5), (0.5, 1.1), (0.5, math.nan)])
def test_scores_lie_between_0_and_1(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Expected score and p-value"):
        RepScore(*values, raw=1.0)


@pytest.mark.parametrize(
    ("score", "label"), [(0.0, "normal"), (0.4999, "normal"), (0.5, "anomalous"), (1.0, "anomalous")]
)
def test_the_decision_is_at_a_half(score: float, label: str) -> None:
    assert RepScore(score, 0.5, 1.0).label == label


def test_a_reason_reads_as_words() -> None:
    assert str(Reason("hips", "pull", 0.345)) == "hips during the pull (34%)"


def test_an_analysis_has_a_score_for_each_repetition() -> None:
    with pytest.raises(ValueError, match="one score per repetition"):
        replace(analysis(), scores=())


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_confidence_lies_between_0_and_1(value: float) -> None:
    with pytest.raises(ValueError, match="Expected a confidence"):
        replace(analysis(), confidence=value)


def test_values_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        INFO.fps = 25.0  # type: ignore[misc]


def test_there_are_33_landmarks() -> None:
    assert len(set(LANDMARKS)) == 33


def test_mirroring_twice_changes_nothing() -> None:
    assert [MIRRORED[MIRRORED[index]] for index in range(33)] == list(range(33))


def test_left_mirrors_right() -> None:
    assert LANDMARKS[MIRRORED[LANDMARKS.index("left_hip")]] == "right_hip"


def test_a_frame_has_a_row_per_repetition_numbered_from_1() -> None:
    frame = analysis((0.1, 0.9)).to_frame()
    assert list(frame.index) == [1, 2]
    assert list(frame["label"]) == ["normal", "anomalous"]
    assert list(frame["start_s"]) == [1.0, 4.0]
    assert frame.loc[2, "reasons"] == "back during the pull (60%)"


def test_a_frame_without_repetitions_has_the_same_columns() -> None:
    empty, full = analysis(()).to_frame(), analysis((0.1,)).to_frame()
    assert (len(empty), list(empty.columns)) == (0, list(full.columns))


@pytest.mark.parametrize(
    ("score", "shown"), [(0.0, "0.00"), (0.4949, "0.49"), (0.4996, "0.49"), (0.5, "0.50"), (1, "1.00")]
)
def test_a_score_is_shown_on_its_own_side_of_the_decision(score: float, shown: str) -> None:
    assert shown_score(score) == shown


def test_a_pose_that_is_given_no_bows_says_nothing_of_the_back() -> None:
    found = pose(3)
    assert found.back_bow.shape == (3,)
    assert np.isnan(found.back_bow).all()


@pytest.mark.parametrize(("bow", "rounded"), [(None, False), (-0.05, False), (0.039, False), (0.04, True), (0.1, True)])
def test_a_back_is_rounded_from_a_bow_on(bow: float | None, rounded: bool) -> None:
    assert RepScore(0.1, 1.0, 0.0, back_bow=bow).back_is_rounded == rounded


def test_a_rounded_back_stands_before_the_reasons_and_moves_no_label() -> None:
    normal, anomalous = (replace(score, back_bow=bow) for score in analysis((0.1, 0.9)).scores for bow in (0.06,))
    assert (normal.label, normal.findings) == ("normal", ("the back looks rounded",))
    assert anomalous.findings == ("the back looks rounded", "back during the pull (60%)")
    assert replace(anomalous, back_bow=0.0).findings == ("back during the pull (60%)",)
    hidden = replace(anomalous, reliable=False, hindrance="the legs are hidden")
    assert hidden.findings == ("the legs are hidden", "the back looks rounded")


def test_what_could_not_be_judged_is_no_anomaly() -> None:
    (unsure,) = (replace(score, reliable=False, flagged_by=("posture",)) for score in analysis((0.9,)).scores)
    assert (unsure.is_anomaly, unsure.label, unsure.findings) == (False, "normal", ())
    row = replace(analysis((0.9,)), scores=(unsure,)).to_frame().iloc[0]
    assert (row["label"], row["is_anomaly"], row["reasons"], row["flagged_by"]) == ("normal", False, "", "")


def test_a_frame_tells_of_the_back() -> None:
    told = analysis((0.1, 0.9))
    told = replace(told, scores=(told.scores[0], replace(told.scores[1], back_bow=0.06)))
    frame = told.to_frame()
    assert list(frame["back_is_rounded"]) == [False, True]
    assert math.isnan(frame.loc[1, "back_bow"])
    assert frame.loc[2, "back_bow"] == 0.06
