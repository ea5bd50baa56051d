"""Poses where somebody may be lifting, and few while nobody does: repetitions are found as with all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import synthetic
from pipeline.config import PoseConfig, PoseEngine, SegmentConfig
from pipeline.media import reading
from pipeline.media.reading import SampledFrame
from pipeline.pose.attention import CALM_S, Attention
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
# As of ten samples a second, of which every other one gets a pose.
STEADY_S = 0.2
HALF_S = 0.15
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
    """Finds nobody, or guesses, between two times."""

    def __init__(self, plan: LiftPlan, from_s: float, until_s: float, guesses: bool) -> None:
        super().__init__(plan)
        self.between, self.guesses = (from_s, until_s), guesses

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        found = super().landmarks(picture, time_s)
        if found is None or not self.between[0] <= time_s < self.between[1]:
            return found
        # Overturned: the trunk stands on its head.
        return found._replace(world=found.world * np.float32([1, -1, 1])) if self.guesses else None


# While the first repetition of SETS goes on.
LIFTING = (SETS.stand_before_s + 1.0, SETS.stand_before_s + 3.0)


def test_half_of_the_poses_give_nearly_the_same_repetitions() -> None:
    everything, half = Exact(SETS), Exact(SETS)
    all_reps = find_reps(poses(everything, Attention(SIZE)), SegmentConfig())
    reps = find_reps(poses(half, Attention(SIZE, steady_s=HALF_S)), SegmentConfig())
    np.testing.assert_allclose(
        [(rep.start_s, rep.top_s, rep.end_s) for rep in reps],
        [(rep.start_s, rep.top_s, rep.end_s) for rep in all_reps],
        atol=0.06,
    )
    moving = [time_s for time_s in half.asked if LIFTING[0] <= time_s <= LIFTING[1]]
    np.testing.assert_allclose(np.diff(moving), STEADY_S, atol=1e-6)


@pytest.mark.parametrize("guesses", [False, True], ids=["nobody", "a guess"])
def test_whoever_is_lost_while_lifting_is_looked_for_in_every_sample(guesses: bool) -> None:
    exact = Lost(SETS, LIFTING[0], LIFTING[0] + 1.0, guesses)
    pose = poses(exact, Attention(SIZE, steady_s=HALF_S))
    near = pose.time[(pose.time > LIFTING[0] - 0.15) & (pose.time < LIFTING[0] + 0.95)]
    np.testing.assert_allclose(np.diff(near), 0.1, atol=1e-6)
    later = pose.time[(pose.time > LIFTING[0] + 1.25) & (pose.time < LIFTING[1])]
    np.testing.assert_allclose(np.diff(later), STEADY_S, atol=1e-6)
    assert (np.diff(pose.time) > 0).all()


@pytest.mark.parametrize("seconds", [6.0, 6.1])
def test_a_recording_that_ends_in_movement_has_a_pose_at_its_end(seconds: float) -> None:
    lifting = LiftPlan(reps=(RepPlan(),) * 9, stand_before_s=0.0)
    shown = [sample for sample in samples() if sample.time_s < seconds - 0.05]
    pose = estimate_samples(shown, INFO, PoseConfig(), Exact(lifting), attention=Attention(SIZE, steady_s=HALF_S))
    assert pose.time[-1] == shown[-1].time_s
    assert len(pose.time) < 0.6 * len(shown)


def test_another_camera_is_noticed_in_a_sample_without_a_pose() -> None:
    pose = poses(Exact(SETS), Attention(SIZE, steady_s=HALF_S), cut_s=LIFTING[0] + 0.5)
    after = pose.time[pose.shot == 1][0]
    assert after == pytest.approx(LIFTING[0] + 0.5, abs=0.051)
    assert set(pose.shot.tolist()) == {0, 1}
    assert after - pose.time[pose.shot == 0][-1] == pytest.approx(0.1)


def _asked(per_second: float, fps: float, engine: PoseEngine, tmp_path: Path) -> NDArray[np.float64]:
    """When the estimator was asked in a drawn video with so many pictures a second, while somebody lifts."""
    plan = LiftPlan(reps=(RepPlan(),) * 2, fps=fps, stand_before_s=1.0)
    path = tmp_path / f"{per_second}.mp4"
    render(plan, path)
    exact = Exact(plan)
    estimate(path, reading.probe(path), PoseConfig(per_second, engine=engine), exact)
    first, *_, last = synthetic.reps_of(plan)
    asked = np.sort(exact.asked)
    return asked[(asked > first.start_s) & (asked < last.end_s)]


@pytest.mark.parametrize("fps", [24.0, 30.0])
@pytest.mark.parametrize(
    ("per_second", "engine", "expected"),
    [(10.0, "openvino", 5.0), (10.0, "mediapipe", 10.0), (7.0, "openvino", 7.0), (20.0, "openvino", 10.0)],
)
def test_every_other_sample_is_enough_for_openvino_from_ten_a_second_on(
    tmp_path: Path, fps: float, per_second: float, engine: PoseEngine, expected: float
) -> None:
    asked = _asked(per_second, fps, engine, tmp_path)
    assert len(asked) / (asked[-1] - asked[0]) == pytest.approx(expected, rel=0.25)
    assert np.diff(asked).max() < 1.5 / expected + 1e-6


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
