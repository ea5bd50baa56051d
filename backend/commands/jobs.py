"""`deadlift jobs`: what the server works on, read from its database; and the end of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backend.ls_format import Json
    from backend.store import Store

app = typer.Typer(help="Videos and trainings that the server works on.", invoke_without_command=True)


@app.callback()
def jobs(
    context: typer.Context,
    project: Annotated[int | None, typer.Option(help="Only this Label Studio project.")] = None,
    limit: Annotated[int, typer.Option(help="Newest videos to show.")] = 20,
) -> None:
    """Show trainings and videos, the newest first."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from backend.runs import Runs

    store = _store()
    trainings = Table("Run", "Project", "State", "Model", "What came of it", title="Trainings")
    for run in (one.as_json() for one in Runs(store).runs(project)):
        told = run["message"] or run["reason"]
        trainings.add_row(str(run["id"]), str(run["project"]), _state(run), run["version"] or "", told)
    videos = Table("Job", "Project", "Task", "State", "Model", "Delivery", "Error", title="Videos")
    for job in store.jobs(project, limit):
        cells = (job.id, job.project, job.task, job.state, job.model_version, job.delivery, job.error_message)
        videos.add_row(*map(str, cells))
    console = Console()
    console.print(trainings)
    console.print(videos)
    store.close()


@app.command()
def cancel(run: Annotated[int, typer.Argument(help="Number of the training run.")]) -> None:
    """End a training run."""
    from backend.runs import Runs

    store = _store()
    found = Runs(store).cancel(run)
    store.close()
    typer.echo(f"Run {run}: {found.state if found.state != 'running' else 'it ends at its next sign of life'}.")


def _state(run: Json) -> str:
    """What a run does, and how far it is."""
    if run["state"] != "running":
        return str(run["state"])
    left = "" if run["seconds_left"] is None else f", about {run['seconds_left']} s left"
    return f"running: {run['phase'] or 'beginning'}, {run['percent']:.0f} %{left}"


def _store() -> Store:
    from backend.settings import Settings
    from backend.store import Store

    return Store(Settings().database_url)
