"""`deadlift import`: intervals that people labelled with other tools become predictions or annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands.progress import progress_bar
from pipeline.counts import counted

if TYPE_CHECKING:
    from backend.datasets.import_intervals import Imported
    from pipeline.records import RepLabel

_SHOWN = 5


def import_intervals(
    files: Annotated[
        list[Path],
        typer.Argument(help="ELAN (.eaf), CSV, TSV, Parquet, BORIS (.boris) or VIA 3 (.json).", show_default=False),
    ],
    project: Annotated[int, typer.Option(help="Number of the Label Studio project.")],
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Store them as annotations of the token's user, not as predictions.")
    ] = False,
    task: Annotated[
        int | None, typer.Option(help="The task that all of them are of, whatever video they name.")
    ] = None,
    tier: Annotated[str, typer.Option(help="The tier of an ELAN document that has several.")] = "",
    normal: Annotated[str, typer.Option(help="Labels that mean a normal repetition, separated by commas.")] = "",
    anomalous: Annotated[str, typer.Option(help="Labels that mean an anomalous one, separated by commas.")] = "",
) -> None:
    """Bring intervals that were labelled with another tool into a project; repeated, nothing is stored twice."""
    from backend.context import access_of
    from backend.datasets.import_intervals import ImportRequest
    from backend.datasets.import_intervals import import_intervals as use_case
    from backend.labelstudio.client import LabelStudioClient
    from backend.settings import Settings
    from pipeline.datasets.intervals import read_intervals

    intervals = [
        one if one.video else replace(one, video=file.name) for file in files for one in read_intervals(file, tier)
    ]
    request = ImportRequest(project, task, annotations, _words(normal, anomalous))
    client = LabelStudioClient(access_of(Settings()))
    with progress_bar() as bar:
        shown = bar.add_task("tasks", total=None)
        done = use_case(
            client, request, intervals, lambda count, total: bar.update(shown, completed=count, total=total)
        )
    _report(done, len(intervals))


def _words(normal: str, anomalous: str) -> dict[str, RepLabel]:
    words: dict[str, RepLabel] = {word.strip(): "normal" for word in normal.split(",") if word.strip()}
    for word in anomalous.split(","):
        if word.strip() in words:
            raise typer.BadParameter(f"Expected {word.strip()} in --normal or in --anomalous, got it in both.")
        if word.strip():
            words[word.strip()] = "anomalous"
    return words


def _report(done: Imported, count: int) -> None:
    """Say what was stored; exit code 1 if anything has no task."""
    import sys

    kind = f"predictions of {done.version}" if done.version else "annotations"
    print(f"{done.intervals} of {counted(count, 'interval')} stored as {kind}, in {counted(done.tasks, 'task')}")
    if done.version and done.tasks:
        # Where the project shows another version, the page has these in a tab of their own.
        print(f"To have them offered for labeling: choose {done.version} in the project's settings, Annotation")
    if done.already:
        has = "has" if len(done.already) == 1 else "have"
        what = "these predictions" if done.version else "annotations"
        print(f"{counted(len(done.already), 'task')} left out, which {has} {what} already")
    for video, why in done.missing[:_SHOWN]:
        print(f"{video}: {why}", file=sys.stderr)
    if len(done.missing) > _SHOWN:
        print(f"and {len(done.missing) - _SHOWN} more videos", file=sys.stderr)
    if done.missing:
        raise typer.Exit(1)
