"""Videos that look alike share a cluster, for ever; predictions carry it unless somebody chose otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fakes import analysis

from backend.sampling.clusters import Clusters
from backend.storage.jobs import Store
from pipeline.anomaly.appearance import NO_REPETITION, appearance_of, clusters_of, nearest
from pipeline.config import DetectorConfig, EncodeConfig
from pipeline.records import Analysis, Floats
from pipeline.synthetic import Camera, LiftPlan, RepPlan, add_jitter, pose_of, reps_of, timeline_of

WITHIN = DetectorConfig().setting_distance


def drawn_look(azimuth: float, seed: int) -> Floats:
    plan = LiftPlan((RepPlan(),) * 4, camera=Camera(azimuth_deg=azimuth), seed=7)
    times = np.arange(0.0, timeline_of(plan).duration_s, 0.1)
    look = appearance_of(add_jitter(pose_of(plan, times), seed=seed), reps_of(plan), EncodeConfig())
    assert look is not None
    return look


def seen(digest: str, look: Sequence[float]) -> Analysis:
    return analysis(media_digest=digest, appearance=tuple(look))


@pytest.fixture
def clusters(store: Store) -> Clusters:
    return Clusters(store)


def test_two_videos_of_a_lifter_before_a_camera_look_alike() -> None:
    assert clusters_of([drawn_look(45.0, 1), drawn_look(45.0, 2)], WITHIN) == (1, 1)


def test_another_camera_looks_different() -> None:
    assert clusters_of([drawn_look(45.0, 1), drawn_look(0.0, 2)], WITHIN) == (1, 2)


def test_a_video_without_repetitions_has_no_look() -> None:
    plan = LiftPlan((RepPlan(),), seed=7)
    assert appearance_of(pose_of(plan, np.arange(0.0, 2.0, 0.1)), (), EncodeConfig()) is None


def test_videos_without_a_look_are_a_cluster_of_their_own() -> None:
    assert clusters_of([None, np.zeros(3, np.float32), None], WITHIN) == (NO_REPETITION, 1, NO_REPETITION)


def test_the_nearest_of_several_leaders_counts() -> None:
    leaders = [np.full(3, value, np.float32) for value in (0.0, 0.05)]
    assert nearest(np.full(3, 0.03, np.float32), leaders, WITHIN) == 1


def test_a_cluster_is_of_one_project(clusters: Clusters) -> None:
    clusters.of(1, seen("a", (0.0, 0.0)))
    assert clusters.of(1, seen("b", (1.0, 1.0))) == 2
    assert clusters.of(2, seen("b", (1.0, 1.0))) == 1


def test_like_videos_share_a_cluster(clusters: Clusters) -> None:
    assert clusters.of(1, seen("a", (0.0, 0.0))) == clusters.of(1, seen("b", (0.01, 0.0))) == 1


def test_the_first_of_a_cluster_is_what_others_are_compared_with(clusters: Clusters) -> None:
    """Else a chain of videos, each like the one before, would end up in one cluster."""
    assert [clusters.of(1, seen(str(step), (0.03 * step,))) for step in range(3)] == [1, 1, 2]


def test_a_cluster_stays_after_a_restart(clusters: Clusters, store: Store) -> None:
    clusters.of(1, seen("a", (0.0,)))
    clusters.of(1, seen("b", (1.0,)))
    assert Clusters(store).of(1, seen("b", (0.0,))) == 2


def test_a_look_of_another_kind_starts_a_cluster(clusters: Clusters) -> None:
    clusters.of(1, seen("a", (0.0, 0.0)))
    assert clusters.of(1, seen("b", (0.0, 0.0, 0.0))) == 2


def test_without_repetitions_there_is_a_cluster_of_its_own(clusters: Clusters) -> None:
    assert clusters.of(1, analysis(scores=(), media_digest="a")) == NO_REPETITION


def test_an_analysis_of_an_earlier_release_has_no_cluster(clusters: Clusters) -> None:
    assert clusters.of(1, analysis(media_digest="a")) is None


def test_predictions_carry_clusters_unless_somebody_chose_otherwise(clusters: Clusters) -> None:
    assert clusters.shown(1, seen("a", (0.0,))) == 1
    clusters.set_diverse(1, False)
    assert clusters.shown(1, seen("a", (0.0,))) is None
    assert clusters.shown(2, seen("a", (0.0,))) == 1
