"""What rates of false alarms come to on unseen videos: counted by video, and nothing said of what is not there."""

from __future__ import annotations

import numpy as np

from pipeline.learning.rates import UnseenAtRate, unseen_at_rates

GROUPS = np.array(["a", "a", "a", "b", "b"])


def test_false_alarms_are_a_mean_over_videos() -> None:
    flagged = np.array([[False, False, True, False, True], [True, True, True, False, True]])
    truth = np.array([False, False, True, False, True])
    assert unseen_at_rates((0.05, 0.2), flagged, truth, GROUPS) == (
        UnseenAtRate(0.05, 0.0, 1.0, normals=3, videos=2, anomalies=2),
        UnseenAtRate(0.2, 0.5, 1.0, normals=3, videos=2, anomalies=2),
    )


def test_without_anomalies_there_is_no_recall() -> None:
    (found,) = unseen_at_rates((0.1,), np.ones((1, 5), bool), np.zeros(5, bool), GROUPS)
    assert (found.recall, found.anomalies, found.false_alarms) == (None, 0, 1.0)


def test_without_normal_repetitions_there_are_no_false_alarms() -> None:
    (found,) = unseen_at_rates((0.1,), np.ones((1, 5), bool), np.ones(5, bool), GROUPS)
    assert (found.false_alarms, found.videos, found.recall) == (None, 0, 1.0)


def test_nothing_that_could_be_judged_is_no_figure() -> None:
    (found,) = unseen_at_rates((0.1,), np.zeros((1, 0), bool), np.zeros(0, bool), np.zeros(0, np.str_))
    assert (found.false_alarms, found.recall) == (None, None)
