"""The autoencoders, and the detector that compares by what they cannot explain, on drawn lifters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_lifts import set_of

from pipeline.anomaly import autoencoder
from pipeline.anomaly.autoencoder import EPOCHS, Networks, fit_networks, sequences
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.anomaly.features import Block, Blocks, features_of
from pipeline.anomaly.methods import METHODS, OWN_UNIT, Statistics, Unexplained, quarters_of
from pipeline.anomaly.reference import Scale
from pipeline.config import DetectorConfig, Method, TrainConfig
from pipeline.errors import ModelError
from pipeline.learning import training
from pipeline.records import Floats, LabelledRep
from pipeline.skelemotion import WALK, encode

FAULT = "early_hip_rise"
NAMES = ("posture", "speed", "direction")
GROUPS = tuple(f"video-{number // 3}" for number in range(48))
FOLD = np.arange(48) // 3 % 4
UNITS = Scale("posture", np.ones((5, 12, 2), np.float32)), Scale("speed", np.ones((2, 6, 2), np.float32))


def waves(count: int, seed: int = 0) -> Blocks:
    """Repetitions whose values rise and fall together, a little earlier or later and with a little noise; a block of
    fine and one of coarse pieces of time."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, np.pi, 12)
    shift, size = rng.normal(0.0, 0.2, (count, 1, 1)), rng.normal(1.0, 0.2, (count, 1, 1))
    rows = 3.0 * size * np.sin(time + shift) + rng.normal(0.0, 0.1, (count, 5, 12))
    fine: Floats = np.stack([rows, -rows], axis=-1).astype(np.float32)
    coarse = fine[:, :2].reshape(count, 2, 6, 2, 2).mean(axis=3)
    return Block("posture", fine, ("back",) * 5), Block("speed", coarse, ("arms",) * 2)


@pytest.fixture(scope="module")
def learnt() -> tuple[Networks, Blocks]:
    return fit_networks(waves(48), FOLD)


def normals(videos: int) -> list[LabelledRep]:
    """Twelve normal repetitions of the lifter and camera of `set_of`, as if they were of so many videos."""
    pose, reps = set_of(1, (None,) * 12)
    return [LabelledRep(pose, rep, "normal", f"video-{number % videos}") for number, rep in enumerate(reps)]


def trained(method: Method, videos: int = 12) -> Detector:
    config = TrainConfig(detector=DetectorConfig(method=method))
    return training.train(normals(videos), config, base=load_detector())[0]


def in_units_of_the_base(detector: Detector) -> Detector:
    """As earlier releases made it, which had no units of their own."""
    known = detector.representation
    if isinstance(known, Unexplained):
        return replace(detector, representation=replace(known, statistics=Statistics()))
    return replace(detector, representation=Statistics())


@pytest.fixture(scope="module")
def both() -> Detector:
    return trained("both")


def test_all_rows_and_features_are_channels_over_the_finest_pieces_of_time() -> None:
    fine, coarse = waves(2)
    values = sequences((fine, coarse))
    assert values.shape == (2, 12, 5 * 2 + 2 * 2)
    assert np.array_equal(values[1, 7, :10], fine.values[1, :, 7].ravel())
    assert np.array_equal(values[1, 7, 10:], coarse.values[1, :, 3].ravel())


def test_residuals_have_the_shapes_and_parts_of_the_blocks(learnt: tuple[Networks, Blocks]) -> None:
    networks, unseen = learnt
    blocks = waves(2, seed=1)
    views = networks.residuals(blocks)
    assert len(views) == 4
    for found in (*views, tuple(block.rows([0, 1]) for block in unseen)):
        assert [block.values.shape for block in found] == [block.values.shape for block in blocks]
        assert [block.parts for block in found] == [block.parts for block in blocks]
        assert [block.name for block in found] == ["posture residual", "speed residual"]


def test_what_is_unusual_is_explained_worse_and_where_it_is(learnt: tuple[Networks, Blocks]) -> None:
    networks, _ = learnt
    fine, coarse = waves(8, seed=2)
    odd = fine.values.copy()
    odd[:, 3, 4:8] += 3.0
    usual, unusual = (
        np.mean([view[0].values ** 2 for view in networks.residuals((Block("posture", values, fine.parts), coarse))], 0)
        for values in (fine.values, odd)
    )
    assert unusual.mean() > 1.5 * usual.mean()
    assert (unusual - usual).mean(axis=(0, 3)).max(axis=1).argmax() == 3


def test_each_normal_repetition_is_explained_by_the_network_that_has_not_seen_its_video(
    learnt: tuple[Networks, Blocks],
) -> None:
    networks, unseen = learnt
    views = networks.residuals(waves(48))
    own = np.stack([view[0].values for view in views])[FOLD, np.arange(48)]
    assert np.allclose(own, unseen[0].values, atol=1e-4)


