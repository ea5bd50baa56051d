"""The tabs that a project's Data Manager gets."""

from __future__ import annotations

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio
from typer.testing import CliRunner

from backend.cli import app
from backend.labelstudio import data_manager
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config, is_empty

TITLES = ["All videos", "Least certain", "Anomalous", "Failed or empty", "Not labelled"]


def test_a_project_gets_the_tabs_that_it_lacks(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    label_studio.tabs = [{"title": "Default"}, {"title": "Anomalous", "filters": "somebody's own"}]
    assert data_manager.preset(client, 1) == [title for title in TITLES if title != "Anomalous"]
    assert label_studio.tabs[1] == {"title": "Anomalous", "filters": "somebody's own"}
    assert data_manager.preset(client, 1) == []


def test_what_somebody_labelled_is_not_among_the_least_certain() -> None:
    certain, unlabelled = (tab for tab in data_manager.tabs() if tab["title"] in ("Least certain", "Not labelled"))
    assert certain["filters"]["conjunction"] == "and"
    assert unlabelled["filters"]["items"][0] in certain["filters"]["items"]


@pytest.mark.parametrize(("config", "empty"), [("", True), ("<View></View>", True), (CONFIG, False), ("no xml", False)])
def test_an_empty_labeling_config_is_one_that_nobody_made(config: str, empty: bool) -> None:
    assert is_empty(config) is empty


def test_the_command_connects_a_project_and_makes_it_ready(label_studio: FakeLabelStudio) -> None:
    label_studio.label_config = "<View></View>"
    given = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.refresh_token}
    said = CliRunner().invoke(app, ["connect", "--project", "1"], env=given)
    assert said.exit_code == 0, said.output
    assert "Tabs added: All videos" in said.output
    assert [tab["title"] for tab in label_studio.tabs] == TITLES
    assert label_studio.label_config == default_config()
