"""Fakes at the server's seams, and the values that tests of the server share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any

from backend.predictions.costs import Cost
from backend.predictions.worker import Measured
from pipeline.records import Analysis, Reason, Rep, RepScore, VideoInfo

CONFIG = """<View>
  <Video name="video" value="$video" frameRate="$fps" timelineHeight="120"/>
  <TimelineLabels name="reps" toName="video">
    <Label value="Normal rep"/><Label value="Anomalous rep"/>
  </TimelineLabels>
  <Number name="anomaly" toName="video" perRegion="true"/>
  <Choices name="fault" toName="video" perRegion="true">
    <Choice value="Rounded back"/><Choice value="Hitching"/>
  </Choices>
  <TextArea name="note" toName="video" perRegion="true"/>
</View>"""
WITH_THIRD_LABEL = CONFIG.replace("</TimelineLabels>", '<Label value="Unsure"/></TimelineLabels>')
VERSION = "base-1"


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def analysis(
    scores: tuple[float, ...] = (0.1, 0.9), fps: float = 30.0, version: str = VERSION, **other: Any
) -> Analysis:
    """Repetitions of two seconds each, one after the other from second 1 on."""
    reps = tuple(Rep(1.0 + 3 * n, 2.0 + 3 * n, 3.0 + 3 * n) for n in range(len(scores)))
    values: dict[str, Any] = {
        "video": VideoInfo("video.mp4", 3.0 * len(scores) + 2, fps, 640, 480),
        "reps": reps,
        "scores": tuple(RepScore(s, 0.5, 1.0, (Reason("back", "pull", 0.6),)) for s in scores),
        "confidence": 0.8,
        "model_version": version,
        "config_digest": "c",
    }
    return Analysis(**(values | other))


class FakeExecutor:
    """Keeps what is submitted until the test says how it ends."""

    def __init__(self) -> None:
        self.submitted: list[tuple[int, Future[Any], str]] = []
        self.works: list[Any] = []
        self.priorities: dict[int, int] = {}
        self.is_closed = False

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        self.priorities[args[0].task.id] = priority
        future: Future[Any] = Future()
        self.submitted.append((args[0].task.id, future, key))
        self.works.append(args[0])
        return future

    def raise_priority(self, key: str, priority: int) -> None:
        for task, _, known in self.submitted:
            if known == key:
                self.priorities[task] = max(priority, self.priorities[task])

    def waiting(self) -> frozenset[str]:
        return frozenset(key for _, future, key in self.submitted if not future.done() and not future.running())

    def cancel(self, keys: Collection[str]) -> None:
        for _, future, key in self.submitted:
            if key in keys:
                future.cancel()

    def begin(self, task: int) -> None:
        """A worker begins with it."""
        self._latest(task).set_running_or_notify_cancel()

    def close(self) -> None:
        self.is_closed = True

    def tasks(self) -> list[int]:
        return [task for task, _, _ in self.submitted]

    def finish(self, task: int, result: Analysis | None = None) -> None:
        self._latest(task).set_result(Measured(result or analysis(), Cost({"judge": 0.1}, 2.0, 4.0, 20)))

    def fail(self, task: int, error: BaseException) -> None:
        self._latest(task).set_exception(error)

    def _latest(self, task: int) -> Future[Any]:
        return next(future for number, future, _ in reversed(self.submitted) if number == task)