def test_a_network_does_not_depend_on_the_videos_that_it_has_not_seen() -> None:
    # Another order within one video: means and spreads stay as they are.
    order = [2, 0, 1, *range(3, 48)]
    swapped = tuple(block.rows(order) for block in waves(48))
    (first, _), (second, _) = (fit_networks(blocks, FOLD, epochs=2) for blocks in (waves(48), swapped))
    same = [np.allclose(first.layers[0][0][one], second.layers[0][0][one], atol=1e-5) for one in range(4)]
    assert same == [True, False, False, False]


def test_with_numpy_it_gives_what_it_gave_in_training() -> None:
    layers = autoencoder._initial(14)
    values = np.random.default_rng(0).normal(size=(5, 12, 14)).astype(np.float32)
    with torch.no_grad():
        expected = autoencoder._reconstructed_in_training(torch.from_numpy(values).expand(4, 5, 12, 14), layers).numpy()
    found = autoencoder._reconstructed(values, [(w.detach().numpy(), b.detach().numpy()) for w, b in layers])
    assert np.allclose(found, expected, atol=1e-5)


def test_equal_seeds_give_equal_networks_whoever_looks_on() -> None:
    (first, _), (second, _) = (
        fit_networks(waves(12), FOLD[:12], 3, seen, epochs=2) for seen in (None, lambda *_: None)
    )
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first.layers, second.layers, strict=True))


