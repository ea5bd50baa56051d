"""`deadlift serve`: the ML backend alone, for a Label Studio that runs elsewhere."""

from __future__ import annotations

import logging
import signal
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from backend.settings import Settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; also BACKEND_HOST.", show_default="127.0.0.1")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on; also BACKEND_PORT.", show_default="9090")] = -1,
) -> None:
    """Run the ML backend until Ctrl-C. All settings are environment variables; README lists them."""
    import waitress

    from backend.app import THREADS, create_app

    settings = Settings()
    settings = settings.model_copy(
        update={
            "backend_host": host or settings.backend_host,
            "backend_port": port if port >= 0 else settings.backend_port,
        }
    )
    setup_logging()
    app = create_app(settings)
    server = waitress.create_server(app, host=settings.backend_host, port=settings.backend_port, threads=THREADS)
    stop_on_sigterm()
    console = Console(stderr=True, highlight=False)
    console.print(f"Deadlift ML backend on http://{settings.backend_host}:{server.effective_port}")
    console.print(f"Model {app.extensions['preannotator'].model_version()}, data in {settings.data_dir}")
    if not (settings.label_studio_url and settings.label_studio_api_key.get_secret_value()):
        console.print(
            "[yellow]LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set:[/yellow] uploaded videos cannot be "
            "fetched, and predictions are only given when Label Studio asks."
        )
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        console.print("Stopping.")
        server.close()
        app.extensions["trainer"].close()
        app.extensions["preannotator"].close()


def setup_logging() -> None:
    """Our own messages at INFO, others' from WARNING on, to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("backend").setLevel(logging.INFO)


def stop_on_sigterm() -> None:
    """Make SIGTERM end the process as Ctrl-C does, so that everything is closed in order."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
