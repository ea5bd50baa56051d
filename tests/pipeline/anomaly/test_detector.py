"""The detector on drawn lifters: faults found and named, normal repetitions passed, hidden ones not relied on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_lifts import set_of

from pipeline import synthetic
from pipeline.anomaly.detector import Detector, Finding, load_detector
from pipeline.config import PoseConfig, TrainConfig
from pipeline.landmarks import INDEX
from pipeline.learning import training
from pipeline.media import reading
from pipeline.pose.estimation import estimate
from pipeline.pose.estimator import open_estimator
from pipeline.records import LabelledRep, Origin, Pose, Rep
from pipeline.skelemotion import WALK

FAULT = "early_hip_rise"


@pytest.fixture(scope="module")
def base() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def trained(base: Detector) -> Detector:
    """Knows ten normal repetitions of the lifter and camera of `set_of`."""
    pose, reps = set_of(1, (None,) * 10)
    return training.train([LabelledRep(pose, rep, "normal", "first") for rep in reps], TrainConfig(), base=base)[0]


def test_base_model_passes_normal_repetitions(base: Detector) -> None:
    pose, reps = set_of(2, (None,) * 6)
    assert [score.label for score in base.score(pose, reps)] == ["normal"] * 6


def test_base_model_finds_the_odd_one_within_a_video(base: Detector) -> None:
    pose, reps = set_of(3, (None, None, FAULT, None, None, None))
    assert [score.is_anomaly for score in base.score(pose, reps)] == [False, False, True, False, False, False]


def with_bow(pose: Pose, rep: Rep, bow: float) -> Pose:
    """The pose with a back that bulges so much during one repetition, and is not seen otherwise."""
    during = (pose.time >= rep.start_s) & (pose.time <= rep.end_s)
    return replace(pose, back_bow=np.where(during, np.float32(bow), np.float32(np.nan)))


def test_a_rounded_back_of_somebody_unknown_is_an_anomaly(base: Detector) -> None:
    pose, reps = set_of(3, (None, None, FAULT))
    plain, told = base.score(pose, reps), base.score(with_bow(pose, reps[0], 0.06), reps)
    assert [score.back_bow for score in told] == [pytest.approx(0.06), None, None]
    assert (plain[0].is_anomaly, told[0].is_anomaly, told[0].flagged_by) == (False, True, ("back",))
    assert told[0].findings == ("the back looks rounded", "back during the pull (100%)")
    assert told[1:] == plain[1:]


def test_how_hollow_a_sound_back_is_moves_no_score(base: Detector) -> None:
    pose, reps = set_of(3, (None, None, FAULT))
    one, other = (base.score(with_bow(pose, reps[0], bow), reps) for bow in (-0.05, -0.03))
    assert [replace(score, back_bow=None) for score in one] == [replace(score, back_bow=None) for score in other]


def test_angles_that_are_all_that_is_told_have_all_of_the_false_alarms(base: Detector) -> None:
    pose, reps = set_of(3, (None,))
    (alone,), (beside_the_back,) = base.score(pose, reps), base.score(with_bow(pose, reps[0], -0.05), reps)
    assert alone.raw == beside_the_back.raw
    assert alone.p_value == pytest.approx(base.in_posture.p_value(alone.raw))
    assert beside_the_back.p_value == pytest.approx(min(1.0, 2 * alone.p_value))
    at = replace(base, in_posture=replace(base.in_posture, threshold=base.in_posture.at(0.05).threshold))
    assert alone.score == pytest.approx(at.in_posture.score(alone.raw))
    assert alone.score > beside_the_back.score


def test_a_back_that_is_not_said_to_be_rounded_flags_nothing_at_the_usual_rate(base: Detector) -> None:
    pose, reps = set_of(3, (None,))
    (score,) = base.score(with_bow(pose, reps[0], 0.039), reps)
    assert not score.back_is_rounded
    assert not score.is_anomaly


def test_beside_other_repetitions_angles_and_back_share_half_of_the_false_alarms(base: Detector) -> None:
    pose, reps = set_of(2, (None,) * 6)
    (alone,), beside = (
        base.score(with_bow(pose, reps[0], 0.05), reps[:1]),
        base.score(with_bow(pose, reps[0], 0.05), reps),
    )
    assert alone.flagged_by == ("back",)
    assert not beside[0].is_anomaly
    assert base.score(with_bow(pose, reps[0], 0.08), reps)[0].flagged_by == ("back",)
    assert beside[0].p_value == pytest.approx(min(1.0, 2 * alone.p_value))


def test_where_the_lifter_is_known_the_back_is_a_hint_that_moves_no_score(trained: Detector) -> None:
    pose, reps = set_of(4, (None,) * 3)
    plain, told = trained.score(pose, reps), trained.score(with_bow(pose, reps[0], 0.08), reps)
    assert told[0].back_is_rounded
    assert [replace(score, back_bow=None) for score in told] == list(plain)


def test_a_model_of_an_earlier_release_judges_no_backs(base: Detector) -> None:
    pose, reps = set_of(3, (None,))
    older = replace(base, in_back=None)
    plain, told = older.score(pose, reps), older.score(with_bow(pose, reps[0], 0.08), reps)
    assert [replace(score, back_bow=None) for score in told] == list(plain)


def test_nothing_is_said_of_the_back_of_a_trunk_that_is_hidden(base: Detector) -> None:
    pose, reps = set_of(3, (None,))
    bent = replace(pose, back_bow=np.full(len(pose.time), np.float32(0.06)))
    unseen = bent.visibility.copy()
    unseen[:, [INDEX["left_hip"], INDEX["right_hip"]]] = 0.1
    (seen,), (hidden,) = base.score(bent, reps), base.score(replace(bent, visibility=unseen), reps)
    assert (seen.back_bow, hidden.back_bow, hidden.hindrance) == (pytest.approx(0.06), None, "the trunk is hidden")


def test_it_is_said_what_flagged_a_repetition(base: Detector, trained: Detector) -> None:
    pose, reps = set_of(3, (None, None, FAULT, None, None, None))
    by = [score.flagged_by for score in base.score(pose, reps)]
    assert by[2] in (("posture",), ("other repetitions",))
    assert by[:2] + by[3:] == [()] * 5
    pose, reps = set_of(4, (FAULT,) * 3)
    # An autoencoder of one video is heard too little to flag anything by itself.
    assert [score.flagged_by for score in trained.score(pose, reps)] == [("statistics",)] * 3


def test_what_flags_alone_is_beyond_the_threshold_alone(trained: Detector) -> None:
    calibration = trained.in_setting
    assert calibration is not None
    far, near = 2.0 * calibration.threshold, 0.5 * calibration.threshold

    def flagged(raw: float, statistics: float, autoencoder: float) -> tuple[str, ...]:
        alone: dict[Origin, float] = {"statistics": statistics, "autoencoder": autoencoder}
        return trained._judgement([Finding("in_setting", raw, [], (), alone)]).flagged_by

    assert flagged(far, far, near) == ("statistics",)
    assert flagged(far, near, far) == ("autoencoder",)
    assert flagged(far, near, near) == ("statistics", "autoencoder")  # together
    assert flagged(near, far, near) == ()


def test_ten_normals_find_a_fault_that_every_repetition_shows(trained: Detector) -> None:
    pose, reps = set_of(4, (FAULT,) * 6)
    assert all(score.is_anomaly for score in trained.score(pose, reps))


def test_ten_normals_pass_another_normal_set(trained: Detector) -> None:
    pose, reps = set_of(5, (None,) * 8)
    assert sum(score.is_anomaly for score in trained.score(pose, reps)) <= 1


@pytest.mark.parametrize("fault", synthetic.FAULT_KINDS)
def test_first_reason_names_the_faulty_part(trained: Detector, fault: synthetic.FaultKind) -> None:
    pose, reps = set_of(6, (fault,) * 4)
    parts, _ = synthetic.FAULTS[fault]
    named = [score.reasons[0].body_part for score in trained.score(pose, reps)]
    assert sum(part in parts for part in named) >= 3


def test_anomaly_has_a_smaller_p_value_than_a_normal_repetition(trained: Detector) -> None:
    pose, reps = set_of(7, (None, FAULT))
    normal, odd = trained.score(pose, reps)
    assert odd.p_value < normal.p_value


def test_score_does_not_depend_on_the_sampling_rate(trained: Detector) -> None:
    plan = synthetic.LiftPlan((synthetic.RepPlan(), synthetic.RepPlan(fault=FAULT)), seed=8)
    duration = synthetic.timeline_of(plan).duration_s
    scores = [
        [
            s.score
            for s in trained.score(synthetic.pose_of(plan, np.arange(0.0, duration, 1 / hz)), synthetic.reps_of(plan))
        ]
        for hz in (10.0, 60.0)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.2)


def test_repetition_without_poses_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 3)
    nobody = synthetic.drop_poses(pose, (pose.time >= reps[1].start_s - 0.5) & (pose.time <= reps[1].end_s + 0.5))
    scores = base.score(nobody, reps)
    assert [score.reliable for score in scores] == [True, False, True]
    assert [score.hindrance for score in scores] == ["", "the lifter is hardly seen", ""]


def test_implausibly_short_repetition_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(10, (None,))
    short = Rep(reps[0].start_s, reps[0].start_s + 0.2, reps[0].start_s + 0.5)
    (score,) = base.score(pose, [short])
    assert (score.reliable, score.hindrance) == (False, "it is too short")


def test_repetition_whose_lockout_is_not_seen_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 3)
    middle = reps[1].top_s + 0.1
    hidden = synthetic.drop_poses(pose, np.abs(pose.time - middle) < 0.2 * reps[1].duration_s)
    scores = base.score(hidden, reps)
    assert [score.reliable for score in scores] == [True, False, True]
    assert [score.hindrance for score in scores] == ["", "the lifter is lost for a while", ""]


def test_repetition_across_a_cut_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 3)
    shots = (pose.time > (reps[1].start_s + reps[1].end_s) / 2).astype(np.int32)
    assert [score.reliable for score in base.score(replace(pose, shot=shots), reps)] == [True, False, True]


def test_repetition_much_shorter_than_the_others_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 6)
    last = reps[-1]
    short = Rep(last.start_s, last.start_s + 0.6, last.start_s + 1.0)
    assert [score.reliable for score in base.score(pose, [*reps[:-1], short])] == [True] * 5 + [False]


def test_real_repetition_is_judged_only_where_it_is_seen(base: Detector, shared_data: Path) -> None:
    videos = shared_data / "videos"
    truth = json.loads((videos / "groundtruth.json").read_text())
    whole = [entry for entry in truth if len(entry["reps"]) == 1 and entry["reps"][0]["end_s"] is not None]
    entry = min(whole, key=lambda one: (videos / one["file"]).stat().st_size)
    clip, rep = videos / entry["file"], Rep(**{key: entry["reps"][0][key] for key in ("start_s", "top_s", "end_s")})
    config = PoseConfig()
    with open_estimator(config) as estimator:
        pose = estimate(clip, reading.probe(clip), config, estimator)
    hidden = synthetic.drop_poses(pose, np.abs(pose.time - rep.top_s) < 0.25 * rep.duration_s)
    assert base.score(pose, [rep])[0].reliable
    assert not base.score(hidden, [rep])[0].reliable


def test_no_repetitions_no_scores(base: Detector) -> None:
    pose, _ = set_of(11, (None,))
    assert base.score(pose, []) == ()


def test_base_model_finds_a_fault_of_posture_that_every_repetition_shows(base: Detector) -> None:
    pose, reps = set_of(15, (FAULT,) * 4)
    normal, _ = set_of(15, (None,) * 4)
    scores, usual = base.score(pose, reps), base.score(normal, reps)
    assert min(one.raw for one in scores) > max(one.raw for one in usual)


def test_named_setting_is_used_whatever_the_appearance(trained: Detector) -> None:
    pose, reps = set_of(12, (None,) * 3)
    far_away = replace(trained.references[0], name="gym", appearance=trained.references[0].appearance + 1.0)
    detector = replace(trained, references=(far_away,))
    assert detector.score(pose, reps, "gym") != detector.score(pose, reps)


def test_heat_map_is_brightest_where_the_fault_is(trained: Detector) -> None:
    pose, reps = set_of(13, ("knees_caving",))
    heat = trained.heat_maps(pose, reps)[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert WALK[row] in (25, 26)
    assert column < 24


def test_a_lower_rate_of_false_alarms_flags_no_more(base: Detector, trained: Detector) -> None:
    pose, reps = set_of(9, (None, FAULT, None, "bar_drift", None, None))
    rates = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
    for detector in (base, trained):
        scores = np.array([[one.score for one in row] for row in detector.score_at(rates, pose, reps)])
        flagged = scores >= 0.5
        assert (flagged[:-1] <= flagged[1:]).all()
        assert (np.diff(scores[:, 1]) > 0).all()


def test_scores_at_several_rates_are_those_at_each(trained: Detector) -> None:
    pose, reps = set_of(10, (None, FAULT, None))
    at_once = trained.score_at((0.05, 0.2), pose, reps)
    assert at_once == (trained.score(pose, reps), trained.at_rate(0.2).score(pose, reps))
    assert at_once[0] != at_once[1]


def test_a_version_names_another_rate_than_the_detectors_own(base: Detector) -> None:
    assert base.at_rate(0.1).version == f"{base.version}-at-10%"
    assert base.at_rate(0.05) is base.at_rate(0.1).at_rate(0.05) is base
    assert base.at_rate(0.1).at_rate(0.2).version == f"{base.version}-at-20%"


def test_what_is_learnt_on_from_another_rate_is_no_other_rate_of_the_base(base: Detector) -> None:
    pose, reps = set_of(1, (None,) * 4)
    samples = [LabelledRep(pose, rep, "normal", "first") for rep in reps]
    assert training.train(samples, TrainConfig(), base=base.at_rate(0.1))[0].version.startswith("model-")


def test_a_detector_that_is_saved_at_another_rate_is_one_of_its_own(base: Detector, tmp_path: Path) -> None:
    base.at_rate(0.1).save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert (loaded.config.false_alarm_rate, loaded.learnt) == (0.1, None)
    assert loaded.in_posture.threshold == base.at_rate(0.1).in_posture.threshold
