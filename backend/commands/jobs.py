"""`deadlift jobs`: what the server works on, read from its database; and the end of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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
    trainings = Table("Run", "Project", "State", "Phase", "%", "Left", "Model", "What came of it", title="Trainings")
    for run in (one.as_json() for one in Runs(store).runs(project)):
        left = "" if run["seconds_left"] is None else f"{run['seconds_left']} s"
        shown = (run["id"], run["project"], run["state"], run["phase"], f"{run['percent']:.0f}", left)
        trainings.add_row(*map(str, shown), run["version"] or "", run["message"] or run["reason"])
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


def _store() -> Store:
    from backend.settings import Settings
    from backend.store import Store

    return Store(Settings().database_url)
