"""Which repetitions are of unusual length."""

from __future__ import annotations

from backend.storage.overview import RepRow
from backend.web.dashboard.quality import _outliers


def _video(job: int, *lengths_s: float) -> list[RepRow]:
    return [RepRow(1, job, job, number, 0.0, length, 0.1, True) for number, length in enumerate(lengths_s, 1)]


def test_a_repetition_is_compared_with_the_others_of_its_video() -> None:
    usual = [row for job in range(1, 6) for row in _video(job, 2.0, 2.1, 1.9, 2.0)]
    slow = _video(9, 5.0, 5.2, 4.9, 8.0)
    typical, far = _outliers([*usual, *slow])
    assert [(row.job, row.number) for row in far] == [(9, 4)]
    assert typical is not None
    assert round(typical, 1) == 2.0


def test_the_only_one_of_a_video_is_compared_with_all() -> None:
    usual = [row for job in range(1, 6) for row in _video(job, 2.0, 2.1, 1.9, 2.0)]
    assert [row.job for row in _outliers([*usual, *_video(9, 9.0)])[1]] == [9]
