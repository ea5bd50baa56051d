"""Our representation judged without what it has seen: drawn lifters with and without a fault."""

from __future__ import annotations

import pytest
from drawn_lifts import set_of

from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.evaluation.anomaly import figures
from pipeline.evaluation.representations import compare_ours
from pipeline.records import LabelledRep

FAULT = "early_hip_rise"


def videos(count: int) -> list[LabelledRep]:
    """Three sound repetitions and two with a fault in each."""
    samples = []
    for number in range(count):
        pose, reps = set_of(number, (None, None, None, FAULT, FAULT))
        labels = ("normal", "normal", "normal", "anomalous", "anomalous")
        samples += [LabelledRep(pose, rep, label, str(number)) for rep, label in zip(reps, labels, strict=True)]
    return samples


def test_faults_of_videos_that_were_not_seen_are_told_apart() -> None:
    judged = compare_ours(videos(4), TrainConfig())
    for one in (judged.cold, judged.warm):
        found = figures(one)
        assert (found.normals, found.anomalies) == (12, 8)
        assert found.auroc > 0.9


def test_two_videos_are_too_few_to_compare_on() -> None:
    with pytest.raises(DatasetError, match="three or more videos"):
        compare_ours(videos(2), TrainConfig())
