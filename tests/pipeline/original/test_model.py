"""The original project's detector: its picture, its weights, its rule."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import synthetic
from pipeline.errors import DatasetError, ModelError
from pipeline.original import model
from pipeline.records import Floats, Rep

PLAN = synthetic.LiftPlan()


def convolved(image: Floats, kernel: Floats, bias: Floats) -> Floats:
    """A 3 x 3 convolution [row, column, channel] with zeros around, written out."""
    rows, columns, _ = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    total = np.zeros((rows, columns, kernel.shape[3]), np.float32)
    for y in range(3):
        for x in range(3):
            total += padded[y : y + rows, x : x + columns] @ kernel[y, x]
    return total + bias


def forward(image: Floats, weights: Path) -> Floats:
    """The network of an HDF5 file on one picture [256, 256, 3], with h5py and numpy alone."""
    with h5py.File(weights) as file:
        groups = file["model_weights"]
        names = sorted(name for name in groups if name.startswith("conv2d"))
        layers = [(groups[n][n]["kernel:0"][()], groups[n][n]["bias:0"][()]) for n in names]
    for number, (kernel, bias) in enumerate(layers):
        image = convolved(image, kernel, bias)
        if number == 6:
            return 1.0 / (1.0 + np.exp(-image))
        image = np.maximum(image, 0.0)
        if number < 3:
            rows, columns, channels = image.shape
            image = image.reshape(rows // 2, 2, columns // 2, 2, channels).max(axis=(1, 3))
        else:
            image = image.repeat(2, axis=0).repeat(2, axis=1)
    raise AssertionError("seven layers were expected")


@pytest.fixture(scope="module")
def small() -> model.OriginalModel:
    """Trained for one epoch on four pictures of noise."""
    return model.train_original(np.random.default_rng(0).random((4, 3, 256, 256), np.float32), epochs=1)


def test_reconstruction_losses_agree_with_numpy(shared_data: Path) -> None:
    weights = shared_data / "seed" / "autoencoder500epoch.keras"
    names = (shared_data / "seed" / "valid.txt").read_text().split()[:3]
    files = [shared_data / "seed" / "skelemotion" / "normal" / name for name in names]
    images = model.network_input(files, "nearest")
    expected = [((forward(image, weights) - image) ** 2).mean() for image in images.transpose(0, 2, 3, 1)]
    np.testing.assert_allclose(model.load_original(weights).errors(images), expected, atol=5e-5)


def test_picture_is_in_the_colours_of_its_map() -> None:
    picture = model.orientation_image(synthetic.pose_of(PLAN), synthetic.reps_of(PLAN)[0])
    assert picture.shape == (45, 100, 3)
    model.grey_of(picture)


def test_marker_wraps_to_24() -> None:
    still = synthetic.pose_of(PLAN, np.arange(0.0, 0.5, 1 / 60))
    picture = model.orientation_image(still, Rep(0.0, 0.2, 0.5))
    assert set(np.unique(model.grey_of(picture))) == {24}


def test_last_ten_frames_are_static() -> None:
    rep = synthetic.reps_of(PLAN)[0]
    grey = model.grey_of(model.orientation_image(synthetic.pose_of(PLAN), rep))
    assert (grey[:, -5:] == 24).all()


def test_repetition_without_poses_has_no_picture() -> None:
    with pytest.raises(ValueError, match="got none"):
        model.orientation_image(synthetic.pose_of(PLAN), Rep(900.0, 901.0, 902.0))


def test_saved_model_gives_equal_errors(small: model.OriginalModel, tmp_path: Path) -> None:
    images = np.random.default_rng(1).random((2, 3, 256, 256), np.float32)
    small.save(tmp_path)
    np.testing.assert_array_equal(model.load_original(tmp_path).errors(images), small.errors(images))


def test_latent_has_16384_numbers(small: model.OriginalModel) -> None:
    assert small.latents.shape == (4, 16384)


def test_exact_density_is_that_of_its_formula(small: model.OriginalModel) -> None:
    images = np.random.default_rng(0).random((4, 3, 256, 256), np.float32)
    known = small.encode(images).astype(np.float64)
    squares = ((known[0] - known) ** 2).sum(axis=1)
    constant = -0.5 * 16384 * np.log(2 * np.pi * 0.04) - np.log(4)
    expected = constant + np.log(np.exp(-0.5 * squares / 0.04).sum())
    assert small.densities(images[:1], "exact")[0] == pytest.approx(expected, abs=1e-3)


def test_rule_flags_a_large_error(small: model.OriginalModel) -> None:
    assert small.is_anomaly(np.random.default_rng(2).random((1, 3, 256, 256), np.float32), "exact")[0]


def test_density_needs_latents(small: model.OriginalModel) -> None:
    empty = model.OriginalModel(small.kernels, small.biases, np.zeros((0, 0), np.float32))
    with pytest.raises(ValueError, match="without any"):
        empty.densities(np.zeros((1, 3, 256, 256), np.float32), "exact")


def test_other_file_is_a_model_error(tmp_path: Path) -> None:
    file = tmp_path / "weights.keras"
    file.write_bytes(b"not HDF5")
    with pytest.raises(ModelError, match="HDF5"):
        model.load_original(file)


def test_absent_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        model.load_original(tmp_path / "none.keras")


def test_other_picture_is_a_dataset_error(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="not a picture"):
        model.network_input([file], "nearest")
