"""The command line `deadlift`: puts the commands together, and turns errors into one line each."""

from __future__ import annotations

import errno
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from backend.errors import BackendError
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# What loads a command (module of backend.commands, then the name in it), and its line in `deadlift --help`: the help
# loads no command, since their imports take a second.
COMMANDS = {
    "demo": (
        "demo:demo",
        "Install and start Label Studio 1.23.2 and the backend here, upload videos, wait for the predictions.",
    ),
    "serve": ("serve:serve", "Run the ML backend until Ctrl-C. All settings are environment variables."),
    "connect": (
        "connect:connect",
        "Connect the running backend to a project, and give its Data Manager columns and tabs for the predictions.",
    ),
    "predict": (
        "predict:predict",
        "Find the repetitions of each video and score them. Exit code 1 if any video failed.",
    ),
    "prelabel": (
        "prelabel:prelabel",
        "Pre-annotate a whole archive. May be interrupted and repeated. Exit code 1 if any video failed.",
    ),
    "render": (
        "render:render",
        "Write each video with what was found in it drawn in. Exit code 1 if any video failed.",
    ),
    "report": (
        "report:report",
        "Write a printable page about each set, beside those before it. Exit code 1 if any video failed.",
    ),
    "playable": (
        "playable:playable",
        "Write an H.264 copy (FILE-h264.mp4) of each video that browsers do not play, with the same times and sound.",
    ),
    "doctor": (
        "doctor:doctor",
        "Check this machine, the backend, and its connection with Label Studio. Exit code 1 if there is a problem.",
    ),
    "train": ("train:train", "Train an anomaly detector and print what it was trained on."),
    "export": (
        "export:export",
        "Write a project's labelled repetitions as an immutable, numbered dataset.",
    ),
    "import": (
        "import_intervals:import_intervals",
        "Bring intervals that were labelled with another tool into a project.",
    ),
    "skelemotion": ("skelemotion:skelemotion", "Write one array and one picture of every repetition."),
    "sampling": ("sampling:sampling", 'Say in which order people get the tasks of a project by "Label All Tasks".'),
    "models": ("models:app", "The models of a Label Studio project: list, compare, choose."),
    "jobs": ("jobs:app", "Videos and trainings that the server works on."),
    "evaluate": ("evaluate:app", "Figures of quality on labelled videos, beside trivial baselines."),
}


# What the system says of files, and the remedy.
_OF_THE_DISK = {
    errno.ENOSPC: "Make room.",
    errno.EDQUOT: "Make room.",
    errno.EROFS: "Choose a folder that can be written.",
    errno.ENOTDIR: "Choose another folder.",
    errno.EPERM: "Correct the permissions, or choose another folder.",
    errno.EACCES: "Correct the permissions, or choose another folder.",
    errno.ENOENT: "Choose another folder.",
}


class _Commands(TyperGroup):
    """The commands of the table above, each loaded when it is used."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()}
        self._listing = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        known = super().get_command(ctx, cmd_name)
        return known if known is None or self._listing else load_command(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


@cache
def load_command(name: str) -> Any:
    """The command, or group of commands, that the table names."""
    module, attribute = COMMANDS[name][0].split(":")
    found = getattr(import_module(f"backend.commands.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return get_group(found)
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    return get_command(single)


app = typer.Typer(
    cls=_Commands,
    help="Repetitions and anomaly scores for deadlift videos, as a Label Studio ML backend and on the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipeline import __version__

        typer.echo(f"deadlift {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """The entry point: exit code 1 and one line on stderr for every error that we know."""
    try:
        app()
    except (PipelineError, BackendError) as error:
        sys.exit(f"deadlift: {error}")
    except ValueError as error:
        from pydantic import ValidationError

        if not isinstance(error, ValidationError):
            raise
        sys.exit("\n".join(f"deadlift: {_setting(found)}" for found in error.errors()))
    except OSError as error:
        if error.errno not in _OF_THE_DISK or (error.errno == errno.ENOENT and not _is_about_data_folder(error)):
            raise
        sys.exit(f"deadlift: {_of_a_file(error)}")
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy."):  # which takes long to import
            raise
        from backend.storage.database import explained

        sys.exit(f"deadlift: {explained(error)}")


def _of_a_file(error: OSError) -> str:
    """What could not be done with a file, and the remedy; the setting is named where it is in a folder of ours."""
    remedy = _OF_THE_DISK[error.errno or 0]
    if not error.filename:
        return f"{error.strerror}. {remedy}"
    if _is_about_data_folder(error) and "Make room" not in remedy:
        remedy = "Set DATA_DIR to a folder that can be written."
    return f"{error.filename}: {error.strerror}. {remedy}"


def _is_about_data_folder(error: OSError) -> bool:
    """Whether it is in the data folder, or a folder that this lies in. Of what is missing it is the folders alone: that
    they cannot be made. Any other file that is missing is a mistake of ours."""
    from backend.settings import Settings

    if not error.filename:
        return False
    try:
        folder, path = Settings().data_dir.absolute(), Path(str(error.filename)).absolute()
    except ValueError:  # another setting is wrong, which its own command says
        return False
    return folder.is_relative_to(path) or (error.errno != errno.ENOENT and path.is_relative_to(folder))


def _setting(found: ErrorDetails) -> str:
    name = ".".join(map(str, found["loc"])).upper()
    problem = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = problem if problem.startswith("expected") else f"expected {problem}"
    prefix = f"{name}: " if name else ""  # a rule about several settings names them itself
    return f"{prefix}{expected}. Change it in the environment, or in .env."
