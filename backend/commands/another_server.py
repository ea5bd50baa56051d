"""A server that works in another folder than DATA_DIR: who is about to command the wrong folder is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.settings import Settings


def warn_of_another_server(settings: Settings) -> None:
    """Say on standard error where the server of this machine works in another folder than this command."""
    import typer

    from backend.doctor.machine import elsewhere

    if found := elsewhere(settings):
        typer.echo(f"deadlift: {found} This command reads and changes {settings.data_dir} alone.", err=True)
