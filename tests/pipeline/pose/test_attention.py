"""Poses where somebody may be lifting, and few while nobody does: repetitions are found as with all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import synthetic
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.media import reading
from pipeline.media.reading import SampledFrame
from pipeline.pose.attention import CALM_S, FOLLOW_S, Attention
from pipeline.pose.estimation import estimate, estimate_samples
from pipeline.records import Landmarks, Pose, VideoInfo
from pipeline.reps import find_reps
from pipeline.synthetic import Camera, Cut, LiftPlan, RepPlan
from pipeline.synthetic.drawing import render

SETS = LiftPlan(
    reps=(RepPlan(), RepPlan(hold_s=4.0), RepPlan(floor_s=5.0), RepPlan(floor_s=4.0, stand_s=3.0), RepPlan()),
    stand_before_s=12.0,
    stand_after_s=12.0,
)
SIZE = (SETS.width, SETS.height)
INFO = VideoInfo("drawn.mp4", synthetic.timeline_of(SETS).duration_s, SETS.fps, *SIZE)


class Exact:
    """Gives the exact landmarks of a plan, and keeps the times at which it was asked."""

    def __init__(self, plan: LiftPlan) -> None:
        self.plan = plan
        self.asked: list[float] = []

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self.asked.append(time_s)
        pose = synthetic.pose_of(self.plan, np.array([time_s]))
        x, y = pose.image[0].T / np.array(SIZE)[:, None]
        return Landmarks(np.stack([x, y, pose.depth[0] / SIZE[0], pose.visibility[0]], axis=1), pose.world[0])

    def reset(self) -> None:
        pass


def samples(cut_s: float = np.inf) -> Iterator[SampledFrame]:
    """Ten pictures a second, of another room from `cut_s` seconds on."""
    before, after = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), (30, 200, 240), np.uint8)
    before[:24] = (200, 30, 30)
    for time_s in np.arange(0.0, INFO.duration_s, 0.1).tolist():
        picture = before if time_s < cut_s else after
        yield SampledFrame(time_s, lambda side, picture=picture: picture)  # type: ignore[misc]


def poses(exact: Exact, attention: Attention | None, cut_s: float = np.inf) -> Pose:
    return estimate_samples(samples(cut_s), INFO, PoseConfig(), exact, attention=attention)


def test_repetitions_are_those_of_all_samples_at_a_fraction_of_the_poses() -> None:
    everything, needed = Exact(SETS), Exact(SETS)
    all_reps = find_reps(poses(everything, None), SegmentConfig())
    reps = find_reps(poses(needed, Attention(SIZE)), SegmentConfig())
    assert len(all_reps) == len(SETS.reps)
    np.testing.assert_allclose(
        [(rep.start_s, rep.top_s, rep.end_s) for rep in reps],
        [(rep.start_s, rep.top_s, rep.end_s) for rep in all_reps],
        atol=0.05,
    )
    assert len(needed.asked) < 0.8 * len(everything.asked)


def test_whoever_stands_gets_few_poses() -> None:
    exact = Exact(SETS)
    poses(exact, Attention(SIZE))
    standing = [time_s for time_s in exact.asked if 3.0 < time_s < 10.0]
    assert len(standing) == pytest.approx(7.0 / CALM_S, abs=2)


def test_what_came_before_the_movement_is_made_up_for() -> None:
    exact = Exact(SETS)
    pose = poses(exact, Attention(SIZE))
    bends_s = SETS.stand_before_s
    about = pose.time[(pose.time > bends_s - 0.3) & (pose.time < bends_s + 1.0)]
    np.testing.assert_allclose(np.diff(about), 0.1, atol=1e-6)
    assert (np.diff(pose.time) > 0).all()


def test_another_camera_is_watched_closely_at_first() -> None:
    exact = Exact(SETS)
    pose = poses(exact, Attention(SIZE), cut_s=6.0)
    seen = pose.time[(pose.time >= pose.time[pose.shot == 1][0]) & (pose.time < 7.0)]
    np.testing.assert_allclose(np.diff(seen), 0.1, atol=1e-6)


class Lost(Exact):
    """Finds nobody between two times."""

    def __init__(self, plan: LiftPlan, from_s: float, until_s: float) -> None:
        super().__init__(plan)
        self.between = (from_s, until_s)

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        found = super().landmarks(picture, time_s)
        return None if self.between[0] <= time_s < self.between[1] else found


def test_whoever_is_lost_while_lifting_is_looked_for_in_every_sample() -> None:
    first_s = SETS.stand_before_s + 1.0
    pose = poses(Lost(SETS, first_s, first_s + 4.0), Attention(SIZE))
    near = pose.time[(pose.time > first_s - 0.15) & (pose.time < first_s + 4.5)]
    np.testing.assert_allclose(np.diff(near), 0.1, atol=1e-6)


@pytest.mark.parametrize("fps", [24.0, 30.0])
@pytest.mark.parametrize("per_second", [7.0, 10.0, 20.0])
def test_whoever_lifts_gets_a_pose_in_every_sample(tmp_path: Path, fps: float, per_second: float) -> None:
    plan = LiftPlan(reps=(RepPlan(),) * 2, fps=fps, stand_before_s=1.0)
    path = tmp_path / "lifting.mp4"
    render(plan, path)
    exact = Exact(plan)
    estimate(path, reading.probe(path), PoseConfig(per_second), exact)
    first, *_, last = synthetic.reps_of(plan)
    asked = np.sort(exact.asked)
    asked = asked[(asked > first.start_s) & (asked < last.end_s)]
    assert len(asked) / (asked[-1] - asked[0]) == pytest.approx(per_second, rel=0.25)
    assert np.diff(asked).max() < 1 / per_second + 1 / fps


@pytest.mark.parametrize("fps", [11.0, 12.0, 15.0, 24.0, 30.0])
@pytest.mark.parametrize("per_second", [6.0, 8.0, 10.0])
def test_poses_of_whoever_rests_follow_each_other(tmp_path: Path, fps: float, per_second: float) -> None:
    plan = LiftPlan(reps=(RepPlan(),), fps=fps, stand_before_s=8.0)
    path = tmp_path / "resting.mp4"
    render(plan, path)
    pose = estimate(path, reading.probe(path), PoseConfig(per_second), Exact(plan))
    resting = pose.time[pose.time < 7.0]
    assert np.diff(resting).max() <= FOLLOW_S
    assert len(resting) < 0.8 * 7.0 * per_second


def test_an_empty_room_gets_few_poses() -> None:
    attention = Attention(SIZE)
    due = []
    for time_s in np.arange(0.0, 10.0, 0.1).tolist():
        due.append(attention.is_due(time_s))
        if due[-1]:
            attention.see(time_s, None)
    assert sum(due[20:]) == pytest.approx(8.0 / CALM_S, abs=3)


def test_a_drawn_video_with_pauses_and_a_cut_has_all_its_repetitions(tmp_path: Path) -> None:
    plan = LiftPlan(
        reps=(RepPlan(), RepPlan(floor_s=3.0)),
        stand_before_s=10.0,
        stand_after_s=4.0,
        cuts=(Cut(4.0, Camera(azimuth_deg=75.0)),),
    )
    path = tmp_path / "pauses.mp4"
    render(plan, path)
    exact = Exact(plan)
    pose = estimate(path, reading.probe(path), PoseConfig(), exact)
    assert len(find_reps(pose, SegmentConfig())) == 2
    times = pose.time
    shown = {round(sample.time_s, 6) for sample in reading.samples(path)}
    assert {round(time_s, 6) for time_s in times.tolist()} <= shown
    assert len(times) < 0.8 * 10 * synthetic.timeline_of(plan).duration_s
