"""`deadlift serve`: the ML backend alone, for a Label Studio that runs elsewhere."""

from __future__ import annotations

import signal
from contextlib import suppress
from threading import Thread
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from backend import logs
from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; also BACKEND_HOST.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; also BACKEND_PORT.", show_default="9090")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Let others reach it though no BASIC_AUTH_USER is set."),
    ] = False,
) -> None:
    """Run the ML backend until Ctrl-C. All settings are environment variables."""
    from backend.context import access_of
    from backend.web.server import listening

    settings = Settings()
    chosen = {"backend_host": host, "backend_port": port}
    settings = settings.model_copy(update={name: value for name, value in chosen.items() if value is not None})
    logs.set_up(log_format=settings.log_format)
    stop_on_sigterm()
    console = Console(stderr=True, highlight=False)
    with listening(settings, insecure) as running:
        console.print(f"Deadlift ML backend on {running.url}")
        console.print(f"Model {running.services.preannotator.model_version()}, data in {settings.data_dir}")
        if not settings.basic_auth_user:
            console.print(
                "[yellow]BASIC_AUTH_USER and BASIC_AUTH_PASS not set:[/yellow] whoever reaches the port may do "
                "everything."
            )
        given = {
            "LABEL_STUDIO_URL": settings.label_studio_url,
            "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        }
        if missing := [name for name, value in given.items() if not value]:
            console.print(
                f"[yellow]{' and '.join(missing)} not set:[/yellow] uploaded videos cannot be fetched, and predictions "
                "are only given when Label Studio asks. What events and requests say is believed."
            )
        else:
            # Beside it: Label Studio may be started only now, and asks whether we are there.
            Thread(target=greet, args=(access_of(settings), console), name="greeting", daemon=True).start()
        with suppress(KeyboardInterrupt):
            running.server.serve()
        console.print("Stopping.")


def greet(access: Access, console: Console) -> None:
    """Say whether the Label Studio of the settings answers: else the first sign would be a video that fails."""
    client = LabelStudioClient(access)
    try:
        console.print(f"Label Studio {client.server_version()} at {access.url}, as {client.account()}", soft_wrap=True)
    except LabelStudioError as error:
        reason = escape(f"{access.url}: {error}")
        console.print(f"[yellow]Not connected yet[/yellow] to {reason} `deadlift doctor` looks again.", soft_wrap=True)


def stop_on_sigterm() -> None:
    """Make SIGTERM end the process as Ctrl-C does, so that everything is closed in order."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
