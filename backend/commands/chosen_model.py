"""Which model a command judges by, and at which rate of false alarms: those of the settings, of a folder, or of a
Label Studio project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import BackendError
from backend.settings import Settings

if TYPE_CHECKING:
    from pipeline.anomaly.detector import Detector

OfProject = Annotated[
    int | None, typer.Option("--project", help="Judge by the model that this Label Studio project uses.")
]
OfFolder = Annotated[Path | None, typer.Option("--model", help="Judge by the model of this folder.")]


def chosen_detector(settings: Settings, project: int | None, folder: Path | None) -> Detector:
    """The detector of `--project` or `--model`; without either that of the settings. It judges at the rate of the
    project or of the settings.

    Raises BackendError for both at once, for a project without a model of its own and for one that is not there,
    ModelError for a folder without a model.
    """
    from backend.models.detectors import cached_detector

    if project is None:
        return cached_detector(folder or settings.model_dir, settings.false_alarm_rate)
    if folder is not None:
        raise BackendError("Expected --project or --model, got both.")
    from backend.commands.known_project import check_is_there
    from backend.context import access_of, registry_of  # loads the database's library
    from backend.labelstudio.client import LabelStudioClient

    registry = registry_of(settings)
    if not registry.versions(project) and registry.chosen_rate(project) is None:
        check_is_there(LabelStudioClient(access_of(settings)), project)
        others = ", ".join(str(number) for number in registry.projects()) or "none"
        raise BackendError(
            f"Project {project} has no model of its own in {registry.root} (DATA_DIR), and so uses "
            f"{registry.fallback.version}: leave out --project. Projects with one: {others}."
        )
    model = registry.current(project)
    return cached_detector(model.folder, model.rate)
