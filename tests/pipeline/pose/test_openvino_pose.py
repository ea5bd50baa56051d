"""The pose networks on OpenVINO find what MediaPipe's graph finds, and tell nobody of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_backs import bent_pictures, median_bow
from numpy.typing import NDArray
from psutil import Process
from video_files import Picture, grey

from pipeline import synthetic
from pipeline.config import PoseConfig
from pipeline.errors import PoseModelError
from pipeline.media import reading
from pipeline.pose import compiled
from pipeline.pose.mediapipe_pose import MediaPipePose
from pipeline.pose.openvino_pose import Networks, OpenVinoPose
from pipeline.records import ROUNDED_BOW
from pipeline.synthetic.drawing import draw

CONFIG = PoseConfig()
GRAPH = PoseConfig(engine="mediapipe")


def drawn(width: int = 640, height: int = 480, count: int = 1) -> list[Picture]:
    """Pictures of a drawn lifter, a tenth of a second apart."""
    plan = synthetic.LiftPlan(width=width, height=height)
    return list(draw(plan, 0.5 + np.arange(count) / 10))


def distance_px(picture: Picture, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The greatest between two sets of normalized landmarks."""
    size = np.array(picture.shape[1::-1])
    return float(np.linalg.norm((one[:, :2] - other[:, :2]) * size, axis=1).max())


def assert_alike(
    pictures: Sequence[Picture], px: float = 0.5, metres: float = 0.01, order: Sequence[int] | None = None
) -> None:
    """Both engines see the same person in every one of the pictures, which are a tenth of a second apart, one after the
    other: in that order, or another."""
    with OpenVinoPose(CONFIG) as ours, MediaPipePose(GRAPH) as graph:
        for number in range(len(pictures)) if order is None else order:
            picture, time_s = pictures[number], number / 10
            found, expected = ours.landmarks(picture, time_s), graph.landmarks(picture, time_s)
            assert found is not None
            assert expected is not None
            assert distance_px(picture, found[0], expected[0]) < px
            np.testing.assert_allclose(found[0][:, 2:], expected[0][:, 2:], atol=0.02)
            np.testing.assert_allclose(found[1], expected[1], atol=metres)


def test_a_drawn_lifter_is_found_as_by_the_graph() -> None:
    assert_alike(drawn(count=6))


@pytest.mark.parametrize("size", [(360, 640), (363, 641), (640, 359), (1280, 720), (300, 300)])
def test_pictures_of_any_size_are_seen_as_by_the_graph(size: tuple[int, int]) -> None:
    """Sizes whose rows are no multiple of what libraries pad them to among them."""
    width, height = size
    (picture,) = drawn(width + width % 2, height + height % 2)
    assert_alike([np.ascontiguousarray(picture[:height, :width])])


def test_a_lifter_in_a_tilted_picture_is_found_as_by_the_graph() -> None:
    (picture,) = drawn()
    turn = cv2.getRotationMatrix2D((320, 240), 35, 1.0)
    # The hands are hardly sure enough for their heat to count, and count in one engine a picture earlier.
    assert_alike([cv2.warpAffine(picture, turn, (640, 480)).astype(np.uint8)] * 3, px=2.0)


def test_a_real_lifter_is_found_as_by_the_graph(shared_data: Path) -> None:
    clip = shared_data / "videos" / "kantesh813_example.mp4"
    assert_alike([picture for _, picture in islice(reading.frames(clip, 10, 640), 10)], px=2.0, metres=0.02)


def test_a_lifter_is_followed_as_by_the_graph_through_pictures_that_come_after_later_ones() -> None:
    """Those that were passed over while nobody moved are looked at when somebody does."""
    plan = synthetic.LiftPlan(width=640, height=480)
    rep = synthetic.reps_of(plan)[0]
    pictures = list(draw(plan, rep.start_s + np.arange(12) / 10))
    assert_alike(pictures, px=3.0, metres=0.03, order=(0, 1, 2, 6, 3, 4, 5, 7, 8, 11, 9, 10))


def test_pictures_may_lie_in_memory_in_any_order() -> None:
    (picture,) = drawn(360, 640)
    view = np.asfortranarray(picture[:, ::-1])[:, ::-1]
    with OpenVinoPose(CONFIG) as estimator:
        expected = estimator.landmarks(picture, 0.0)
        estimator.reset()
        found = estimator.landmarks(view, 0.0)
    assert found is not None
    assert expected is not None
    np.testing.assert_array_equal(found[0], expected[0])


def test_nobody_is_found_in_an_empty_picture() -> None:
    with OpenVinoPose(CONFIG) as estimator:
        assert estimator.landmarks(grey(5, 128, 96), 0.0) is None


def test_nobody_is_found_who_is_less_sure_than_asked_for() -> None:
    (picture,) = drawn()
    with OpenVinoPose(replace(CONFIG, min_confidence=0.999)) as estimator:
        assert estimator.landmarks(picture, 0.0) is None


