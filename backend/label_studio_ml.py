"""DeadliftModel: the same pre-annotation inside the label-studio-ml runner, for people who already work with it.

Serves PyPI's label-studio-ml 1.0.9 and the 2.x line of its repository. Give the runner a file of your own with

    from backend.label_studio_ml import DeadliftModel

(`label-studio-ml init my_backend --script my_model.py:DeadliftModel`), since it copies the file that it is given.
Settings are the environment variables of `deadlift serve`; run one server process per project. `deadlift serve` needs
none of this and does more: it starts on new tasks by itself, gives Label Studio its version and removes what is out of
date.

What the runner takes away:
- 1.x announces "INITIAL" as the version, whatever the model says, so Label Studio asks again for what it has. The
  answer is empty then, and no prediction is stored twice. It hands events to processes of their own, which leave the
  training to the server's.
- 2.x answers errors of events with an error page, and passes on neither deleted annotations nor new tasks. So each
  training compares the labels that are kept with those that Label Studio has. It needs LABEL_STUDIO_URL and
  LABEL_STUDIO_API_KEY for that; without them deleted labels go on being learnt from.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import LabelStudioError, NotSupported
from backend.labelstudio import format
from backend.labelstudio.labeling_config import parse_controls
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.predictions.preannotator import Preannotator

log = logging.getLogger(__name__)

# 2.x calls setup() itself, and lets it announce the model version.
_SETS_UP = hasattr(LabelStudioMLBase, "setup")

_JOB_OVER_S = 60.0
"""Seconds after which no process of the 1.x runner is still about to write into its folder."""


class DeadliftModel(LabelStudioMLBase):  # type: ignore[misc]  # the runner is not installed with us, and is untyped
    """Predictions by the process's one Preannotator; people's labels into its store.

    The runner makes an instance per request (2.x) or per /setup (1.x), so an instance keeps nothing.
    """

    TRAIN_EVENTS = (  # what the runner passes on to fit()
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_DELETED",
        "TASKS_DELETED",
        "PROJECT_UPDATED",
        "START_TRAINING",
    )

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _service: ClassVar[Preannotator | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not _SETS_UP:
            self.setup()

    def setup(self) -> None:
        """Check the labeling config, and get ready in the background: Label Studio waits 3 s for /setup.

        Raises LabelConfigError, ModelError.
        """
        if self.label_config:
            parse_controls(self.label_config)
        if _SETS_UP:
            self.set("model_version", model_version(str(self.project_id or "")))
        if multiprocessing.parent_process() is None:  # not where the 1.x runner handles an event
            threading.Thread(target=self.service, name="get-ready", daemon=True).start()

    def predict(self, tasks: list[Any], context: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """One entry per task: its prediction, or an empty list while there is none; what went wrong is logged.

        Raises LabelConfigError, and BadRequest where there is no list of tasks.
        """
        service = self.service()
        label_config = self.label_config or ""
        parsed = format.parse_tasks(tasks)
        for project in {task.project for task in parsed if isinstance(task, format.Task)}:
            service.connect(project, label_config)
        answer = service.predict(parsed, label_config)
        for error in answer.errors:
            log.warning("Task %s: %s", error.task, error.message)
        return [
            prediction if isinstance(task, format.Task) and prediction and _is_missing(task, prediction) else []
            for task, prediction in zip(parsed, answer.predictions, strict=True)
        ]

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Store what people labelled. Returns nothing, which 1.x would take for a new version of the model.

        2.x calls `fit(event, data)`, 1.x `fit((), event=..., data=..., workdir=...)`.

        A training that is asked for, or that enough was labelled for, goes on in the background.

        Raises LabelConfigError, BadRequest, and NotSupported for what is no event.
        """
        event, data = args if len(args) == 2 else (kwargs.get("event"), kwargs.get("data") or {})
        if not isinstance(event, str):
            raise NotSupported("Only events are handled: Label Studio has not called /train since 1.4.1.")
        try:
            record_event({**data, "action": event})
        finally:
            if kwargs.get("workdir"):
                _clear_job(Path(kwargs["workdir"]))

    @classmethod
    def service(cls) -> Preannotator:
        """The service of this process, made at the first call (seconds), and beside it what trains."""
        from backend.context import context_of
        from backend.storage.jobs import Store
        from backend.web.app import create_service, create_trainer

        with DeadliftModel._lock:
            if DeadliftModel._service is None:
                settings = runner_settings()
                context = context_of(settings, Store(settings.database_url))
                DeadliftModel._service = create_service(settings, context)
                create_trainer(settings, context, DeadliftModel._service.catch_up_soon, starts=True)
            return DeadliftModel._service


def runner_settings() -> Settings:
    """The settings, with MODEL_DIR left to the runner, which keeps files of its own there, unless it holds a model."""
    settings = Settings()
    if settings.model_dir is not None and not (settings.model_dir / "model.json").exists():
        return settings.model_copy(update={"model_dir": None})
    return settings


def model_version(project: str = "") -> str:
    """The version of the model in use for a project ("12", "12.1795325641"), or for those without one of their own.

    About a second at the first call. Raises ModelError.
    """
    from backend.context import registry_of

    number = project.split(".")[0]
    return registry_of(runner_settings()).current(int(number) if number.isdecimal() else None).version


def record_event(payload: format.Json) -> None:
    """Put what an event says into the store, with the training that it is a reason for; needs no service.

    Raises as `DeadliftModel.fit`.
    """
    from backend.labels.events import apply_event
    from backend.storage.jobs import Store
    from backend.storage.runs import Runs
    from backend.training.schedule import START_TRAINING, request_if_due

    event, settings = format.parse_event(payload), runner_settings()
    with closing(Store(settings.database_url)) as store:
        runs = Runs(store)
        for project in apply_event(store, event):
            request_if_due(store, runs, project, settings.retrain_after)
        if isinstance(event, format.StartTraining):
            runs.request(event.project, START_TRAINING)


def _is_missing(task: format.Task, prediction: format.Json) -> bool:
    """False where Label Studio, misinformed by 1.x about the version, asks for a prediction that it has."""
    from backend.context import access_of
    from backend.labelstudio.client import LabelStudioClient

    if _SETS_UP:
        return True
    client = LabelStudioClient(access_of(runner_settings()))
    if not client.configured:
        return True
    try:
        stored = [entry["model_version"] for entry in client.predictions(task.id)]
    except LabelStudioError as error:
        log.warning("Task %s gets no answer, so as not to be predicted twice: %s", task.id, error)
        return False
    return prediction["model_version"] not in stored


def _clear_job(folder: Path) -> None:
    """Remove what 1.x wrote of an event: it holds the project's invitation, and /setup would read every folder."""
    (folder / "event.json").unlink(missing_ok=True)
    for other in folder.parent.iterdir():
        # Two events in one second share a folder. Its name is the second.
        if other.name.isdigit() and time.time() - int(other.name) > _JOB_OVER_S:
            with suppress(OSError):  # not empty: not ours
                other.rmdir()
