"""The detector on synthetic lifters: faults found and named, normal ones passed, saved and loaded whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_lifts import set_of

from pipeline import synthetic
from pipeline.anomaly import detector as detector_module
from pipeline.anomaly.calibration import calibrate, with_more
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.anomaly.distances import distances, fit_normal_model
from pipeline.config import PoseConfig, TrainConfig
from pipeline.errors import ModelError
from pipeline.learning import training
from pipeline.media import reading
from pipeline.pose.estimation import estimate
from pipeline.pose.estimator import open_estimator
from pipeline.records import LabelledRep, Rep
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


def test_base_model_finds_the_odd_one_among_siblings(base: Detector) -> None:
    pose, reps = set_of(3, (None, None, FAULT, None, None, None))
    assert [score.is_anomaly for score in base.score(pose, reps)] == [False, False, True, False, False, False]


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
    assert [score.reliable for score in base.score(nobody, reps)] == [True, False, True]


def test_implausibly_short_repetition_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(10, (None,))
    short = Rep(reps[0].start_s, reps[0].start_s + 0.2, reps[0].start_s + 0.5)
    assert not base.score(pose, [short])[0].reliable


def test_repetition_whose_lockout_is_not_seen_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 3)
    middle = reps[1].top_s + 0.1
    hidden = synthetic.drop_poses(pose, np.abs(pose.time - middle) < 0.2 * reps[1].duration_s)
    assert [score.reliable for score in base.score(hidden, reps)] == [True, False, True]


def test_repetition_across_a_cut_is_not_reliable(base: Detector) -> None:
    pose, reps = set_of(9, (None,) * 3)
    shots = (pose.time > (reps[1].start_s + reps[1].end_s) / 2).astype(np.int32)
    assert [score.reliable for score in base.score(replace(pose, shot=shots), reps)] == [True, False, True]


def test_repetition_much_shorter_than_its_siblings_is_not_reliable(base: Detector) -> None:
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


def test_named_setting_is_used_whatever_the_stance(trained: Detector) -> None:
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


def test_saved_detector_loads_equal(trained: Detector, tmp_path: Path) -> None:
    pose, reps = set_of(14, (None, FAULT))
    trained.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.version == trained.version
    np.testing.assert_allclose(
        [score.score for score in loaded.score(pose, reps)],
        [score.score for score in trained.score(pose, reps)],
        atol=0.01,
    )


def test_version_follows_the_contents(trained: Detector) -> None:
    other = replace(trained, config=replace(trained.config, min_siblings=9))
    assert other.version != trained.version


def test_saving_over_a_model_replaces_it(trained: Detector, base: Detector, tmp_path: Path) -> None:
    base.save(tmp_path / "model", "card")
    trained.save(tmp_path / "model")
    assert Detector.load(tmp_path / "model").version == trained.version
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("damage", ["weights.safetensors", "model.json"])
def test_damaged_model_is_a_model_error(base: Detector, tmp_path: Path, damage: str) -> None:
    base.save(tmp_path / "model")
    file = tmp_path / "model" / damage
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ModelError, match="Train or copy"):
        Detector.load(tmp_path / "model")


def test_absent_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        Detector.load(tmp_path)


def test_model_of_another_format_is_a_model_error(base: Detector, tmp_path: Path) -> None:
    base.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 0}))
    with pytest.raises(ModelError, match="format"):
        Detector.load(tmp_path / "model")


def test_shipped_weights_are_small() -> None:
    assert (Path(detector_module.__file__).parent / "base_model" / "weights.safetensors").stat().st_size < 1_000_000


def test_conformal_threshold_keeps_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    calibration = calibrate(rng.gamma(5.0, size=400), [f"v{i % 20}" for i in range(400)], 0.1)
    fresh = rng.gamma(5.0, size=4000)
    assert np.mean([calibration.score(value) >= 0.5 for value in fresh]) == pytest.approx(0.1, abs=0.03)


def test_threshold_of_few_repetitions_lies_beyond_all_usual_ones() -> None:
    values = np.random.default_rng(1).normal(1.0, 0.05, 8).astype(np.float32)
    assert calibrate(values, ["v"] * 8, 0.05).threshold > values.max()


def test_threshold_of_signed_distances_lies_beyond_the_usual_ones() -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 14).astype(np.float32)
    assert calibrate(values, [f"v{i % 7}" for i in range(14)], 0.05, positive=False).threshold > 1.0


def test_videos_that_differ_raise_the_threshold() -> None:
    values = np.random.default_rng(3).normal(1.0, 0.05, 20).astype(np.float32)
    apart = values + np.repeat([-0.2, -0.1, 0.1, 0.2], 5).astype(np.float32)
    videos = [f"v{i // 5}" for i in range(20)]
    assert (
        calibrate(apart, videos, 0.1).threshold
        > calibrate(np.sort(apart)[::-1], [f"v{i % 4}" for i in range(20)], 0.1).threshold
    )


def test_further_distances_join_a_calibration() -> None:
    known = calibrate(np.ones(5, np.float32), ["a"] * 5, 0.1)
    more = with_more(known, np.full(3, 2.0, np.float32), ["a", "b", "b"], 0.1)
    assert (len(more.distances), len(set(more.videos.tolist()))) == (8, 3)


def test_p_value_of_an_unseen_extreme_is_one_over_n_plus_one() -> None:
    assert calibrate(np.arange(1.0, 20.0), ["v"] * 19, 0.1).p_value(100.0) == pytest.approx(1 / 20)


def test_calibration_needs_distances() -> None:
    with pytest.raises(ValueError, match="got none"):
        calibrate(np.zeros(0), [], 0.1)


def test_distance_shrinks_like_ledoit_and_wolf() -> None:
    from sklearn.covariance import LedoitWolf

    values = (np.random.default_rng(2).normal(size=(40, 60)) * np.linspace(0.2, 2.0, 60)).astype(np.float32)
    normal = fit_normal_model(values)
    covariance = normal.axes.T @ np.diag(normal.variance - normal.rest) @ normal.axes + normal.rest * np.eye(60)
    np.testing.assert_allclose(covariance, LedoitWolf().fit(values).covariance_, atol=1e-3)


def test_distance_of_the_cloud_itself_is_smaller_than_of_a_stranger() -> None:
    values = np.random.default_rng(3).normal(size=(30, 50)).astype(np.float32)
    inside, outside = distances(np.stack([values[0], values[0] + 3.0]), fit_normal_model(values))
    assert inside < outside


def test_cloud_needs_two_repetitions() -> None:
    with pytest.raises(ValueError, match="two or more"):
        fit_normal_model(np.zeros((1, 4), np.float32))
