"""The autoencoder and the detector that compares by its latent, on drawn lifters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_lifts import set_of

from pipeline.anomaly.autoencoder import fit_encoder
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.anomaly.features import latent_block
from pipeline.config import DetectorConfig, EncodeConfig, TrainConfig
from pipeline.learning import training
from pipeline.records import Floats, LabelledRep
from pipeline.skelemotion import CHANNELS, WALK, encode
from pipeline.synthetic.samples import synthetic_samples

CONFIG = TrainConfig(detector=DetectorConfig(method="autoencoder"))
FAULT = "early_hip_rise"


@pytest.fixture(scope="module")
def images() -> Floats:
    pose, reps = set_of(0, (None,) * 12)
    return np.stack([encode(pose, rep, EncodeConfig()).image for rep in reps])


@pytest.fixture(scope="module")
def base() -> Detector:
    return training.train(synthetic_samples(12, seed=0), CONFIG, name="base")[0]


@pytest.fixture(scope="module")
def trained(base: Detector) -> Detector:
    """Knows ten normal repetitions of the lifter and camera of `set_of`."""
    pose, reps = set_of(1, (None,) * 10)
    return training.train([LabelledRep(pose, rep, "normal", "first") for rep in reps], CONFIG, base=base)[0]


def test_latent_keeps_the_walk_and_a_quarter_of_the_columns(images: Floats) -> None:
    assert fit_encoder(images, epochs=1).latents(images).shape == (12, 16, len(WALK), 12)


def test_pictures_of_another_width_and_three_channels_are_encoded_as_well() -> None:
    pictures = np.random.default_rng(0).random((4, 3, 45, 100), np.float32)
    assert fit_encoder(pictures, epochs=1).latents(pictures).shape == (4, 16, 45, 25)


def test_another_number_of_channels_is_refused(images: Floats) -> None:
    encoder = fit_encoder(images, epochs=1)
    with pytest.raises(ValueError, match=f"Expected images \\[N, {len(CHANNELS)}, J, L\\]"):
        encoder.latents(images[:, :3])


def test_a_width_that_is_no_multiple_of_four_is_refused(images: Floats) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        fit_encoder(images[..., :46])


def test_equal_seeds_give_equal_latents(images: Floats) -> None:
    first, second = (fit_encoder(images, seed=3, epochs=2).latents(images) for _ in range(2))
    assert np.array_equal(first, second)


def test_another_seed_gives_another_encoder(images: Floats) -> None:
    first, second = (fit_encoder(images, seed, epochs=1).kernels[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_callers_random_numbers_are_left_alone(images: Floats) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit_encoder(images, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_loss_falls_below_half(images: Floats) -> None:
    losses: list[float] = []
    fit_encoder(np.concatenate([images] * 4), on_epoch=lambda _, loss: losses.append(loss))
    assert len(losses) == 10
    assert losses[-1] < 0.5 * losses[0]


def test_a_change_in_one_limb_shows_in_that_limbs_rows_only() -> None:
    latents = np.zeros((1, 16, len(WALK), 12), np.float32)
    latents[:, :, WALK.index(28)] = 1.0
    block = latent_block(latents)
    touched = {part for part, row in zip(block.parts, block.values[0], strict=True) if row.any()}
    assert touched == {"feet"}


def test_a_detector_compares_by_one_block_of_the_latent(base: Detector) -> None:
    assert [scale.name for scale in base.scales] == ["latent"]


def test_training_reports_the_loss_of_every_epoch() -> None:
    seen: list[training.TrainingProgress] = []
    training.train(synthetic_samples(3, seed=0), CONFIG, on_progress=seen.append)
    assert [now.epoch for now in seen if now.phase == "fit" and not np.isnan(now.loss)] == list(range(1, 11))


def test_retraining_keeps_the_encoder_of_the_base(base: Detector, trained: Detector) -> None:
    assert trained.representation is base.representation
    assert len(trained.references) == 1


def test_a_base_of_another_method_is_refused() -> None:
    pose, reps = set_of(1, (None,) * 10)
    samples = [LabelledRep(pose, rep, "normal", "first") for rep in reps]
    with pytest.raises(ValueError, match="Expected a base model of method autoencoder, got statistics"):
        training.train(samples, CONFIG, base=load_detector())


def test_a_fault_scores_above_normal_repetitions(trained: Detector) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    scores = trained.score(pose, reps)
    assert scores[2].is_anomaly
    assert scores[2].score > max(score.score for i, score in enumerate(scores) if i != 2)


def test_a_score_has_reasons_and_a_heat_map(trained: Detector) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    assert trained.score(pose, reps)[2].reasons
    heat = trained.heat_maps(pose, reps)[2]
    assert heat.shape == (len(WALK), 48)
    assert heat.max() == pytest.approx(1.0)


def test_saved_and_loaded_it_gives_the_same_scores(trained: Detector, tmp_path: Path) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    trained.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.config.method == "autoencoder"
    assert loaded.version == trained.version
    before, after = ([score.score for score in detector.score(pose, reps)] for detector in (trained, loaded))
    assert after == pytest.approx(before, abs=2e-3)


def test_the_files_of_a_model_stay_below_a_megabyte(trained: Detector, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    assert sum(file.stat().st_size for file in (tmp_path / "model").iterdir()) < 1_000_000
