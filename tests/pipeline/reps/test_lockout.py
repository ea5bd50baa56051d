"""The lockout of a drawn repetition."""

from __future__ import annotations

from drawn_lifts import video

from pipeline.config import PipelineConfig
from pipeline.reps.lockout import with_lockout


def test_the_lockout_is_found_inside_what_was_drawn() -> None:
    pose, reps = video(1)
    for rep in reps:
        found = with_lockout(pose, rep.start_s, rep.end_s, PipelineConfig().segment)
        assert abs(found.top_s - rep.top_s) < 0.35
        assert (found.start_s, found.end_s) == (rep.start_s, rep.end_s)


def test_the_lockout_of_what_was_not_seen_is_the_middle() -> None:
    pose, _ = video(1)
    assert with_lockout(pose, 500.0, 502.0, PipelineConfig().segment).top_s == 501.0
