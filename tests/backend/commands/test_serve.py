"""`deadlift serve`: what it says of Label Studio when it starts."""

from __future__ import annotations

import io
import socket

from label_studio_api import FakeLabelStudio
from pydantic import SecretStr
from rich.console import Console

from backend.commands.serve import greet
from backend.labelstudio.records import Access


def said(access: Access) -> str:
    text = io.StringIO()
    greet(access, Console(file=text, highlight=False))
    return text.getvalue()


def test_label_studio_is_greeted_by_its_version(label_studio: FakeLabelStudio, access: Access) -> None:
    assert said(access) == f"Label Studio 1.23.2 at {label_studio.url}, as coach@example.com\n"


def test_where_nobody_answers_that_is_said_with_the_address_and_what_looks_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    text = said(Access(f"http://127.0.0.1:{port}", SecretStr("hunter2")))
    assert f"to http://127.0.0.1:{port}: Label Studio cannot be reached" in text
    assert "deadlift doctor" in text
    assert "hunter2" not in text


def test_a_token_that_label_studio_does_not_take_is_said(label_studio: FakeLabelStudio) -> None:
    text = said(Access(label_studio.url, SecretStr("hunter2")))
    assert "Check LABEL_STUDIO_API_KEY" in text
    assert "hunter2" not in text