def test_whoever_leaves_is_lost_and_found_again() -> None:
    (picture,) = drawn()
    with OpenVinoPose(CONFIG) as estimator:
        first = estimator.landmarks(picture, 0.0)
        assert estimator.landmarks(grey(5, 640, 480), 0.1) is None
        again = estimator.landmarks(picture, 0.2)
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(again[0], first[0])


def test_whoever_has_jumped_elsewhere_is_found_in_the_same_picture() -> None:
    (picture,) = drawn(360, 640)
    left = np.pad(picture, ((0, 0), (0, 540), (0, 0)), constant_values=90)
    right = np.pad(picture, ((0, 0), (540, 0), (0, 0)), constant_values=90)
    with OpenVinoPose(CONFIG) as estimator:
        assert estimator.landmarks(left, 0.0) is not None
        found = estimator.landmarks(right, 0.1)
    assert found is not None
    assert found[0][:, 0].min() > 0.5


def test_what_was_seen_is_forgotten_at_a_reset() -> None:
    first, *_, last = drawn(count=8)
    with OpenVinoPose(CONFIG) as estimator:
        alone = estimator.landmarks(last, 0.0)
        estimator.reset()
        estimator.landmarks(first, 0.0)
        followed = estimator.landmarks(last, 0.1)
        estimator.reset()
        again = estimator.landmarks(last, 0.2)
    assert alone is not None
    assert followed is not None
    assert again is not None
    assert (followed[0] != alone[0]).any()
    np.testing.assert_array_equal(again[0], alone[0])


def test_the_networks_are_loaded_again_after_closing() -> None:
    (picture,) = drawn()
    estimator = OpenVinoPose(CONFIG)
    first = estimator.landmarks(picture, 0.0)
    estimator.close()
    again = estimator.landmarks(picture, 0.0)
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(again[0], first[0])


def test_one_core_is_used() -> None:
    pictures = drawn(count=10)
    with OpenVinoPose(CONFIG) as estimator:
        for number, picture in enumerate(pictures):  # the last ones are bent: every network is loaded
            estimator.landmarks(picture, number / 10)
        threads = Process().num_threads()
        for number, picture in enumerate(pictures):
            estimator.landmarks(picture, 1 + number / 10)
        assert Process().num_threads() == threads


def test_an_absent_package_of_networks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PoseModelError, match="not installed"):
        OpenVinoPose(CONFIG).landmarks(grey(5, 128, 96), 0.0)


def test_an_absent_network_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "_package", lambda: tmp_path)
    with pytest.raises(PoseModelError, match="cannot run the pose network"):
        OpenVinoPose(CONFIG).landmarks(grey(5, 128, 96), 0.0)


def test_nobody_is_told_that_openvino_is_used() -> None:
    """Its converter of models reports to Intel when it is imported; mediapipe brings matplotlib."""
    code = """
import sys, numpy
from pipeline.config import PoseConfig
from pipeline.pose.estimator import open_estimator
with open_estimator(PoseConfig()) as estimator:
    estimator.landmarks(numpy.zeros((48, 64, 3), numpy.uint8), 0.0)
print(*(name for name in sys.modules if name.split(".")[0] in ("openvino_telemetry", "mediapipe", "matplotlib")))
print("openvino.tools.ovc" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


def test_a_drawn_back_that_is_bent_looks_rounded_and_a_straight_one_does_not() -> None:
    with OpenVinoPose(CONFIG) as estimator:
        assert median_bow(estimator, 0.1) > ROUNDED_BOW > median_bow(estimator, -0.01)


def test_nothing_is_said_of_the_back_of_somebody_upright() -> None:
    (picture,) = drawn()
    with OpenVinoPose(CONFIG) as estimator:
        found = [estimator.landmarks(picture, n / 10) for n in range(3)]
        assert estimator._networks is not None
        assert estimator._networks._outlining is None  # it is not even loaded
    assert all(one is not None and np.isnan(one.back_bow) for one in found)


def test_the_outline_moves_no_landmark() -> None:
    networks = Networks()
    for picture in bent_pictures(0.05):
        region = networks.person(picture, 0.5)
        assert region is not None
        without, outlined = (networks.pose(picture, region, 0.5, wanted) for wanted in (False, True))
        assert without is not None
        assert outlined is not None
        assert without.outline is None
        assert outlined.outline is not None
        for name in ("points", "depth", "visibility", "world"):
            np.testing.assert_array_equal(getattr(outlined, name), getattr(without, name))


def test_both_compiled_networks_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with OpenVinoPose(CONFIG, tmp_path) as estimator:
            median_bow(estimator, 0.1)
        kept = sorted(file.name.rpartition("-")[0] for file in tmp_path.iterdir())
        assert kept == ["pose_detection", "pose_landmark_full", "pose_outline_full"]