def test_another_seed_gives_other_networks() -> None:
    first, second = (fit_networks(waves(12), FOLD[:12], seed, epochs=1)[0].layers[0][0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_callers_random_numbers_and_threads_are_left_alone() -> None:
    torch.manual_seed(5)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(5)
    fit_networks(waves(12), FOLD[:12], epochs=1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_both_losses_fall() -> None:
    losses: list[tuple[float, float]] = []
    fit_networks(waves(48), FOLD, on_epoch=lambda _, loss, held_out: losses.append((loss, held_out)))
    assert len(losses) == EPOCHS
    assert losses[-1][0] < 0.5 * losses[0][0]
    assert losses[-1][1] < 0.5 * losses[0][1]


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_repetitions_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="3 or more sequences"):
        fit_networks(waves(count), FOLD[:count])


def test_pieces_of_time_that_cannot_be_halved_twice_are_refused() -> None:
    cut = tuple(Block(block.name, block.values[:, :, :6], block.parts) for block in waves(12))
    with pytest.raises(ValueError, match="multiple of 4 steps, got 12 of 6"):
        fit_networks(cut, FOLD[:12])


@pytest.mark.parametrize("method", ["both", "autoencoder", "statistics"])
def test_every_method_comes_back_from_its_arrays(method: Method) -> None:
    learnt = METHODS[method].fit(waves(36), UNITS, GROUPS[:36], FOLD[:36].tolist(), 0, None).representation
    loaded = METHODS[method].load(learnt.arrays())
    for first, second in zip(learnt.views(waves(3, 1)), loaded.views(waves(3, 1)), strict=True):
        for before, after in zip(first, second, strict=True):
            assert before.name == after.name
            assert np.allclose(before.values, after.values, atol=0.02)


def test_without_a_video_it_compares_by_the_network_that_has_not_seen_it() -> None:
    learnt = METHODS["both"].fit(waves(48), UNITS, GROUPS, FOLD.tolist(), 0, None)
    held, rest = [15, 16, 17], [row for row in range(48) if row not in (15, 16, 17)]
    without = learnt.without(held, rest)
    assert without is not None
    (view,) = without.representation.views(waves(48))
    assert np.allclose(view[2].values[held], learnt.own[2].values[held], atol=1e-4)
    assert np.array_equal(without.own[2].values, learnt.own[2].values[rest])


@pytest.mark.parametrize(("videos", "held"), [(16, [0, 3]), (3, [0])], ids=["of two quarters", "of no four quarters"])
def test_what_all_networks_have_seen_cannot_be_left_out(videos: int, held: list[int]) -> None:
    count = 3 * videos
    learnt = METHODS["both"].fit(waves(count), UNITS, GROUPS[:count], FOLD[:count].tolist(), 0, None)
    assert learnt.without(held, [row for row in range(count) if row not in held]) is None


def test_videos_take_quarters_in_turn_and_keep_them() -> None:
    first = quarters_of(["a", "b", "a", "c", "d", "e"])
    assert first == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 0}
    assert quarters_of(["f", "b"], first) == first | {"f": 1}


def test_reasons_come_from_the_statistics_where_they_are_compared(both: Detector) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    encoded = [encode(pose, rep, both.config.encode) for rep in reps]
    features = features_of([pose] * len(reps), encoded, [None] * len(reps), both.config.encode)
    for detector, ends in ((both, ""), (trained("autoencoder"), " residual")):
        found = detector.judge(features)[2]
        assert [block.name for block in found.blocks] == [f"{name}{ends}" for name in NAMES]
        assert len(found.cells) == len(found.blocks)


def test_a_setting_is_known_by_the_statistics_and_by_what_is_unexplained_in_them(both: Detector) -> None:
    residuals = tuple(f"{name} residual" for name in NAMES)
    assert both.references[0].blocks == (*NAMES, *residuals)
    assert trained("autoencoder").references[0].blocks == residuals


def test_training_reports_the_losses_of_every_epoch() -> None:
    seen: list[training.TrainingProgress] = []
    config = TrainConfig(detector=DetectorConfig(method="both"))
    training.train(normals(12), config, on_progress=seen.append, base=load_detector())
    fits = [now for now in seen if now.phase == "fit" and not np.isnan(now.loss)]
    assert [now.epoch for now in fits] == list(range(1, EPOCHS + 1))
    assert all(now.held_out > 0 for now in fits)


def test_a_fault_scores_above_normal_repetitions(both: Detector) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    scores = both.score(pose, reps)
    assert scores[2].is_anomaly
    assert scores[2].score > max(score.score for i, score in enumerate(scores) if i != 2)


def test_a_score_has_reasons_and_a_heat_map(both: Detector) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    assert both.score(pose, reps)[2].reasons
    heat = both.heat_maps(pose, reps)[2]
    assert heat.shape == (len(WALK), 48)
    assert heat.max() == pytest.approx(1.0)


def test_saved_and_loaded_it_gives_the_same_scores(both: Detector, tmp_path: Path) -> None:
    pose, reps = set_of(2, (None, None, FAULT, None, None))
    both.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model")
    assert loaded.config.method == "both"
    assert loaded.version == both.version
    before, after = ([score.score for score in detector.score(pose, reps)] for detector in (both, loaded))
    assert after == pytest.approx(before, abs=2e-3)


@pytest.mark.parametrize("method", ["both", "autoencoder", "statistics"])
def test_a_model_without_a_known_setting_comes_back(method: Method, tmp_path: Path) -> None:
    base = replace(load_detector(), config=DetectorConfig(method=method))
    base.save(tmp_path / "model")
    assert Detector.load(tmp_path / "model").version == base.version


def test_a_base_that_knows_settings_by_another_method_is_refused(both: Detector) -> None:
    pose, reps = set_of(1, (None,) * 4)
    samples = [LabelledRep(pose, rep, "normal", "first") for rep in reps]
    config = TrainConfig(detector=DetectorConfig(method="statistics"))
    with pytest.raises(ValueError, match="Expected a base model of method statistics, got both"):
        training.train(samples, config, base=both)


@pytest.mark.parametrize(("method", "number"), [("statistics", 3), ("both", 4)])
def test_a_model_without_whitening_is_as_earlier_releases_wrote_it(method: Method, number: int, tmp_path: Path) -> None:
    new = trained(method)
    known = replace(
        new.references[0],
        normal_models=tuple(replace(normal, whitening=()) for normal in new.references[0].normal_models),
    )
    earlier = replace(in_units_of_the_base(new), references=(known,))
    earlier.save(tmp_path / "model")
    written = json.loads((tmp_path / "model" / "model.json").read_text())
    assert written["format"] == number
    assert all(("blocks" in reference) == (method == "both") for reference in written["references"])
    loaded = Detector.load(tmp_path / "model")
    assert loaded.version == earlier.version
    assert all(normal.whitening == () for normal in loaded.references[0].normal_models)


@pytest.mark.parametrize("method", ["statistics", "both"])
def test_a_model_with_units_of_its_own_cannot_be_read_by_earlier_releases(method: Method, tmp_path: Path) -> None:
    trained(method).save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["format"] == 6
    assert Detector.load(tmp_path / "model").version == trained(method).version


@pytest.mark.parametrize("method", ["statistics", "both"])
def test_a_model_without_units_of_its_own_is_read(method: Method, tmp_path: Path) -> None:
    in_units_of_the_base(trained(method)).save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["format"] == 5
    assert not any(name.startswith(OWN_UNIT) for name in Detector.load(tmp_path / "model").representation.arrays())


def test_an_earlier_releases_autoencoder_has_to_be_trained_again(tmp_path: Path) -> None:
    load_detector().save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    written = json.loads(file.read_text()) | {"format": 3}
    written["config"]["method"] = "autoencoder"
    file.write_text(json.dumps(written))
    with pytest.raises(ModelError, match="Train the model again"):
        Detector.load(tmp_path / "model")
