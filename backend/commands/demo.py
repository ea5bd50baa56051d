"""`deadlift demo`: one command from nothing to pre-annotated videos in a Label Studio of one's own."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from backend.settings import APP_NAME, Settings
from pipeline.counts import counted

if TYPE_CHECKING:
    from backend.labelstudio.format import Json, Task
    from backend.local_labelstudio.demo import Demo

USER = "demo@example.com"
PASSWORD = "deadlift-demo"
_OF_POSES = ("POSE_ENGINE", "POSES_PER_SECOND", "POSE_MODEL")
"""Settings that commands beside a server need as it has them: they find other poses otherwise."""


def demo(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Video files (known by their names). Without one, a project that has none gets a drawn one of 6 reps, "
            "2 with a fault."
        ),
    ] = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End after the predictions are visible, instead of staying up.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the demo keeps its data, for the next time.", show_default=False)
    ] = None,
    label_studio_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="DEADLIFT_LABEL_STUDIO",
            help="An environment with Label Studio 1.23.2; made if absent.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Label Studio.")] = 8080,
    backend_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the backend.")] = 9090,
) -> None:
    """Install and start Label Studio 1.23.2 and the backend here, upload videos, wait for the predictions.

    A video that cannot be used is named, and the others go on. With --exit the exit code is 1 if any video failed.
    """
    from backend import logs
    from backend.commands.serve import stop_on_sigterm
    from backend.labelstudio.task_columns import STATE
    from backend.local_labelstudio import demo as use_case
    from backend.local_labelstudio.server import LabelStudioServer, install

    logs.set_up(logging.WARNING)  # what goes well is in the progress bar
    stop_on_sigterm()
    console = Console(highlight=False)
    left_out: list[str] = []

    def refused(why: str) -> None:
        left_out.append(why)
        console.print(f"[red]Left out:[/red] {escape(why)}", soft_wrap=True)

    given = use_case.usable(videos or [], refused)
    folder = (data_dir or Path(platformdirs.user_data_dir(APP_NAME)) / "demo").absolute()
    settings = Settings().model_copy(
        update={"data_dir": folder / "backend", "backend_host": "127.0.0.1", "backend_port": backend_port}
    )
    use_case.check_ports(settings, port)
    with console.status("Preparing Label Studio") as status:

        def report(line: str) -> None:
            # What counts up goes by in the status line; what happens in steps stays on the screen.
            counting = "packages fetched" in line
            status.update(line if counting else "Preparing Label Studio")
            if not counting:
                console.print(line)

        script = install(label_studio_dir, progress=report)
    label_studio = LabelStudioServer(
        script, folder / "label-studio", port, username=USER, password=PASSWORD, progress=console.print
    )
    try:
        draw = partial(_synthetic_video, folder, console)
        with use_case.running(label_studio, settings, given, refused, draw) as running:
            address = f"{running.url}/projects/{running.project}/data"
            console.print(f"Label Studio is ready at {address} (user {USER}, password {PASSWORD}).", soft_wrap=True)
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
                shown = progress.add_task("Videos pre-annotated", total=None)
                found = use_case.wait_for_predictions(
                    running, lambda done, total: progress.update(shown, completed=done, total=total)
                )
            for task, predictions in found:
                if predictions and task.id not in running.known:
                    console.print(prediction_table(running, task, predictions[-1]))
                    if (said := str(task.data.get(STATE, "predicted"))) != "predicted":
                        console.print(f"[yellow]{escape(said)}[/yellow]")
            failed = use_case.failed_jobs(running)
            for job in failed:
                console.print(f"[red]Task {job.task} failed:[/red] {job.error_message}")
            console.print(summary(found, running.known, {job.task for job in failed}, len(left_out)))
            console.print(f"\n[bold]Label Studio:[/bold] {address}")
            console.print(f"[bold]User:[/bold]         {USER}\n[bold]Password:[/bold]     {PASSWORD}")
            console.print(f"[bold]Backend:[/bold]      {running.backend_url} shows what it works on")
            console.print(
                "[bold]For commands[/bold] such as `deadlift jobs`, `models`, `prelabel` and `export`, in their shell:"
            )
            for line in _environment(running.url, label_studio.token_file, settings.data_dir, backend_port):
                console.print(f"  export {line}", soft_wrap=True)
            if exit_when_done:
                raise typer.Exit(1 if failed or left_out else 0)
            console.print("Ctrl-C stops both servers; what you label is kept for the next time.")
            label_studio.wait()
            if fault := label_studio.fault():
                raise fault
    except KeyboardInterrupt:
        console.print("Stopped.")


def summary(
    found: Sequence[tuple[Task, Sequence[Json]]],
    known: Collection[int],
    failed: Collection[int] = (),
    left_out: int = 0,
) -> str:
    """How many videos have predictions, and how many of them are new. known: tasks that had one before. left_out: how
    many became no task."""

    def pre_annotated(here: Sequence[tuple[Task, Sequence[Json]]]) -> str:
        reps = sum(len({result["id"] for result in predictions[-1]["result"]}) for _, predictions in here)
        return f"{counted(len(here), 'video')} with {counted(reps, 'repetition')}"

    done = [(task, predictions) for task, predictions in found if predictions]
    new, before = ([pair for pair in done if (pair[0].id in known) is is_known] for is_known in (False, True))
    parts = [f"{pre_annotated(new)} pre-annotated now"] if new or not before else []
    parts += [f"{pre_annotated(before)} pre-annotated before"] if before else []
    parts += [f"{counted(len(failed), 'video')} failed"] if failed else []
    parts += [f"{counted(left_out, 'video')} left out"] if left_out else []
    return "; ".join(parts) + "."


def prediction_table(running: Demo, task: Task, prediction: Json) -> Table:
    """What Label Studio shows for a task: each region in frames of its timeline and in seconds."""
    from backend.labelstudio.file_names import file_name
    from backend.labelstudio.labeling_config import effective_rate, parse_controls
    from pipeline.datasets.frames import to_seconds
    from pipeline.records import shown_score

    controls = parse_controls(running.store.label_config(running.project))
    rate = effective_rate(controls, task.data)
    regions: dict[str, dict[str, str]] = {}
    for result in prediction["result"]:
        region = regions.setdefault(result["id"], {})
        value = result["value"]
        span = value["ranges"][0]
        start_s, end_s = to_seconds(span["start"], span["end"], rate)
        region |= {"frames": f"{span['start']}-{span['end']}", "start": f"{start_s:.2f}", "end": f"{end_s:.2f}"}
        if result["type"] == "timelinelabels":
            if "score" in result:
                colour = "red" if value["timelinelabels"] == [controls.anomalous] else "green"
                label = f"[{colour}]{value['timelinelabels'][0]}[/{colour}]"
                region |= {"label": label, "score": shown_score(result["score"])}
            else:
                region["label"] = "[yellow]not judged[/yellow]"
        elif result["type"] == "textarea":
            region["note"] = value["text"][0]
    name = file_name(controls.media_of(task.data))
    table = Table(
        title=f"Task {task.id}, {escape(name)}: {counted(len(regions), 'rep')} at {rate:g} fps", title_justify="left"
    )
    for heading in ("rep", "frames", "start s", "end s", "score"):
        table.add_column(heading, justify="right")
    table.add_column("label")
    table.add_column("note")
    for number, region in enumerate(regions.values(), start=1):
        cells = (region.get(key, "") for key in ("frames", "start", "end", "score", "label", "note"))
        table.add_row(str(number), *cells)
    return table


def _environment(url: str, token: Path, data_dir: Path, port: int) -> tuple[str, ...]:
    """The settings of the demo for other commands; its token stays in its file."""
    return (
        f"LABEL_STUDIO_URL={url}",
        f'LABEL_STUDIO_API_KEY="$(cat {shlex.quote(str(token))})"',
        f"DATA_DIR={shlex.quote(str(data_dir))}",
        f"BACKEND_PORT={port}",
        *(f"{name}={shlex.quote(os.environ[name])}" for name in _OF_POSES if name in os.environ),
    )


def _synthetic_video(folder: Path, console: Console) -> Path:
    from pipeline.files import written_aside
    from pipeline.synthetic import demo_plan
    from pipeline.synthetic.drawing import render

    path = folder / "synthetic-deadlift.mp4"
    if not path.exists():
        console.print(
            "Drawing a synthetic lifter: 6 reps, the third with hips rising early, the fifth with a soft lockout"
        )
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            render(demo_plan(), aside)
    return path
