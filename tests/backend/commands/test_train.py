"""`deadlift train`: what is refused before anything is learnt, and what is said when somebody stops watching."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from fakes import CONFIG
from filelock import FileLock
from pydantic import SecretStr
from training_lab import Lab
from typer.testing import CliRunner

from backend.cli import app
from backend.commands.train import train
from backend.labelstudio.records import Access
from backend.storage.folder_locks import served
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from pipeline.errors import DatasetError


def test_a_method_is_of_the_base_and_not_of_one_training_of_a_project() -> None:
    with pytest.raises(DatasetError, match="MODEL_DIR"):
        train(project=4, method="statistics")


@pytest.mark.parametrize(("has_server", "where"), [(True, "in the server"), (False, "once a server")])
def test_a_training_that_nobody_watches_any_more_goes_on_as_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_server: bool, where: str
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    store.remember_project(1, CONFIG)
    monkeypatch.setattr("time.sleep", interrupted)
    with ExitStack() as others:
        others.enter_context(FileLock(tmp_path / "trainer.lock"))
        if has_server:
            others.enter_context(served(tmp_path))
        result = CliRunner().invoke(app, ["train", "--project", "1"], env={"DATA_DIR": str(tmp_path)})
    (run,) = Runs(store).runs()
    assert (result.exit_code, run.state) == (130, "queued")
    assert f"Training {run.id} goes on {where}" in result.output
    assert f"`deadlift jobs cancel {run.id}` ends it" in result.output


def test_a_training_of_nothing_new_says_how_its_model_is_put_in_use(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")))
    for task in range(1, 6):
        lab.label(task)
    lab.train()
    for name, is_told in (("v0001", False), ("base", True)):
        lab.registry.promote(1, name)
        said = CliRunner().invoke(app, ["train", "--project", "1"], env={"DATA_DIR": str(tmp_path)}).stdout
        assert "Nothing has changed since v0001" in said
        assert ("`deadlift models promote v0001 --project 1` puts it in use." in said) == is_told
