"""Faults that people call normal: the search finds them, and of honest labels it says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn_lifts import samples

from pipeline.anomaly.detector import load_detector
from pipeline.config import DetectorConfig, TrainConfig
from pipeline.learning import training
from pipeline.learning.mislabelled import Mislabelled, search
from pipeline.records import LabelledRep

STATISTICS = TrainConfig(detector=DetectorConfig(method="statistics"))


def found(labelled: list[LabelledRep]) -> Mislabelled:
    return search(training.fit(labelled, load_detector(), STATISTICS))


@pytest.mark.parametrize("videos", [3, 6, 15])
def test_a_fault_in_every_set_is_found(videos: int) -> None:
    result = found(samples(videos, 1, honest=False))
    assert {row for row in range(5 * videos) if row % 5 == 4} <= set(result.rows)
    assert len(result.rows) <= videos + 1
    assert result.is_more_than_chance
    assert set(result.videos) >= {f"video-{number}" for number in range(videos)}


def test_faults_of_whole_videos_are_found() -> None:
    result = found(samples(28, first=10) + samples(4, 5, honest=False))
    assert len(set(result.rows) & set(range(140, 160))) >= 16
    assert len(result.rows) <= 25
    assert result.is_more_than_chance


@pytest.mark.parametrize("videos", [2, 6, 15])
def test_of_honest_labels_nothing_is_said(videos: int) -> None:
    assert not found(samples(videos, 1)).is_more_than_chance


def test_a_lifter_with_few_repetitions_is_passed_over() -> None:
    assert found(samples(1, 1, honest=False)) == Mislabelled((), (), 0, 0)


def test_videos_of_one_repetition_are_searched_as_well() -> None:
    # None has others of its own video to stand out from.
    sound = [replace(sample, label="normal") for sample in samples(14, reps=1)]
    odd = samples(2, 1, first=14, reps=1, honest=False)
    assert set(found(sound + odd).rows) >= {14, 15}


@pytest.mark.parametrize("reps", [5, 15])
def test_one_video_that_differs_as_a_whole_is_not_more_than_chance(reps: int) -> None:
    # A camera that was moved makes every repetition of its video odd.
    assert not Mislabelled(tuple(range(reps)), ("a",) * reps, 8 * reps, 8).is_more_than_chance
    assert Mislabelled(tuple(range(reps)), tuple("abcdefgh" * 2)[:reps], 8 * 5, 8).is_more_than_chance


@pytest.mark.parametrize("long", [12, 16, 20])
def test_one_long_video_beside_short_ones_can_be_searched(long: int) -> None:
    # All that is left of the others may be in the part that is held out.
    sound = [replace(sample, label="normal") for sample in samples(1, reps=long)]
    faults = samples(3, 1, first=1, reps=1, honest=False)
    assert found(sound + faults).searched == long + 3
