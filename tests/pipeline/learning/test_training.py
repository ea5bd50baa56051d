"""Training: a pure, repeatable, cancellable function of its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning import training
from pipeline.records import LabelledRep, Pose
from pipeline.synthetic.samples import synthetic_samples

CONFIG = TrainConfig()


@pytest.fixture(scope="module")
def samples() -> list[LabelledRep]:
    """Two sets of one lifter: the second from another side."""
    return view("front", 20.0, 1) + view("side", 85.0, 2)


def view(name: str, azimuth_deg: float, seed: int) -> list[LabelledRep]:
    plan = synthetic.LiftPlan((synthetic.RepPlan(),) * 9, camera=synthetic.Camera(azimuth_deg), seed=seed)
    return [LabelledRep(noisy(plan), rep, "normal", name) for rep in synthetic.reps_of(plan)]


def noisy(plan: synthetic.LiftPlan) -> Pose:
    times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
    return synthetic.add_jitter(synthetic.pose_of(plan, times), seed=plan.seed)


@pytest.fixture(scope="module")
def base() -> Detector:
    return load_detector()


def test_equal_input_and_seed_give_an_equal_detector(samples: list[LabelledRep], base: Detector) -> None:
    assert (
        training.train(samples, CONFIG, 1, base=base)[0].version
        == training.train(samples, CONFIG, 1, base=base)[0].version
    )


def test_other_samples_give_another_version(samples: list[LabelledRep], base: Detector) -> None:
    fewer = training.train(samples[:-1], CONFIG, base=base)[0]
    assert fewer.version != training.train(samples, CONFIG, base=base)[0].version


def test_settings_are_found_by_the_camera(samples: list[LabelledRep], base: Detector) -> None:
    detector, report = training.train(samples, CONFIG, base=base)
    assert len(detector.references) == report.settings == 2


def test_given_setting_joins_what_looks_different(samples: list[LabelledRep], base: Detector) -> None:
    named = [LabelledRep(s.pose, s.rep, s.label, s.group, "gym") for s in samples]
    assert [setting.name for setting in training.train(named, CONFIG, base=base)[0].references] == ["gym"]


def test_too_few_of_a_setting_leave_it_unknown(samples: list[LabelledRep], base: Detector) -> None:
    assert training.train(samples[:4], CONFIG, base=base)[0].references == ()


def test_anomalous_samples_are_not_learnt_from(samples: list[LabelledRep], base: Detector) -> None:
    odd = [LabelledRep(s.pose, s.rep, "anomalous", s.group) for s in samples[9:]]
    with_odd = training.train(samples[:9] + odd, CONFIG, base=base)[0]
    assert with_odd.version == training.train(samples[:9], CONFIG, base=base)[0].version


def test_no_normal_sample_is_a_dataset_error(samples: list[LabelledRep], base: Detector) -> None:
    with pytest.raises(DatasetError, match="normal repetitions"):
        training.train([LabelledRep(s.pose, s.rep, "anomalous", s.group) for s in samples], CONFIG, base=base)


def test_two_samples_are_too_few(samples: list[LabelledRep], base: Detector) -> None:
    with pytest.raises(DatasetError, match="at least 3"):
        training.train(samples[:2], CONFIG, base=base)


def test_progress_grows_to_a_hundred_percent(samples: list[LabelledRep], base: Detector) -> None:
    seen: list[float] = []
    training.train(samples, CONFIG, on_progress=lambda now: seen.append(now.percent), base=base)
    assert seen == sorted(seen)
    assert seen[-1] == 100.0


def test_progress_that_raises_cancels(samples: list[LabelledRep], base: Detector) -> None:
    def cancel(_: training.TrainingProgress) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        training.train(samples, CONFIG, on_progress=cancel, base=base)


def test_base_model_can_be_trained_from_drawn_lifters() -> None:
    detector, report = training.train(synthetic_samples(30, 3), CONFIG, name="base")
    assert detector.name == "base"
    assert detector.references == ()
    assert report.normals > 50


def test_calibration_samples_do_not_change_the_units(samples: list[LabelledRep]) -> None:
    only = [LabelledRep(s.pose, s.rep, "normal", s.group, role="calibration") for s in samples]
    drawn = synthetic_samples(30, 3)
    with_them, without = training.train(drawn + only, CONFIG)[0], training.train(drawn, CONFIG)[0]
    np.testing.assert_array_equal(with_them.scales[0].unit, without.scales[0].unit)
    assert len(with_them.in_posture.distances) == len(only)


def test_card_names_the_version_and_the_counts(samples: list[LabelledRep], base: Detector, tmp_path: Path) -> None:
    detector, report = training.train(samples, CONFIG, base=base)
    detector.save(tmp_path / "model", training.card(detector, report))
    card = (tmp_path / "model" / "CARD.md").read_text()
    assert detector.version in card
    assert "18 normal repetitions of 2 videos" in card


def test_people_with_labels_join_the_posture_model(samples: list[LabelledRep], base: Detector) -> None:
    detector, _ = training.train(samples, CONFIG, base=base)
    assert detector.posture.videos == base.posture.videos + 2
    assert len(detector.in_posture.distances) == len(base.in_posture.distances) + len(samples)
