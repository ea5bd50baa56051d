"""What an analysis costs: measured where it runs, in a worker, and added up in the server, for /metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram, Metric

from pipeline.pose.estimator import PoseEstimator
from pipeline.records import Analysis, Landmarks

Phase = Literal["fetch", "landmarks", "judge", "copy"]
"""The video comes here; its landmarks are estimated; repetitions are cut and scored; browsers get a copy."""

OTHER = "other"
"""Stands for what has no label of its own, so that the number of time series stays bounded."""
MOST_PROJECTS = 100
_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True)
class Cost:
    """What one analysis took. phase_s: seconds of each phase that there was. cpu_s: processor seconds, those of helping
    threads as well; analyses that ran in one process at the same time have an equal share of it. video_s: length of the
    video, seconds. poses: pictures that the pose model looked at; 0 where landmarks were kept."""

    phase_s: dict[Phase, float] = field(default_factory=dict)
    cpu_s: float = 0.0
    video_s: float = 0.0
    poses: int = 0


class _Processor:
    """Processor seconds of this process, shared out among those who use it at the same time.

    Libraries work in threads of their own, so that neither a thread's time says what an analysis took, nor the
    process's where a worker of a cluster has several threads. The sum of all shares is what the process took.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used_s: dict[object, float] = {}
        self._looked_s = 0.0

    def begin(self, user: object) -> None:
        with self._lock:
            self._share_out()
            self._used_s[user] = 0.0

    def end(self, user: object) -> float:
        """Seconds that the user has had."""
        with self._lock:
            self._share_out()
            return self._used_s.pop(user)

    def _share_out(self) -> None:
        moment_s = time.process_time()
        for user in self._used_s:
            self._used_s[user] += (moment_s - self._looked_s) / len(self._used_s)
        self._looked_s = moment_s


_PROCESSOR = _Processor()


class Stopwatch:
    """Measures one analysis, which is what the block does."""

    def __init__(self) -> None:
        self.phase_s: dict[Phase, float] = {}
        self.poses = 0
        self._cpu_s = 0.0

    def __enter__(self) -> Stopwatch:
        _PROCESSOR.begin(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._cpu_s = _PROCESSOR.end(self)

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.phase_s[name] = self.phase_s.get(name, 0.0) + time.perf_counter() - begun

    def counting(self, estimator: PoseEstimator) -> PoseEstimator:
        """The same estimator; how often it is asked is counted."""
        return _Counted(estimator, self)

    def cost(self, analysis: Analysis) -> Cost:
        """What it took, when the block is over."""
        return Cost(dict(self.phase_s), self._cpu_s, analysis.video.duration_s, self.poses)


class _Counted:
    def __init__(self, estimator: PoseEstimator, watch: Stopwatch) -> None:
        self._estimator = estimator
        self._watch = watch

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        self._watch.poses += 1
        return self._estimator.landmarks(picture, time_s)

    def reset(self) -> None:
        self._estimator.reset()


class ProjectLabels:
    """The value of the label `project`: the number of one of the first hundred that are asked for, else "other"."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def of(self, project: int) -> str:
        if len(self._known) < MOST_PROJECTS:
            self._known.add(project)
        return str(project) if project in self._known else OTHER


class CostFigures:
    """What all analyses of this server took since its start: a collector of Prometheus's client."""

    def __init__(self) -> None:
        self._projects = ProjectLabels()
        self._outcomes = Counter(
            "deadlift_analyses",
            "Analyses that ended, by what came of them.",
            ["project", "outcome"],
            registry=None,
        )
        self._reps = Counter(
            "deadlift_repetitions", "Repetitions found, by verdict.", ["project", "verdict"], registry=None
        )
        self._phases = Histogram(
            "deadlift_analysis_phase_seconds", "Seconds of a phase of an analysis.", ["phase"],
            buckets=_SECONDS, registry=None,
        )  # fmt: skip
        by_landmarks = ["landmarks"]
        self._cpu = Counter(
            "deadlift_analysis_cpu_seconds",
            "Processor seconds of analyses, by whether landmarks were estimated; those of one worker share its own.",
            by_landmarks, registry=None,
        )  # fmt: skip
        self._video = Counter(
            "deadlift_analyzed_video_seconds", "Seconds of video, by whether landmarks were estimated.",
            by_landmarks, registry=None,
        )  # fmt: skip
        self._poses = Counter("deadlift_poses", "Pictures that the pose model looked at.", registry=None)

    def done(self, project: int, analysis: Analysis, cost: Cost | None) -> None:
        """An analysis that succeeded; without its cost where it was one of several judged in one call."""
        label = self._projects.of(project)
        self._outcomes.labels(label, "done").inc()
        for score in analysis.scores:
            verdict = score.label if score.reliable else "not judged"
            self._reps.labels(label, verdict).inc()
        if cost is None:
            return
        for phase, seconds in cost.phase_s.items():
            self._phases.labels(phase).observe(seconds)
        landmarks = "estimated" if cost.poses else "kept"
        self._cpu.labels(landmarks).inc(cost.cpu_s)
        self._video.labels(landmarks).inc(cost.video_s)
        self._poses.inc(cost.poses)

    def failed(self, project: int, error_type: str) -> None:
        """An analysis that failed, with the name of the exception as jobs store it."""
        self._outcomes.labels(self._projects.of(project), error_type).inc()

    def collect(self) -> Iterator[Metric]:
        for each in (self._outcomes, self._reps, self._phases, self._cpu, self._video, self._poses):
            yield from each.collect()
