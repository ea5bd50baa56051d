"""GET /metrics: what the server does, in the format of Prometheus, for whoever has its user and password.

Requests and analyses are counted as they happen; everything that the database knows is asked for when it is read. No
label has values that somebody could make up without end: routes are templates, projects and models are limited.
"""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

import pipeline
from backend.predictions.active import MOST_ACTIVE, PRIORITIES
from backend.predictions.costs import ProjectLabels
from backend.storage import overview
from backend.web.services import Services

bp = Blueprint("metrics", __name__)

CAME_AT = "deadlift.came_at"
"""In the environment of a request: when it came, of time.perf_counter()."""
_NAME = "deadlift-metrics"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STATES = ("queued", "running", "done", "failed")
_RUN_STATES = ("queued", "running", "done", "skipped", "failed", "cancelled")


@bp.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus, which sends the user and password by Basic authentication."""
    found: Metrics = current_app.extensions[_NAME]
    return Response(generate_latest(found.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "deadlift_requests", "Requests answered, by the route's template.", ["route", "method", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "deadlift_request_seconds", "Seconds from the first byte of a request to its answer.", ["route"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip

    def attach(self, app: Flask) -> None:
        """Count the requests of an application from now on; those that are refused, too."""
        app.extensions[_NAME] = self
        app.before_request(_note_begin)
        app.after_request(self._count)

    def observe(self, services: Services) -> None:
        """Ask these services whenever the figures are read."""
        self.registry.register(_ServerFigures(services))

    def _count(self, answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule is not None else "none"
        method = request.method if request.method in _METHODS else "other"
        self._requests.labels(route, method, str(answer.status_code)).inc()
        if "metrics_begin" in g:
            # The server knows when a request came, which may be long before it has a thread.
            came_at = request.environ.get(CAME_AT, g.metrics_begin)
            self._seconds.labels(route).observe(time.perf_counter() - came_at)
        return answer


def _note_begin() -> None:
    g.metrics_begin = time.perf_counter()


class _ServerFigures:
    """What services know, asked at each scrape: a collector of Prometheus's client."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._projects = ProjectLabels()

    def collect(self) -> Iterator[Metric]:
        ours, engine = self._services, self._services.store.engine
        yield _info(pipeline.__version__, ours.registry.fallback.version)
        yield _queue(ours.preannotator.queue())
        yield _gauge("deadlift_queue_limit", "Jobs that the server works on at most.", (), [((), MOST_ACTIVE)])
        states, errors = _states_and_errors(overview.outcomes(engine, ours.context.versions_in_use()))
        yield self._by_project(
            "deadlift_tasks",
            "Tasks by the state of the job that counts: the newest by the model in use, or else the newest.",
            "state",
            states,
        )
        yield self._by_project("deadlift_failed_tasks", "Tasks whose job that counts failed, by error.", "type", errors)
        yield self._by_project(
            "deadlift_labelled_repetitions",
            "Repetitions that people labelled.",
            "label",
            {
                (project, label): every
                for project, counts in overview.label_counts(engine).items()
                for label, (every, _) in counts.items()
            },
        )
        runs = overview.run_counts(engine)
        trainings = {(project, state): 0 for project, _ in runs for state in _RUN_STATES} | runs
        yield self._by_project("deadlift_trainings", "Trainings by state.", "state", trainings)
        yield self._by_project(
            "deadlift_models", "Models by the verdict on them before they were used.", "verdict", self._verdicts()
        )
        yield from ours.preannotator.costs.collect()

    def _verdicts(self) -> dict[tuple[int, str], int]:
        registry = self._services.registry
        return Counts(
            (project, "passed" if version.gate.get("passed") else "refused")
            for project in registry.projects()
            for version in registry.versions(project)
        )

    def _by_project(self, name: str, about: str, label: str, counts: Mapping[tuple[int, str], int]) -> Metric:
        summed: Counts[tuple[str, str]] = Counts()
        for (project, value), count in counts.items():
            summed[self._projects.of(project), value] += count
        return _gauge(name, about, ("project", label), summed.items())


def _states_and_errors(
    outcomes: Mapping[tuple[int, str, str], int],
) -> tuple[Counts[tuple[int, str]], Counts[tuple[int, str]]]:
    """Tasks by project and state, every state of each project among them; and failed ones by project and error."""
    states = Counts({(project, state): 0 for project, _, _ in outcomes for state in _STATES})
    errors: Counts[tuple[int, str]] = Counts()
    for (project, state, error_type), count in outcomes.items():
        states[project, state] += count
        if state == "failed":
            errors[project, error_type] += count
    return states, errors


def _info(version: str, base_model: str) -> Metric:
    return _gauge(
        "deadlift_info", "Release, and the model that projects start with.", ("version", "base_model"),
        [((version, base_model), 1)],
    )  # fmt: skip


def _queue(jobs: Mapping[tuple[int, bool], int]) -> Metric:
    """waiting: for a worker; working: in one, or on the way to Label Studio."""
    rows = [
        ((name, "waiting" if waits else "working"), jobs.get((priority, waits), 0))
        for priority, name in enumerate(PRIORITIES)
        for waits in (True, False)
    ]
    return _gauge("deadlift_queue", "Jobs that the server works on, by priority.", ("priority", "state"), rows)


def _gauge(name: str, about: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, count in rows:
        family.add_metric(values, count)
    return family
