"""`deadlift jobs`: what the server works on, read from its database; the end of a training, another try of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.counts import counted

if TYPE_CHECKING:
    from rich.console import Console

    from backend.labelstudio.format import Json
    from backend.storage.jobs import Store
    from backend.storage.overview import VideoRow
    from backend.storage.video_filter import State

app = typer.Typer(help="Videos and trainings that the server works on.", invoke_without_command=True)

_ALL = 1_000_000
"""More videos than there are."""

ProjectOption = Annotated[int | None, typer.Option(help="Only this Label Studio project.", show_default=False)]


@app.callback()
def jobs(
    context: typer.Context,
    project: ProjectOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest trainings and videos to show, of each.")] = 20,
) -> None:
    """Show trainings and videos, the newest first: of each video what the model in use made of it."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console

    from backend.settings import Settings
    from backend.storage import overview
    from backend.storage.runs import Runs
    from backend.storage.video_filter import VideoFilter

    console = Console(highlight=False)
    whose = "" if project is None else f" of project {project}"
    with _store() as store:
        runs = [run.as_json() for run in Runs(store).runs(project, limit)]
        in_use = _in_use(store)
        videos = _videos(store, in_use, project, limit)
        every = overview.count_videos(store.engine, in_use, VideoFilter(project))
    _print_trainings(console, runs, whose)
    _print_videos(console, videos, whose)
    if every > len(videos):
        console.print(f"The newest {counted(len(videos), 'video')}; --limit shows more of the {every}.")
    if not (runs or videos):
        console.print(
            f"Looked at {Settings().data_dir}: DATA_DIR says where the server keeps its data.", soft_wrap=True
        )


@app.command()
def cancel(run: Annotated[int, typer.Argument(help="Number of the training run.")]) -> None:
    """End a training run: at once while it waits, at its next sign of life while it runs."""
    from backend.storage.runs import Runs

    with _store() as store:
        before = Runs(store).run(run).state
        found = Runs(store).cancel(run)
    if before not in ("queued", "running"):
        typer.echo(f"Run {run} was over already: {before}.")
    else:
        typer.echo(f"Run {run}: {found.state if found.state != 'running' else 'it ends at its next sign of life'}.")


@app.command()
def retry(
    job: Annotated[
        list[int] | None,
        typer.Argument(help="Numbers of failed videos; by default all whose reason may have passed."),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Analyze failed videos once more. A running server takes them up within a minute."""
    from backend.errors import UnknownRun
    from backend.predictions.retries import may_pass

    with _store() as store:
        lasting = 0
        if job:
            found = {number: store.job(number) for number in job}
            unknown = [str(number) for number, one in found.items() if one is None or one.state != "failed"]
            if unknown:
                raise UnknownRun(f"No failed video has the number {', '.join(unknown)}. `deadlift jobs` lists them.")
            chosen = list(found)
        else:
            failed = _videos(store, _in_use(store), project, _ALL, "failed")
            chosen = [one.job for one in failed if may_pass(one.error_type)]
            lasting = len(failed) - len(chosen)
        for number in chosen:
            store.requeue_job(number)
    typer.echo(f"{len(chosen)} to be tried again." if chosen else "No video has failed for a reason that may pass.")
    if lasting:
        typer.echo(
            f"{lasting} failed for reasons that stay until something is changed, which `deadlift jobs` names: then "
            "give their numbers."
        )


def _print_trainings(console: Console, runs: Sequence[Json], whose: str) -> None:
    from rich import box
    from rich.table import Table

    if not runs:
        console.print(f"No training{whose} was asked for yet.")
        return
    table = Table(title="Trainings", title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("Run", justify="right", no_wrap=True)
    table.add_column("Project", justify="right")
    table.add_column("State", max_width=24)
    table.add_column("Model", no_wrap=True)
    table.add_column("What came of it, or why it was asked for", overflow="fold")
    for run in runs:
        text = run["message"] or run["reason"]
        table.add_row(str(run["id"]), str(run["project"]), _state(run), run["version"] or "", text)
    console.print(table)


def _videos(
    store: Store, in_use: dict[int, str], project: int | None, limit: int, state: State | None = None
) -> list[VideoRow]:
    """One job of each task, as the dashboard shows them: others are of models that were in use before. in_use: the
    version of each project's model."""
    from backend.storage import overview
    from backend.storage.video_filter import VideoFilter

    return overview.videos(store.engine, in_use, VideoFilter(project, state), "newest", limit)


def _in_use(store: Store) -> dict[int, str]:
    from backend.context import context_of
    from backend.settings import Settings

    return context_of(Settings(), store).versions_in_use()


def _print_videos(console: Console, videos: Sequence[VideoRow], whose: str) -> None:
    from rich import box
    from rich.table import Table

    from backend.predictions.retries import is_retried, may_pass

    if not videos:
        console.print(f"No video{whose} was analyzed yet.")
        return
    table = Table(title="Videos", title_justify="left", box=box.SIMPLE, pad_edge=False)
    for heading in ("Job", "Project", "Task"):
        table.add_column(heading, justify="right")
    table.add_column("State", no_wrap=True)
    table.add_column("Model", no_wrap=True)
    table.add_column("In Label Studio, or why not", overflow="fold")
    for job in videos:
        text = {"pushed": "stored", "answered": "answered"}.get(job.delivery, "")
        if job.state == "failed":
            text = job.error_message
        table.add_row(str(job.job), str(job.project), str(job.task), job.state, job.model_version, text)
    console.print(table)
    failed = [job for job in videos if job.state == "failed"]
    if any(is_retried(job) for job in failed):
        console.print("Videos that failed for a reason that may pass are tried again by the server.")
    if any(may_pass(job.error_type) and not is_retried(job) for job in failed):
        console.print("Those that failed so too often: `deadlift jobs retry`.")
    if any(not may_pass(job.error_type) for job in failed):
        console.print("Some fail again until the reason is mended; then `deadlift jobs retry NUMBER`.")


def _state(run: Json) -> str:
    """What a run does, and how far it is."""
    if run["state"] != "running":
        return str(run["state"])
    left = "" if run["seconds_left"] is None else f", about {run['seconds_left']} s left"
    return f"running: {run['phase'] or 'beginning'}, {run['percent']:.0f} %{left}"


@contextmanager
def _store() -> Iterator[Store]:
    from contextlib import closing

    from backend.commands.another_server import warn_of_another_server
    from backend.errors import BackendError
    from backend.settings import Settings
    from backend.storage.database import database_exists
    from backend.storage.jobs import Store

    settings = Settings()
    if not database_exists(settings.database_url):  # opening one would make it
        raise BackendError(
            f"{settings.data_dir} has no data of a server. DATA_DIR says where the server keeps them; it makes them "
            "when it starts."
        )
    warn_of_another_server(settings)
    with closing(Store(settings.database_url)) as store:
        yield store
