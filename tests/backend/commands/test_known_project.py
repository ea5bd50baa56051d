"""A project that is not there is refused before anything is done, with those that are."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from label_studio_api import FakeLabelStudio
from typer.testing import CliRunner

from backend.cli import app
from backend.commands.known_project import check_is_there
from backend.errors import LabelStudioError, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import ProjectInfo


class _Studio:
    """A Label Studio with one project, or one that does not answer."""

    def __init__(self, answers: bool = True) -> None:
        self._answers = answers

    def label_config(self, project: int) -> str:
        if not self._answers:
            raise LabelStudioError("Label Studio does not answer.")
        if project != 4:
            raise NotInLabelStudio(f"Label Studio does not have project {project}.")
        return "<View/>"

    def projects(self) -> list[ProjectInfo]:
        return [ProjectInfo(4, "Deadlifts", "<View/>", "")]


def check(project: int, studio: _Studio) -> None:
    check_is_there(cast(LabelStudioClient, studio), project)


def test_an_unknown_project_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NotInLabelStudio, match=r"does not have project 99\. It has: 4 \(Deadlifts\)\."):
        check(99, _Studio())


def test_a_project_that_is_there_may_train() -> None:
    check(4, _Studio())


def test_a_label_studio_that_does_not_answer_is_no_reason_to_refuse() -> None:
    check(99, _Studio(answers=False))


@pytest.mark.parametrize("command", [["connect"], ["prelabel", "."], ["export", "--out", "x"]])
def test_commands_name_the_projects_that_there_are(
    command: list[str], tmp_path: Path, label_studio: FakeLabelStudio
) -> None:
    environment = {
        "DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.refresh_token,
    }
    result = CliRunner().invoke(app, [*command, "--project", "99"], env=environment)
    said = "Label Studio does not have project 99. It has: 1 (Project 1), 2 (Project 2), 3 (Project 3)."
    assert str(result.exception) == said
