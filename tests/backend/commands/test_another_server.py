"""A command whose DATA_DIR is not that of the server of this machine says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, jsonify
from typer.testing import CliRunner
from werkzeug.serving import make_server

from backend.cli import app
from backend.storage.database import open_database
from backend.storage.folder_locks import served

SAID = "works in another folder than DATA_DIR"


@pytest.fixture
def port() -> Iterator[int]:
    """Of something that answers as our backend does."""
    site = Flask("backend")
    site.get("/health")(lambda: jsonify(model_class="DeadliftModel", model_version="base-1", instance="i"))
    server = make_server("127.0.0.1", 0, site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "command", [["models", "list", "--project", "1"], ["jobs"], ["export", "--project", "1", "--out", "x"]]
)
def test_it_is_said_where_no_server_works_in_the_folder(command: list[str], port: int, tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/backend.sqlite3").dispose()
    environment = {"DATA_DIR": str(tmp_path), "BACKEND_PORT": str(port), "LABEL_STUDIO_URL": ""}
    assert SAID in CliRunner().invoke(app, command, env=environment).stderr
    with served(tmp_path):
        assert SAID not in CliRunner().invoke(app, command, env=environment).stderr


def test_without_a_server_nothing_is_said(tmp_path: Path) -> None:
    environment = {"DATA_DIR": str(tmp_path), "BACKEND_PORT": "1"}
    assert SAID not in CliRunner().invoke(app, ["models", "list", "--project", "1"], env=environment).stderr
