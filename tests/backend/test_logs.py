"""The log as JSON: what each line is about, also in workers and in the threads that their results come to."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import CONFIG, FakeExecutor, until
from flask.testing import FlaskClient
from places import ROOT

from backend import logs
from backend.compute.dask_executor import DaskExecutor
from backend.compute.process_executor import BackgroundExecutor
from backend.errors import MediaNotFound


class Lines:
    """What was logged, as JSON."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.handler = logging.StreamHandler(self.text)
        self.handler.setFormatter(logs.JsonFormatter())

    def found(self, word: str) -> dict[str, Any]:
        every = [json.loads(line) for line in self.text.getvalue().splitlines()]
        return next(line for line in every if word in line["message"])


@pytest.fixture
def lines() -> Iterator[Lines]:
    found, ours = Lines(), logging.getLogger("backend")
    ours.addHandler(found.handler)
    yield found
    ours.removeHandler(found.handler)


def test_a_line_says_what_it_is_about_and_no_later_one_does(lines: Lines) -> None:
    log = logging.getLogger("backend.test")
    with logs.about(project=1):
        with logs.about(job=2, task=None):
            log.warning("inner")
        log.warning("outer")
    assert {name: lines.found("inner").get(name) for name in ("project", "job", "task")} == {
        "project": 1, "job": 2, "task": None,
    }  # fmt: skip
    assert "job" not in lines.found("outer")


def test_an_exception_is_part_of_its_line(lines: Lines) -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("backend.test").exception("It failed.")
    assert "ValueError: a" in lines.found("It failed.")["exception"]
    assert lines.text.getvalue().count("\n") == 1


def test_work_in_a_process_of_its_own_is_about_what_it_was_asked_for() -> None:
    executor = BackgroundExecutor()
    with logs.about(project=3, training=4):
        found = executor.submit(logs.subjects, key="subjects")
    assert found.result(60) == {"project": 3, "training": 4}


def test_a_failed_job_names_request_job_task_and_project(
    lone_http: FlaskClient, executor: FakeExecutor, lines: Lines
) -> None:
    tasks = [{"id": 5, "project": 1, "data": {"video": "/data/upload/1/a.mp4"}}]
    body = {"tasks": tasks, "project": "1.1", "label_config": CONFIG}
    answer = lone_http.post("/predict", json=body, headers={"X-Request-ID": "of-the-proxy"})
    assert answer.headers["X-Request-ID"] == "of-the-proxy"
    executor.fail(5, MediaNotFound("gone"))
    until(lambda: "gone" in lines.text.getvalue())
    line = lines.found("gone")
    assert (line["request"], line["task"], line["project"]) == ("of-the-proxy", 5, 1)
    assert f"Job {line['job']} failed" in line["message"]


@pytest.mark.parametrize("given", ['x" level="ERROR', "x" * 65])
def test_what_is_no_id_of_a_request_is_replaced(lone_http: FlaskClient, given: str) -> None:
    found = lone_http.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert found.isalnum()
    assert found != given


def test_processes_that_are_started_write_as_the_server_does() -> None:
    code = "import logging; from backend import logs; logs.set_up(); logging.getLogger('backend.x').warning('said')"
    env = {"LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stderr)["message"] == "said"


def test_a_worker_is_about_the_job_that_it_does() -> None:
    executor = DaskExecutor(workers=1)
    try:
        with logs.about(job=7):
            found = executor.submit(logs.subjects, key="subjects")
        assert found.result(60) == {"job": 7}
    finally:
        executor.close()
