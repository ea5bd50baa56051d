"""A training run as MLflow shows it: parameters, loss curve, figures, verdict, model card. Optional, and never in the
way: it runs in a process of its own after the run is over, and what goes wrong in it is a warning.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BackendError
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.format import Json

_STATUS = {"done": "FINISHED", "skipped": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
_MOST_TAG = 5000
"""Characters of a value that MLflow keeps."""
_CLIENT_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # s; with its own settings it would try for half an hour
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's environment variables; those that are set already stay."""


@dataclass(frozen=True)
class FinishedRun:
    """What MLflow gets. folder: of the model that came of the run, None for none. promoted: whether it is in use."""

    tracking_uri: str
    project: int
    run: int
    state: str
    reason: str
    message: str
    attempts: int
    begun_s: float
    ended_s: float
    name: str
    folder: Path | None
    promoted: bool


def log_run(run: FinishedRun) -> str:
    """Write a run into MLflow's experiment "deadlift-project-N"; returns MLflow's id of it.

    Raises BackendError where MLflow is not installed, cannot be reached or does not accept what it is given.
    """
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    if not run.tracking_uri.startswith("http"):
        # MLflow, which prefers databases, wants the use of a folder confirmed; whoever names one has chosen it.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise BackendError("MLflow is not installed. Install the project with its extra: `.[mlflow]`.") from error
    try:
        return _log(run)
    except (MlflowException, OSError) as error:
        address = run.tracking_uri.rstrip("/")
        said = str(error).replace(address, shown_address(address))
        raise BackendError(f"{type(error).__name__}: {said}") from None


def _log(run: FinishedRun) -> str:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    report, model, card = _stored(run.folder)
    client = MlflowClient(tracking_uri=run.tracking_uri)
    title = f"deadlift-project-{run.project}"
    experiment = client.get_experiment_by_name(title)
    begun, ended = round(run.begun_s * 1000), round(run.ended_s * 1000)
    made = client.create_run(
        experiment.experiment_id if experiment is not None else client.create_experiment(title),
        start_time=begun,
        run_name=f"{run.name or 'no model'}, run {run.run}",
    )
    number: str = made.info.run_id
    client.log_batch(
        number,
        metrics=[Metric(name, value, ended, step) for name, value, step in metrics(report)],
        params=[Param(name, value[:_MOST_TAG]) for name, value in parameters(run, report, model).items()],
        tags=[RunTag(name, value[:_MOST_TAG]) for name, value in tags(run, report).items()],
    )
    if card:
        client.log_text(number, card, "CARD.md")
        client.log_text(number, json.dumps(report, indent=1), "run.json")
    client.set_terminated(number, _STATUS.get(run.state, "FAILED"), ended)
    return number


def parameters(run: FinishedRun, report: Json, model: Json) -> dict[str, str]:
    """What the model was made with: its detector's settings, seed, labels and ancestors."""
    labels = {f"labels_{kind}": count for kind, count in (report.get("labels") or {}).items() if kind != "skipped"}
    made = {name: report[name] for name in ("seed", "base", "parent", "label_digest") if name in report}
    settings = dict(_flat(model.get("config") or {}))
    return {name: str(value) for name, value in ({"asked_for": run.reason} | made | labels | settings).items()}


def metrics(report: Json) -> Iterator[tuple[str, float, int]]:
    """(name, value, step): the loss by epoch, then what training and the gate measured."""
    for point in report.get("losses") or []:
        yield "loss", float(point["loss"]), int(point["epoch"])
        if "held_out" in point:  # earlier releases had no videos held out
            yield "loss_held_out", float(point["held_out"]), int(point["epoch"])
    verdict = report.get("gate") or {}
    for before, source in (("train_", report.get("metrics")), ("gate_", verdict.get("figures"))):
        for name, value in (source or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                yield before + name, float(value), 0


def tags(run: FinishedRun, report: Json) -> dict[str, str]:
    """What came of it; the message says the verdict."""
    return {
        "promoted": "yes" if run.promoted else "no",
        "state": run.state,
        "message": run.message,
        "model": str(report.get("version", "")),
        "attempts": str(run.attempts),
    }


def _stored(folder: Path | None) -> tuple[Json, Json, str]:
    """run.json, model.json and the card of a published model; empty ones without a model."""
    if folder is None:
        return {}, {}, ""
    report, model = (json.loads((folder / name).read_text()) for name in ("run.json", "model.json"))
    return report, model, (folder / "CARD.md").read_text()


def _flat(values: Json, before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
