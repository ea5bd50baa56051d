"""The HTTP interface: parse, call the service, answer JSON. No logic here."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from backend.errors import Forbidden, as_json, http_status_by_name
from backend.labels.events import LabelEvent, apply_event
from backend.labels.hints import Hint, HintedEvents, hints_of
from backend.labelstudio import format
from backend.labelstudio.addresses import public_url
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.predictions.connected import check_set_up
from backend.storage.jobs import Job
from backend.training.schedule import START_TRAINING
from backend.web.access import access_of
from backend.web.body import json_body
from backend.web.services import Services, services

bp = Blueprint("backend", __name__)


@bp.get("/health")
def health() -> Response:
    """Open to everybody. instance: by which the server finds itself among the ML backends of a project."""
    ours = services()
    version = ours.preannotator.model_version()
    return jsonify(status="UP", model_class="DeadliftModel", model_version=version, instance=ours.instance)


@bp.post("/setup")
def setup() -> Response:
    body = json_body()
    project, label_config = format.parse_project(body.get("project")), str(body.get("schema", ""))
    ours, hostname = services(), body.get("hostname")
    if ours.hinted_events is None:
        return jsonify(model_version=ours.preannotator.connect(project, label_config, hostname))
    check_set_up(ours.store, project, label_config)
    name = public_url(hostname)
    is_known = not name or name in ours.store.label_studio_names()
    if not (is_known and ours.connections.is_known(project) and ours.store.label_config(project) == label_config):
        ours.hinted_events.receive([Hint(project, name=name)])
        ours.label_events.wake()
    return jsonify(model_version=ours.preannotator.model_version(project))


@bp.get("/versions")
def versions() -> Response:
    return jsonify(versions=[services().preannotator.model_version()])


@bp.post("/predict")
def predict() -> ResponseReturnValue:
    body = json_body()
    project = format.parse_project(body["project"]) if body.get("project") else None
    tasks = format.parse_tasks(body.get("tasks"), project)
    answer = services().preannotator.predict(tasks, str(body.get("label_config", "")))
    if answer.errors and len(answer.errors) == len(tasks):
        first = answer.errors[0]
        return as_json(first.kind, first.message), http_status_by_name(first.kind)
    # An empty list means "not ready": Label Studio stores nothing and asks again; an empty prediction would stay.
    results = [prediction if prediction is not None else [] for prediction in answer.predictions]
    errors = [{"task": error.task, "type": error.kind, "message": error.message} for error in answer.errors]
    return jsonify(results=results, errors=errors)


@bp.post("/webhook")
def webhook() -> ResponseReturnValue:
    event, ours, access = format.parse_event(json_body()), services(), access_of(current_app)
    # Label Studio sends START_TRAINING as a request to the ML backend, without the headers of its webhooks.
    needs_secret = access.needs_secret() and not isinstance(event, format.StartTraining)
    if needs_secret and not access.is_secret(request.headers.get(WEBHOOK_HEADER, "")):
        access.on_event_without_secret()
        raise Forbidden("The event does not carry WEBHOOK_SECRET.")
    if ours.hinted_events is not None:
        return _hint(event, ours, ours.hinted_events)
    if isinstance(event, LabelEvent):
        ours.label_events.receive(event, request.get_data())
        return jsonify(status="ok")
    apply_event(ours.store, event)
    if isinstance(event, format.Ignored):
        return jsonify(status="ignored", action=event.action)
    if isinstance(event, format.StartTraining):
        return jsonify(status="ok", job=str(ours.trainer.request(event.project, START_TRAINING).id))
    if isinstance(event, format.TasksCreated):
        ours.preannotator.tasks_created(event.tasks, event.label_config)
    return jsonify(status="ok")


def _hint(event: format.Event, ours: Services, hinted_events: HintedEvents) -> ResponseReturnValue:
    """Nothing of the event is believed: it is looked up in Label Studio after the answer, for which somebody waits."""
    if isinstance(event, format.Ignored):
        return jsonify(status="ignored", action=event.action)
    if isinstance(event, format.StartTraining) and ours.connections.is_known(event.project):
        return jsonify(status="ok", job=str(ours.trainer.request(event.project, START_TRAINING).id))
    hinted_events.receive(hints_of(event))
    ours.label_events.wake()
    return jsonify(status="ok")


@bp.get("/jobs")
def jobs() -> Response:
    """What the server works on, newest first; `?project=` narrows it down."""
    asked = request.args.get("project")
    project = format.parse_project(asked) if asked else None
    runs = [run.as_json() for run in services().trainer.runs.runs(project)]
    return jsonify(jobs=[_job(job) for job in services().store.jobs(project)], runs=runs)


@bp.delete("/jobs/runs/<int:run_id>")
def cancel_run(run_id: int) -> Response:
    return jsonify(run=services().trainer.runs.cancel(run_id).as_json())


def _job(job: Job) -> format.Json:
    error = {"type": job.error_type, "message": job.error_message} if job.error_type else None
    return {
        "id": job.id,
        "project": job.project,
        "task": job.task,
        "model_version": job.model_version,
        "state": job.state,
        "attempts": job.attempts,
        "delivery": job.delivery or None,
        "error": error,
        "updated_at": job.updated_at.isoformat(timespec="seconds") + "Z",
    }
