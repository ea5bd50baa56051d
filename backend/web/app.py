"""The Flask application: wiring of settings, services and routes, and one shape for every error."""

from __future__ import annotations

import errno
import logging
import math
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import SecretStr
from sqlalchemy.exc import DatabaseError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter, Map

from backend.compute.dask_executor import DaskExecutor, Executor
from backend.compute.process_executor import BackgroundExecutor
from backend.context import Context, context_of
from backend.errors import BackendError, StorageFault, as_json, http_status
from backend.labels.events import LabelEvents
from backend.labels.hints import HintedEvents, Reactions
from backend.labelstudio.connections import Connections, OwnAddress
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.database import explained, is_damage
from backend.storage.jobs import Store
from backend.training.schedule import START_TRAINING
from backend.training.trainer import Trainer
from backend.web import dashboard
from backend.web.access import Access, Credentials, wants_page
from backend.web.body import refuse_endless
from backend.web.links import ProjectTitles
from backend.web.metrics import Metrics
from backend.web.metrics import bp as metrics_bp
from backend.web.request_ids import RequestIds
from backend.web.routes import bp, webhook
from backend.web.server_key import derived, server_key
from backend.web.services import Services, services
from pipeline.errors import PipelineError

log = logging.getLogger(__name__)

_OF_A_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
"""Errors of a file that is open already name no file."""


class IdConverter(IntegerConverter):
    """A number in an address that the database can hold; to others no address leads."""

    regex = r"[0-9]{1,19}"

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**63 - 1)


