"""Frames of Label Studio's timeline and seconds, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.frames import are_frames_of, nearest_frames, to_frames, to_seconds

RATES = st.sampled_from(
    [1.0, 10.0, 23.976, 24.0, 24000 / 1001, 25.0, 29.97, 30000 / 1001, 30.0, 50.0, 59.94, 60.0, 240.0]
)


@pytest.mark.parametrize(
    ("start_s", "end_s", "rate", "expected"),
    [
        (0.0, 1.0, 30.0, (1, 30)),  # the first frame is 1
        (1.0, 2.0, 30.0, (31, 60)),  # both ends are shown
        (1.01, 1.99, 30.0, (31, 60)),  # a frame that is shown in part counts
        (3.0, 4.0, 29.97, (90, 120)),
        (3.0, 4.0, 24.0, (73, 96)),
        (0.1 + 0.2, 0.9, 10.0, (4, 9)),  # 0.30000000000000004 is 0.3
        (-1.0, 1.0, 30.0, (1, 30)),  # kept inside the video
        (99.0, 200.0, 30.0, (2971, 3000)),
        (200.0, 201.0, 30.0, (3000, 3000)),
        (1.0, 1.0001, 30.0, (31, 31)),
    ],
)
def test_seconds_become_frames(start_s: float, end_s: float, rate: float, expected: tuple[int, int]) -> None:
    assert to_frames(start_s, end_s, rate, 100.0) == expected


def test_a_video_of_less_than_a_frame_has_one() -> None:
    assert to_frames(0.0, 0.001, 30.0, 0.001) == (1, 1)


@given(start=st.integers(1, 500_000), length=st.integers(0, 10_000), rate=RATES)
def test_frames_survive_the_way_to_seconds_and_back(start: int, length: int, rate: float) -> None:
    seconds = to_seconds(start, start + length, rate)
    assert to_frames(*seconds, rate, duration_s=1e6) == (start, start + length)


@given(start_s=st.floats(0, 5000), length_s=st.floats(0.01, 100), rate=RATES)
def test_seconds_survive_after_the_first_way_through_frames(start_s: float, length_s: float, rate: float) -> None:
    once = to_seconds(*to_frames(start_s, start_s + length_s, rate, 1e6), rate)
    assert to_seconds(*to_frames(*once, rate, 1e6), rate) == once


@given(start_s=st.floats(0, 5000), length_s=st.floats(0.01, 100), rate=RATES)
def test_frames_cover_the_seconds(start_s: float, length_s: float, rate: float) -> None:
    shown = to_seconds(*to_frames(start_s, start_s + length_s, rate, 1e6), rate)
    assert shown[0] <= start_s + 1e-5
    assert shown[1] >= start_s + length_s - 1e-5


@given(start_s=st.floats(-10, 200), length_s=st.floats(0.01, 100), rate=RATES, duration_s=st.floats(0.01, 120))
def test_frames_are_whole_ordered_and_inside_the_video(
    start_s: float, length_s: float, rate: float, duration_s: float
) -> None:
    start, end = to_frames(start_s, start_s + length_s, rate, duration_s)
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert 1 <= start <= end <= max(1, round(duration_s * rate))


@given(start=st.integers(1, 500_000), length=st.integers(0, 10_000), rate=RATES)
def test_the_nearest_frames_of_whole_frames_are_these(start: int, length: int, rate: float) -> None:
    seconds = to_seconds(start, start + length, rate)
    assert nearest_frames(*seconds, rate) == (start, start + length)
    assert are_frames_of(start, start + length, rate, *seconds)


@pytest.mark.parametrize(("later", "expected"), [(0.4, True), (-0.4, True), (0.6, False), (-0.6, False)])
def test_frames_belong_to_seconds_within_half_a_frame(later: float, expected: bool) -> None:
    start_s, end_s = to_seconds(31, 60, 30.0)
    assert are_frames_of(31, 60, 30.0, start_s + later / 30.0, end_s) is expected
    assert are_frames_of(31, 60, 30.0, start_s, end_s + later / 30.0) is expected
