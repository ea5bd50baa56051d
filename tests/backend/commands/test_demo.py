"""What `deadlift demo` says at its end."""

from __future__ import annotations

from typing import Any

from backend.commands.demo import summary
from backend.labelstudio.format import Task


def pre_annotated(task: int, reps: int) -> tuple[Task, list[dict[str, Any]]]:
    return Task(task, 1, {}), [{"result": [{"id": str(number)} for number in range(reps)]}]


def test_a_first_run_counts_what_is_new() -> None:
    assert summary([pre_annotated(1, 6)], frozenset()) == "1 video with 6 repetitions pre-annotated now."


def test_a_second_run_tells_what_is_new_from_what_was_there() -> None:
    said = summary([pre_annotated(1, 6), pre_annotated(2, 1)], {1}, {3})
    assert said == (
        "1 video with 1 repetition pre-annotated now; 1 video with 6 repetitions pre-annotated before; 1 video failed."
    )


def test_a_run_without_anything_new_says_only_what_was_there() -> None:
    assert summary([pre_annotated(1, 6)], {1}) == "1 video with 6 repetitions pre-annotated before."
