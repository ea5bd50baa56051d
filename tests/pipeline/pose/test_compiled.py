"""Compiled networks are kept for the next start, and compiled again where what was kept is of no use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import PoseConfig
from pipeline.pose import compiled
from pipeline.pose.estimator import open_estimator
from pipeline.records import Floats

# The smaller of the two.
NETWORK = compiled.Network("modules/pose_detection/pose_detection.tflite", (0, 1), mean=127.5, scale=127.5)
PICTURE = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)


def scores(kept_in: Path | None) -> Floats:
    """What the network, loaded anew, says of the picture."""
    return np.array(compiled.loaded(NETWORK, kept_in).infer([PICTURE])[1])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, Floats]:
    """Name and content of the file that a first start leaves, and what the network said."""
    folder = tmp_path_factory.mktemp("networks") / "made"
    said = scores(folder)
    (file,) = folder.iterdir()
    return file.name, file.read_bytes(), said


def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("compiled again")

    monkeypatch.setattr(compiled, "_compiled", fail)


def test_what_was_kept_is_not_compiled_again_and_says_the_same(
    kept: tuple[str, bytes, Floats], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, said = kept
    (tmp_path / name).write_bytes(content)
    no_compiler(monkeypatch)
    np.testing.assert_array_equal(scores(tmp_path), said)


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty"])
def test_what_is_damaged_is_compiled_again_and_replaced(
    damage: str, kept: tuple[str, bytes, Floats], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, said = kept
    middle = len(content) // 2
    damaged = {
        "cut off": content[:middle],
        "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
    }
    (tmp_path / name).write_bytes(damaged[damage])
    np.testing.assert_array_equal(scores(tmp_path), said)
    no_compiler(monkeypatch)
    np.testing.assert_array_equal(scores(tmp_path), said)


def test_what_other_versions_kept_of_the_same_network_is_removed(
    kept: tuple[str, bytes, Floats], tmp_path: Path
) -> None:
    for name in ("pose_detection-0123456789abcdef.blob", "pose_landmark_full-0123456789abcdef.blob"):
        (tmp_path / name).touch()
    scores(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {kept[0], "pose_landmark_full-0123456789abcdef.blob"}


def test_a_folder_that_cannot_be_made_is_no_hindrance(kept: tuple[str, bytes, Floats], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    np.testing.assert_array_equal(scores(tmp_path / "file" / "networks"), kept[2])


def test_an_estimator_keeps_both_networks(tmp_path: Path) -> None:
    with open_estimator(PoseConfig(engine="openvino"), tmp_path) as estimator:
        estimator.landmarks(np.zeros((48, 64, 3), np.uint8), 0.0)
    names = {file.name.rpartition("-")[0] for file in tmp_path.iterdir()}
    assert names == {"pose_detection", "pose_landmark_full"}
