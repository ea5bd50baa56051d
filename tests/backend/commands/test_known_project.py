"""A project that is not there is refused before anything is done, with those that are."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from dashboard_data import label
from fakes import CONFIG
from flaky_proxy import Fault, FlakyProxy
from label_studio_api import FakeLabelStudio
from media_server import MediaServer, reply
from typer.testing import CliRunner, Result

from backend.cli import app
from backend.commands.known_project import check_is_there
from backend.errors import LabelStudioError, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import ProjectInfo
from backend.storage.jobs import Store
from backend.storage.runs import Runs


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


@pytest.mark.parametrize(
    "command", [["connect"], ["prelabel", "."], ["export", "--out", "x"], ["sampling", "off"], ["predict", "a.mp4"]]
)
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
    assert str(result.exception).startswith(said)


@pytest.fixture
def labelled(store: Store) -> Store:
    """A data folder with labels of project 1."""
    store.remember_project(1, CONFIG)
    label(store, 1, 5, [("rep1", 1.0, 3.0, "normal")])
    return store


def _asked(folder: Path, command: str, url: str, token: str = "0123") -> Result:
    arguments = {"train": ["train"], "export": ["export", "--labels-only", "--out", str(folder / "out")]}[command]
    environment = {"DATA_DIR": str(folder), "LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": token}
    return CliRunner().invoke(app, [*arguments, "--project", "1"], env=environment)


@pytest.mark.parametrize("command", ["train", "export"])
def test_known_labels_do_not_stand_for_those_of_a_label_studio_that_does_not_answer(
    command: str, tmp_path: Path, labelled: Store
) -> None:
    result = _asked(tmp_path, command, "http://127.0.0.1:9")
    assert isinstance(result.exception, LabelStudioError)
    said = str(result.exception)
    assert "cannot be reached" in said
    assert said.endswith("is http://127.0.0.1:9: leave it empty to use the labels that are stored in DATA_DIR.")
    assert result.exception.answers_nobody
    assert list(Runs(labelled).runs()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["train", "export"])
def test_neither_do_they_for_those_of_one_that_answers_until_it_is_asked_for_labels(
    command: str, tmp_path: Path, labelled: Store, label_studio: FakeLabelStudio
) -> None:
    def busy(method: str, path: str) -> Fault | None:
        return "500" if path.startswith("/api/tasks") else None

    with FlakyProxy(label_studio.url, busy) as between:
        result = _asked(tmp_path, command, between.url, label_studio.refresh_token)
    assert between.seen["500"] > 0
    assert isinstance(result.exception, LabelStudioError)
    assert "leave it empty to use the labels that are stored in DATA_DIR" in str(result.exception)
    assert list(Runs(labelled).runs()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["train", "export"])
def test_an_address_of_something_else_is_named(command: str, tmp_path: Path, labelled: Store) -> None:
    with closing(MediaServer(reply("404 Not Found", b"no such page"))) as other:
        said = str(_asked(tmp_path, command, other.url).exception)
    assert said == (
        "Nothing at LABEL_STUDIO_URL answers as Label Studio does. Check the address. "
        f"LABEL_STUDIO_URL is {other.url}: leave it empty to use the labels that are stored in DATA_DIR."
    )


def test_without_an_address_known_labels_are_exported(tmp_path: Path, labelled: Store) -> None:
    result = _asked(tmp_path, "export", "")
    assert result.exit_code == 0
    assert "1 repetition of 1 video" in result.stdout


def test_without_an_address_a_training_begins(tmp_path: Path, labelled: Store) -> None:
    assert "Too few labels: " in str(_asked(tmp_path, "train", "").exception)
    assert len(Runs(labelled).runs()) == 1


def test_annotators_are_echoed_as_they_were_given(labelled: Store, tmp_path: Path) -> None:
    arguments = ["export", "--labels-only", "--project", "1", "--out", str(tmp_path / "out"), "--annotator", "user 3"]
    environment = {"DATA_DIR": str(tmp_path), "LABEL_STUDIO_URL": "", "LABEL_STUDIO_API_KEY": ""}
    assert "--annotator user 3: user 3\n" in CliRunner().invoke(app, arguments, env=environment).stdout
