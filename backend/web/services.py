"""What the routes of the application work with, as one typed value."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from flask import Flask, current_app

from backend.context import Context
from backend.labels.events import LabelEvents
from backend.labels.hints import HintedEvents
from backend.labelstudio.connections import Connections
from backend.models.registry import Registry
from backend.predictions.preannotator import Preannotator
from backend.storage.jobs import Store
from backend.training.trainer import Trainer
from backend.web.links import ProjectTitles

_NAME = "deadlift"


@dataclass(frozen=True)
class Services:
    """The services of one application. retrain_after: newly labelled normal repetitions that start a training, 0 for
    none. hinted_events: None where there is no token, so that events are believed. instance: what tells this server
    from others."""

    store: Store
    context: Context
    titles: ProjectTitles
    registry: Registry
    preannotator: Preannotator
    trainer: Trainer
    label_events: LabelEvents
    hinted_events: HintedEvents | None
    connections: Connections
    instance: str
    retrain_after: int

    def attach(self, app: Flask) -> None:
        """From now on `services_of(app)` finds them."""
        app.extensions[_NAME] = self

    def close(self) -> None:
        """End the threads and processes of all; the store stays open."""
        with ExitStack() as stack:  # the others as well where one is interrupted
            stack.callback(self.preannotator.close)
            stack.callback(self.trainer.close)
            stack.callback(self.label_events.close)


def services_of(app: Flask) -> Services:
    """The services of an application that create_app made."""
    found: Services = app.extensions[_NAME]
    return found


def services() -> Services:
    """The services of the application whose request is being answered."""
    return services_of(current_app)
