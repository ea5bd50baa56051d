"""`deadlift connect`: a project of an existing Label Studio, made ready to be pre-annotated."""

from __future__ import annotations

from typing import Annotated

import typer


def connect(
    project: Annotated[int, typer.Option(help="Number of the Label Studio project.")],
    backend: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Address of `deadlift serve` as Label Studio reaches it.", show_default="this machine's"
        ),
    ] = "",
) -> None:
    """Connect the running backend to a project, and give its Data Manager columns and tabs for the predictions.

    A project without a labeling config gets the one that comes with the backend. May be repeated: tabs are known by
    their titles, and those that are there stay as they are.
    """
    from backend.commands.known_project import check_is_there
    from backend.context import access_of
    from backend.errors import BackendError, LabelStudioError
    from backend.labelstudio import data_manager
    from backend.labelstudio.addresses import public_url, shown_address
    from backend.labelstudio.client import LabelStudioClient
    from backend.labelstudio.labeling_config import default_config, is_empty, parse_controls
    from backend.local_labelstudio.demo import BACKEND_TITLE
    from backend.settings import Settings

    settings = Settings()
    url = backend.strip().rstrip("/") or f"http://localhost:{settings.backend_port}"
    if not public_url(url):
        meant = url if "//" not in backend and public_url(f"http://{url}") else "192.168.1.5:9090"
        raise BackendError(
            f"{shown_address(backend)} is no address of a backend: one begins with http:// or https:// and has no "
            f"user, password or query, as http://{meant} does."
        )
    client = LabelStudioClient(access_of(settings))
    if not client.configured:
        raise LabelStudioError("connect needs LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
    check_is_there(client, project)
    config, unused = client.label_config(project), ""
    if is_empty(config):
        given = {"label_config": default_config()}
        client.call(f"the labeling config of project {project}", "PATCH", f"api/projects/{project}/", json=given)
        typer.echo(f"Project {project} has the labeling config of the backend now.")
    else:
        unused = parse_controls(config).unused_words
    user, password = settings.basic_auth_user, settings.basic_auth_pass.get_secret_value()
    client.connect_backend(project, url, BACKEND_TITLE, user, password)
    typer.echo(f"Project {project} is connected to {url}.")
    if unused:
        typer.echo(unused)
    added = data_manager.preset(client, project)
    typer.echo(f"Tabs added: {', '.join(added)}." if added else "All tabs were there.")
