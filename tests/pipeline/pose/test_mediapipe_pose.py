"""MediaPipe as a pose estimator: it finds what its own graph finds, and says what is wrong with a model."""

from __future__ import annotations

import zipfile
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from drawn_backs import bent_pictures, median_bow
from mediapipe.python.solutions.pose import Pose as Graph
from psutil import Process
from video_files import Picture, grey

from pipeline.config import PoseConfig, PoseEngine
from pipeline.errors import PoseModelError
from pipeline.media import reading
from pipeline.pose.estimator import open_estimator
from pipeline.pose.mediapipe_pose import MediaPipePose
from pipeline.pose.openvino_pose import OpenVinoPose
from pipeline.records import ROUNDED_BOW

CONFIG = PoseConfig(engine="mediapipe")


@pytest.fixture
def clip_pictures(shared_data: Path) -> list[tuple[float, Picture]]:
    """The first pictures of a real clip."""
    clip = min((shared_data / "videos").glob("*.mp4"), key=lambda path: path.stat().st_size)
    return list(islice(reading.frames(clip, max_side_px=640), 5))


def test_mediapipe_sees_nobody_in_an_empty_picture(tmp_path: Path) -> None:
    with MediaPipePose(CONFIG) as estimator:
        assert estimator.landmarks(grey(5, 128, 96), 0.0) is None


def test_a_missing_pose_model_is_an_error(tmp_path: Path) -> None:
    estimator = MediaPipePose(PoseConfig(model=str(tmp_path / "gone.task")))
    with pytest.raises(PoseModelError, match="no such pose model"):
        estimator.landmarks(grey(5, 128, 96), 0.0)


def test_a_file_that_is_no_pose_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.task").write_text("hello")
    estimator = MediaPipePose(PoseConfig(model=str(tmp_path / "text.task")))
    with pytest.raises(PoseModelError, match="not a MediaPipe pose landmarker"):
        estimator.landmarks(grey(5, 128, 96), 0.0)


def test_mediapipe_finds_the_person_in_a_real_clip(clip_pictures: list[tuple[float, Picture]]) -> None:
    time_s, picture = clip_pictures[0]
    with MediaPipePose(CONFIG) as estimator:
        found = estimator.landmarks(picture, time_s)
    assert found is not None
    assert np.isfinite(found[0]).all()


def test_our_graph_finds_what_that_of_mediapipe_finds(clip_pictures: list[tuple[float, Picture]]) -> None:
    places = []
    with MediaPipePose(CONFIG) as ours, Graph(smooth_landmarks=False) as theirs:
        for time_s, picture in clip_pictures:
            found, expected = ours.landmarks(picture, time_s), theirs.process(picture)
            assert found is not None
            assert found[0][:, :3].tolist() == [[p.x, p.y, p.z] for p in expected.pose_landmarks.landmark]
            assert found[1].tolist() == [[p.x, p.y, p.z] for p in expected.pose_world_landmarks.landmark]
            places.append(found[0][0, 0])
    assert len(set(places)) == len(places)  # they moved


def test_nobody_is_found_who_is_less_sure_than_asked_for(clip_pictures: list[tuple[float, Picture]]) -> None:
    time_s, picture = clip_pictures[0]
    with MediaPipePose(PoseConfig(min_confidence=0.99)) as ours, Graph(min_detection_confidence=0.99) as theirs:
        assert ours.landmarks(picture, time_s) is None
        assert theirs.process(picture).pose_landmarks is None


def test_people_are_looked_for_in_the_thread_that_asks(clip_pictures: list[tuple[float, Picture]]) -> None:
    """Workers that hand steps from thread to thread keep each other from their cores."""
    threads = Process().num_threads()
    with MediaPipePose(CONFIG) as estimator:
        assert estimator.landmarks(clip_pictures[0][1], 0.0) is not None
        assert Process().num_threads() <= threads


@pytest.mark.parametrize(("engine", "kind"), [("mediapipe", MediaPipePose), ("openvino", OpenVinoPose)])
def test_an_opened_estimator_works_and_frees_its_model(
    monkeypatch: pytest.MonkeyPatch, engine: PoseEngine, kind: type
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(kind, "close", lambda self: closed.append(True))
    with open_estimator(PoseConfig(engine=engine)) as estimator:
        assert isinstance(estimator, kind)
        assert estimator.landmarks(grey(5, 128, 96), 0.0) is None
        assert not closed
    assert closed


def test_the_mask_moves_no_landmark() -> None:
    """MediaPipe's own class makes none here."""
    with MediaPipePose(CONFIG) as ours, Graph(smooth_landmarks=False) as theirs:
        for number, picture in enumerate(bent_pictures(0.05)):
            found, expected = ours.landmarks(picture, number / 10), theirs.process(picture)
            assert found is not None
            assert found.normalized[:, :3].tolist() == [[p.x, p.y, p.z] for p in expected.pose_landmarks.landmark]
            assert found.world.tolist() == [[p.x, p.y, p.z] for p in expected.pose_world_landmarks.landmark]


def test_a_drawn_back_that_is_bent_looks_rounded_and_a_straight_one_does_not() -> None:
    with MediaPipePose(CONFIG) as estimator:
        assert median_bow(estimator, 0.1) > ROUNDED_BOW > median_bow(estimator, -0.01)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.task` file of the networks in the wheel, which lack only what says how pictures become numbers."""
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    path = tmp_path_factory.mktemp("bundle") / "own.task"
    with zipfile.ZipFile(path, "w") as file:
        for name, network, mean, scale in (
            ("pose_detector.tflite", "pose_detection/pose_detection.tflite", 127.5, 127.5),
            ("pose_landmarks_detector.tflite", "pose_landmark/pose_landmark_full.tflite", 0.0, 255.0),
        ):
            content = bytearray(files("mediapipe").joinpath("modules", network).read_bytes())
            file.writestr(name, bytes(MetadataWriter.create(content).add_image_input([mean], [scale]).populate()[0]))
    return path


def test_a_bundle_tells_a_bent_back_from_a_straight_one(bundle: Path) -> None:
    bows = []
    for back_bow in (0.1, -0.01):
        with MediaPipePose(PoseConfig(model=str(bundle))) as estimator:
            bows.append(median_bow(estimator, back_bow))
    assert bows[0] > ROUNDED_BOW > bows[1]


def test_the_mask_of_a_bundle_moves_no_landmark(bundle: Path) -> None:
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(BaseOptions(str(bundle)), vision.RunningMode.VIDEO)
    with (
        MediaPipePose(PoseConfig(model=str(bundle))) as ours,
        vision.PoseLandmarker.create_from_options(options) as theirs,
    ):
        for number, picture in enumerate(bent_pictures(0.05, 3)):
            found = ours.landmarks(picture, number / 10)
            expected = theirs.detect_for_video(Image(image_format=ImageFormat.SRGB, data=picture), number * 100)
            assert found is not None
            assert found.normalized[:, :3].tolist() == [[p.x, p.y, p.z] for p in expected.pose_landmarks[0]]
            assert found.world.tolist() == [[p.x, p.y, p.z] for p in expected.pose_world_landmarks[0]]
