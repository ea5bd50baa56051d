"""A real Label Studio in a folder of its own, alone or with our server beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from server_process import ServerProcess

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install

USER, PASSWORD = "annotator@example.com", "a-long-password"


def label_studio_script() -> Path:
    """The command of the Label Studio that DEADLIFT_LABEL_STUDIO names, else of one that is installed for the tests."""
    configured = os.environ.get("DEADLIFT_LABEL_STUDIO")
    return install(Path(configured) if configured else None)


@contextmanager
def beside_label_studio(folder: Path) -> Iterator[tuple[ServerProcess, LabelStudioClient, str]]:
    """Our server with two workers beside a new Label Studio, a client of that, and its address. Nothing is trained."""
    with LabelStudioServer(
        label_studio_script(), folder / "label-studio", 0, username=USER, password=PASSWORD
    ) as label_studio:
        token = label_studio.personal_token()
        server = ServerProcess(folder / "backend", label_studio.url, token)
        server.start(RETRAIN_AFTER="0", WORKERS="2")
        try:
            yield server, LabelStudioClient(Access(label_studio.url, SecretStr(token))), label_studio.url
        finally:
            server.stop()
