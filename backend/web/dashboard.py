"""The page for people at the backend's address: what it works on, how training goes, which models there are and why."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from backend.models.registry import BASE, Registry, Version
from backend.storage.jobs import Job, Store
from backend.storage.runs import Run, Runs
from backend.web.routes import health
from backend.web.services import services

bp = Blueprint("dashboard", __name__, template_folder="templates", static_folder="static", static_url_path="/static")

_FAILURES_SHOWN = 20
_RUNS_SHOWN = 8


@dataclass(frozen=True)
class Labels:
    """How much people have labelled in a project, and how many newly normal repetitions start a training (0: none)."""

    normal: int
    anomalous: int
    newly_normal: int
    retrain_after: int


@dataclass(frozen=True)
class ProjectView:
    """What the page shows of one project; versions and runs newest first."""

    id: int
    version: str
    in_use: str
    states: dict[str, int]
    labels: Labels
    running: Run | None
    runs: tuple[Run, ...]
    versions: tuple[Version, ...]
    failures: tuple[Job, ...]


def project_views(store: Store, registry: Registry, retrain_after: int) -> list[ProjectView]:
    """Every project that the backend was connected to."""
    runs = Runs(store)
    return [_view(found.id, store, runs, registry, retrain_after) for found in store.projects()]


@bp.get("/")
def page() -> ResponseReturnValue:
    """The page for browsers; Label Studio and other programs, which do not ask for HTML, get the answer of /health."""
    if request.accept_mimetypes["text/html"] <= request.accept_mimetypes["application/json"]:
        return health()
    found = services()
    views = project_views(found.store, found.registry, found.retrain_after)
    return render_template("dashboard.html", projects=views, fallback=found.registry.fallback.version, base=BASE)


def _view(project: int, store: Store, runs: Runs, registry: Registry, retrain_after: int) -> ProjectView:
    recent = tuple(runs.runs(project, limit=_RUNS_SHOWN))
    counts = store.labels.counts(project)
    return ProjectView(
        id=project,
        version=registry.current(project).version,
        in_use=registry.current_name(project),
        states=store.newest_states(project),
        labels=Labels(
            counts.get("normal", 0),
            counts.get("anomalous", 0),
            store.labels.normals_since(project, runs.learnt_until(project)),
            retrain_after,
        ),
        running=next((run for run in recent if run.state == "running"), None),
        runs=recent,
        versions=tuple(reversed(registry.versions(project))),
        failures=tuple(store.newest_failures(project, _FAILURES_SHOWN)),
    )
