"""Detectors as files: saved and loaded whole, refused when damaged, and written as the shipped one is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_lifts import set_of

from pipeline.anomaly import detector as detector_module
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.config import TrainConfig
from pipeline.errors import ModelError
from pipeline.learning import training
from pipeline.records import LabelledRep

SHIPPED = Path(detector_module.__file__).parent / "base_model"


@pytest.fixture(scope="module")
def base() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def trained(base: Detector) -> Detector:
    """Knows ten normal repetitions of the lifter and camera of `set_of`."""
    pose, reps = set_of(1, (None,) * 10)
    return training.train([LabelledRep(pose, rep, "normal", "first") for rep in reps], TrainConfig(), base=base)[0]


def test_shipped_model_has_the_version_that_it_was_saved_with(base: Detector) -> None:
    assert base.version == json.loads((SHIPPED / "model.json").read_text())["version"]


def test_shipped_model_is_written_as_it_was_read(base: Detector, tmp_path: Path) -> None:
    base.save(tmp_path / "model")
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (SHIPPED / name).read_bytes()


def test_saved_detector_loads_equal(trained: Detector, tmp_path: Path) -> None:
    pose, reps = set_of(14, (None, "early_hip_rise"))
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
    assert (SHIPPED / "weights.safetensors").stat().st_size < 1_000_000
