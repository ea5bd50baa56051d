"""`deadlift sampling`: which task Label Studio gives people next."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from backend.commands.progress import progress_bar


def sampling(
    order: Annotated[
        Literal["uncertainty", "diverse", "off"],
        typer.Argument(
            help="`uncertainty`: the lowest score first. `diverse`: in turns among videos of different lifters and"
            " cameras, of each the lowest score first. Videos in which nobody is seen come last. `off`: as imported."
        ),
    ],
    project: Annotated[int, typer.Option(help="Number of the Label Studio project.")],
) -> None:
    """Say in which order people get the tasks of a project by "Label All Tasks"."""
    from contextlib import closing

    from rich.console import Console

    from backend.commands.another_server import warn_of_another_server
    from backend.commands.known_project import check_is_there
    from backend.context import context_of
    from backend.sampling import order as use_case
    from backend.settings import Settings
    from backend.storage.jobs import Store

    settings = Settings()
    warn_of_another_server(settings)
    with (
        closing(Store(settings.database_url)) as store,
        progress_bar() as bar,
    ):
        context = context_of(settings, store)
        check_is_there(context.client, project)
        shown = bar.add_task("predictions", total=None)
        chosen = use_case.choose(
            context,
            project,
            order,
            lambda done, total: bar.update(shown, completed=done, total=total),
        )
    console = Console(highlight=False)
    if order == "off":
        console.print(f"Project {project}: tasks come as imported.")
        return
    turns = f", in turns among {chosen.clusters} kinds of videos" if order == "diverse" else ""
    console.print(f"Project {project}: the least certain task of {chosen.version} comes first{turns}.")
    if chosen.predicted < chosen.tasks:
        console.print(
            f"{chosen.predicted} of {chosen.tasks} tasks have a prediction of it; the others come later, at random."
        )