EVERY_ADDRESS = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of this machine."""


def create_app(
    settings: Settings,
    service: Preannotator | None = None,
    store: Store | None = None,
    trainer: Trainer | None = None,
) -> Flask:
    """The application, with services made from the settings unless they are given."""
    app = Flask("deadlift")
    app.url_map.converters["int"] = IdConverter
    app.url_map.strict_slashes = False  # "/models/" is what is left of an address that somebody cut
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_mb * 1024 * 1024
    metrics = Metrics()
    metrics.attach(app)
    settings, session_key = with_own_secrets(settings)
    access = access_by(settings)
    access.attach(app, session_key)
    app.before_request(refuse_endless)
    store = store or Store(settings.database_url)
    context, starts, instance = context_of(settings, store), service is None, secrets.token_hex(8)
    if context.client.configured:
        listens_to_all = settings.backend_host in EVERY_ADDRESS
        own = OwnAddress(instance, settings.allowed_hosts, settings.backend_port, listens_to_all)
        context = replace(context, connections=Connections(context.client, own.is_at))
    service = service or create_service(settings, context)
    context.connections.on_return(service.catch_up_soon)
    trainer = trainer or create_trainer(settings, context, service.catch_up_soon, starts)
    access.on_event_without_secret = trainer.event_without_secret
    hinted = create_hinted_events(context, service, trainer) if context.client.configured else None
    services = Services(
        store=store,
        context=context,
        titles=ProjectTitles(context.client),
        registry=context.registry,
        preannotator=service,
        trainer=trainer,
        label_events=create_label_events(store, trainer, hinted, starts),
        hinted_events=hinted,
        connections=context.connections,
        instance=instance,
        retrain_after=settings.retrain_after,
    )
    services.attach(app)
    metrics.observe(services)
    app.register_blueprint(bp)
    app.register_blueprint(metrics_bp)
    app.register_blueprint(dashboard.bp)
    app.register_blueprint(dashboard.api)
    app.register_error_handler(BackendError, _own_error)
    app.register_error_handler(PipelineError, _own_error)
    app.register_error_handler(OperationalError, _database_error)
    app.register_error_handler(sqlite3.OperationalError, _database_error)
    app.register_error_handler(DatabaseError, _damaged_database)
    app.register_error_handler(sqlite3.DatabaseError, _damaged_database)
    app.register_error_handler(OSError, _file_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected_error)
    app.wsgi_app = RequestIds(app.wsgi_app)  # type: ignore[method-assign]  # Flask's way of middleware
    return app


def with_own_secrets(settings: Settings) -> tuple[Settings, bytes]:
    """The settings with a secret for Label Studio's events, and the key that cookies are signed with.

    Events never carry the user and password of the settings: where these are asked for, events need a secret, which the
    backend tells Label Studio. Both stay the same until the user or password changes. Raises BackendError.
    """
    user, password = settings.basic_auth_user, settings.basic_auth_pass.get_secret_value()
    if not user:
        return settings, secrets.token_bytes(32)
    key = server_key(settings.data_dir)
    secret = settings.webhook_secret.get_secret_value() or derived(key, "webhook").hex()
    return settings.model_copy(update={"webhook_secret": SecretStr(secret)}), derived(key, f"{user}\0{password}")


def access_by(settings: Settings) -> Access:
    """Who gets in as the settings describe it."""
    user, password = settings.basic_auth_user, settings.basic_auth_pass.get_secret_value()
    own = () if settings.backend_host in EVERY_ADDRESS else (settings.backend_host,)
    return Access(
        Credentials(user, password) if user else None,
        settings.webhook_secret.get_secret_value(),
        (*own, *settings.allowed_hosts),
    )


def create_service(settings: Settings, context: Context, executor: Executor | None = None) -> Preannotator:
    """The pre-annotation service as the settings describe it; work left over from the last run is taken up."""
    executor = executor or DaskExecutor(settings.workers, settings.dask_scheduler, scratch=settings.scratch_dir)
    service = Preannotator(context, executor, settings.predict_wait_s)
    # In the background: Label Studio may be starting at the same time.
    threading.Thread(target=service.run_until_closed, name="pre-annotation", daemon=True).start()
    return service


def create_trainer(settings: Settings, context: Context, catch_up: Callable[[int], None], starts: bool) -> Trainer:
    """What trains as the settings describe it. starts: whether its thread begins now, or never.

    catch_up gets the id of a project whose tasks may lack predictions.
    """
    secret = settings.webhook_secret.get_secret_value()
    trainer = Trainer(
        context, BackgroundExecutor(), settings.retrain_after, catch_up, secret, settings.mlflow_tracking_uri
    )
    if starts:
        threading.Thread(target=trainer.run_until_closed, name="train", daemon=True).start()
    return trainer


def create_hinted_events(context: Context, service: Preannotator, trainer: Trainer) -> HintedEvents:
    """What looks up in Label Studio what events are about."""
    reactions = Reactions(
        trainer.labels_changed, service.tasks_created, lambda project: trainer.request(project, START_TRAINING)
    )
    return HintedEvents(context.store, context.client, context.connections, reactions)


def create_label_events(store: Store, trainer: Trainer, hinted: HintedEvents | None, starts: bool) -> LabelEvents:
    """What takes events about labels. starts: whether the thread that stores them begins now, or never."""
    events = LabelEvents(store, trainer.labels_changed, hinted.look_up if hinted is not None else None)
    if starts:
        threading.Thread(target=events.run_until_closed, name="label-events", daemon=True).start()
    return events


def _own_error(error: Exception) -> ResponseReturnValue:
    status, wait_s = http_status(type(error)), getattr(error, "retry_after_s", 0.0)
    headers = {"Retry-After": str(math.ceil(wait_s))} if status == 429 and wait_s > 0 else {}
    return _said(type(error).__name__, str(error), status, headers)


def _database_error(error: Exception) -> ResponseReturnValue:
    if request.endpoint == f"{bp.name}.{webhook.__name__}":  # Label Studio does not send an event again
        services().trainer.events_missed()
    log.warning("A request failed. %s", explained(error))
    return _own_error(StorageFault(explained(error)))


def _damaged_database(error: Exception) -> ResponseReturnValue:
    return _database_error(error) if is_damage(error) else _unexpected_error(error)


def _file_error(error: OSError) -> ResponseReturnValue:
    if not error.filename and error.errno not in _OF_A_DISK:
        return _unexpected_error(error)
    log.warning("A request failed. %s", StorageFault.of(error))
    return _own_error(StorageFault.of(error))


def _http_error(error: HTTPException) -> ResponseReturnValue:
    return _said(error.name.replace(" ", ""), error.description or error.name, error.code or 500)


def _unexpected_error(error: Exception) -> ResponseReturnValue:
    log.error("Unexpected error in a request.", exc_info=error)
    return _said("InternalError", "Unexpected error; the server's log has the details.", 500)


def _said(kind: str, message: str, status: int, headers: dict[str, str] | None = None) -> ResponseReturnValue:
    """An error as a page for people, as JSON for programs."""
    if wants_page() and not request.path.startswith("/api/"):
        if status == HTTPStatus.NOT_FOUND and kind == "NotFound":
            message = f"Nothing is at {request.path}. The pages are in the row above."
        heading = "There is no such page" if status == HTTPStatus.NOT_FOUND else "That was not possible"
        return render_template("error.html", message=message, heading=heading), status, headers or {}
    if status == HTTPStatus.NOT_FOUND and kind == "NotFound":
        message = f"Nothing is at {request.path}. /api/openapi.json describes the addresses for programs."
    return as_json(kind, message), status, headers or {}
