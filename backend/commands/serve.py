"""`deadlift serve`: the ML backend alone, for a Label Studio that runs elsewhere."""

from __future__ import annotations

import logging
import signal
from contextlib import suppress
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from backend.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; also BACKEND_HOST.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; also BACKEND_PORT.", show_default="9090")
    ] = None,
) -> None:
    """Run the ML backend until Ctrl-C. All settings are environment variables; README lists them."""
    from backend.http_server import listening

    settings = Settings()
    chosen = {"backend_host": host, "backend_port": port}
    settings = settings.model_copy(update={name: value for name, value in chosen.items() if value is not None})
    setup_logging()
    stop_on_sigterm()
    console = Console(stderr=True, highlight=False)
    with listening(settings) as running:
        console.print(f"Deadlift ML backend on {running.url}")
        console.print(f"Model {running.app.extensions['preannotator'].model_version()}, data in {settings.data_dir}")
        given = {
            "LABEL_STUDIO_URL": settings.label_studio_url,
            "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        }
        if missing := [name for name, value in given.items() if not value]:
            console.print(
                f"[yellow]{' and '.join(missing)} not set:[/yellow] uploaded videos cannot be fetched, and predictions "
                "are only given when Label Studio asks."
            )
        with suppress(KeyboardInterrupt):
            running.server.serve()
        console.print("Stopping.")


def setup_logging(level: int = logging.INFO) -> None:
    """Our own messages from `level` on, others' from WARNING on, to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("backend").setLevel(level)


def stop_on_sigterm() -> None:
    """Make SIGTERM end the process as Ctrl-C does, so that everything is closed in order."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
