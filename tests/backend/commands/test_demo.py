"""What `deadlift demo` says at its end."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes import analysis
from rich.console import Console
from typer.testing import CliRunner

from backend.cli import app
from backend.commands.demo import prediction_table, summary
from backend.errors import BackendError
from backend.labelstudio.format import Task, to_prediction
from backend.labelstudio.labeling_config import default_config, parse_controls
from backend.local_labelstudio.demo import Demo


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


def test_what_became_no_task_is_counted() -> None:
    said = summary([pre_annotated(1, 6)], frozenset(), left_out=2)
    assert said == "1 video with 6 repetitions pre-annotated now; 2 videos left out."


def test_a_repetition_that_could_not_be_judged_has_no_score() -> None:
    found = analysis((0.9, 0.8))
    hidden = replace(found.scores[0], reliable=False, hindrance="the legs are hidden")
    prediction = to_prediction(replace(found, scores=(hidden, found.scores[1])), parse_controls(default_config()), 30.0)
    store = SimpleNamespace(label_config=lambda project: default_config())
    console = Console(width=200, record=True)
    running = cast(Demo, SimpleNamespace(store=store, project=1))
    console.print(prediction_table(running, Task(1, 1, {"video": "a.mp4"}), prediction))
    first, second = console.export_text().splitlines()[-3:-1]
    assert "not judged" in first
    assert "0.90" not in first
    assert "Anomalous" not in first
    assert "0.80" in second
    assert "Anomalous rep" in second


@pytest.mark.parametrize("server", ["--port", "--backend-port"])
def test_a_port_in_use_is_told_before_anything_is_made(server: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = "--backend-port" if server == "--port" else "--port"
        ports = [server, str(taken.getsockname()[1]), other, "0"]
        result = CliRunner().invoke(app, ["demo", "--data-dir", str(tmp_path), *ports])
    assert isinstance(result.exception, BackendError)
    assert ports[1] in str(result.exception)
    assert not list(tmp_path.rglob("*.mp4"))
