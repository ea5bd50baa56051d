"""`deadlift connect`: an address that is none, and one where Label Studio finds no backend."""

from __future__ import annotations

import pytest
from fakes import WITH_THIRD_LABEL
from label_studio_api import FakeLabelStudio
from typer.testing import CliRunner

from backend.cli import app


def connect(label_studio: FakeLabelStudio, address: str, project: int = 3) -> str:
    given = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.refresh_token}
    result = CliRunner().invoke(app, ["connect", "--project", str(project), "--backend", address], env=given)
    return str(result.exception)


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("127.0.0.1:9191", "http://127.0.0.1:9191"),
        ("my-server:9090/", "http://my-server:9090"),
        ("ftp://server", "http://192.168.1.5:9090"),
        ("http://", "http://192.168.1.5:9090"),
        ("http://me:secret@host:9090", "http://192.168.1.5:9090"),
    ],
)
def test_an_address_without_http_is_refused_before_anything_is_asked(
    label_studio: FakeLabelStudio, address: str, meant: str
) -> None:
    said = connect(label_studio, address)
    assert said.endswith(f"as {meant} does.")
    assert not label_studio.calls
    assert "secret" not in said


@pytest.mark.parametrize("project", [1, 3])
def test_where_label_studio_finds_no_backend_it_is_said_what_to_check(
    label_studio: FakeLabelStudio, project: int
) -> None:
    label_studio.finds_backend = False
    said = connect(label_studio, "http://127.0.0.1:9999", project)
    assert said.startswith(
        f"Label Studio did not reach a backend at http://127.0.0.1:9999 for project {project} (400)."
    )
    assert "`deadlift serve`" in said


def test_labels_that_are_not_used_are_said(label_studio: FakeLabelStudio) -> None:
    label_studio.label_config = WITH_THIRD_LABEL
    given = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.refresh_token}
    said = CliRunner().invoke(app, ["connect", "--project", "3"], env=given).output
    assert "Regions labelled Unsure are not used" in said
