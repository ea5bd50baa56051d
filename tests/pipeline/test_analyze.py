"""The whole pipeline on drawn videos, with an estimator that sees what the plan says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from video_files import write_video

from pipeline import analyze, reps, synthetic
from pipeline.analyze import analyze_pose, analyze_video
from pipeline.anomaly import appearance, detector
from pipeline.config import PipelineConfig
from pipeline.errors import NotAVideo, VideoNotFound
from pipeline.pose.cache import PoseCache
from pipeline.records import Landmarks, Pose, VideoInfo


class Nobody:
    """Finds nobody, and counts its pictures."""

    def __init__(self) -> None:
        self.pictures = 0

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self.pictures += 1
        return None

    def reset(self) -> None:
        pass


@pytest.fixture
def cache(tmp_path: Path) -> PoseCache:
    return PoseCache(tmp_path / "poses")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4")


def test_a_video_without_people_has_no_repetitions(clip: Path, cache: PoseCache) -> None:
    found = analyze_video(clip, detector.load_detector(), cache, PipelineConfig(), Nobody())
    assert (found.reps, found.scores) == ((), ())


def test_landmarks_are_estimated_once(clip: Path, cache: PoseCache) -> None:
    nobody = Nobody()
    pictures = []
    for _ in range(2):
        analyze_video(clip, detector.load_detector(), cache, PipelineConfig(), nobody)
        pictures.append(nobody.pictures)
    assert pictures[0] == pictures[1] > 0


def test_an_analysis_says_what_it_was_made_with(clip: Path, cache: PoseCache) -> None:
    model = detector.load_detector()
    found = analyze_video(clip, model, cache, PipelineConfig(), Nobody())
    assert (found.model_version, found.config_digest) == (model.version, PipelineConfig().digest())
    assert len(found.media_digest) == 64


def test_progress_is_reported(clip: Path, cache: PoseCache) -> None:
    shares: list[float] = []
    analyze_video(clip, detector.load_detector(), cache, PipelineConfig(), Nobody(), shares.append)
    assert len(shares) == 10


def test_a_missing_video_is_not_found(tmp_path: Path, cache: PoseCache) -> None:
    with pytest.raises(VideoNotFound):
        analyze_video(tmp_path / "gone.mp4", detector.load_detector(), cache, PipelineConfig(), Nobody())


def test_nothing_is_kept_of_what_is_no_video(tmp_path: Path, cache: PoseCache) -> None:
    (tmp_path / "v.mp4").write_text("hello")
    with pytest.raises(NotAVideo):
        analyze_video(tmp_path / "v.mp4", detector.load_detector(), cache, PipelineConfig(), Nobody())
    assert not cache.folder.exists()


@pytest.fixture(scope="module")
def planned() -> tuple[synthetic.LiftPlan, Pose, VideoInfo]:
    plan = synthetic.demo_plan(seed=1)
    duration_s = synthetic.timeline_of(plan).duration_s
    pose = synthetic.pose_of(plan, np.arange(0, duration_s, 0.1))
    return plan, pose, VideoInfo("plan", duration_s, plan.fps, plan.width, plan.height)


def test_the_repetitions_of_a_planned_lift_are_found_and_scored(
    planned: tuple[synthetic.LiftPlan, Pose, VideoInfo],
) -> None:
    plan, pose, info = planned
    found = analyze_pose(pose, info, detector.load_detector(), PipelineConfig())
    true = synthetic.reps_of(plan)
    assert len(found.scores) == len(found.reps) == len(true)
    assert all(abs(a.start_s - b.start_s) < 0.5 for a, b in zip(found.reps, true, strict=True))


def test_a_file_that_was_cut_short_is_said_and_trusted_little(
    planned: tuple[synthetic.LiftPlan, Pose, VideoInfo],
) -> None:
    _, pose, info = planned
    whole = analyze_pose(pose, info, detector.load_detector())
    cut = analyze_pose(pose, replace(info, whole_s=info.duration_s + 9.0), detector.load_detector())
    assert (whole.warning, cut.warning) == ("", replace(info, whole_s=info.duration_s + 9.0).cut_short)
    assert cut.warning.startswith("the file was cut short: it ends at ")
    assert whole.confidence > 0.3
    assert cut.confidence == 0.3
    assert cut.reps == whole.reps


def test_what_is_shared_by_the_parts_is_worked_out_once(
    planned: tuple[synthetic.LiftPlan, Pose, VideoInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, pose, info = planned
    called: Counter[str] = Counter()
    for module, name in ((reps, "proposals"), (analyze, "encode"), (detector, "encode"), (appearance, "encode")):
        monkeypatch.setattr(module, name, counted(getattr(module, name), name, called))
    analyze_pose(pose, info, detector.load_detector(), PipelineConfig())
    assert called == {"proposals": 1, "encode": len(plan.reps)}


def counted(function: Callable[..., Any], name: str, called: Counter[str]) -> Callable[..., Any]:
    def count(*args: Any) -> Any:
        called[name] += 1
        return function(*args)

    return count
