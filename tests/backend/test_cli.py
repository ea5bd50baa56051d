"""The command line as a whole: what it offers, and errors as one line."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from commands import deadlift
from typer.testing import CliRunner
from video_files import write_video

from backend.cli import app, main


@pytest.mark.parametrize("command", ["demo", "serve", "predict", "train"])
def test_a_command_has_help(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_help_names_the_commands() -> None:
    assert "predict" in CliRunner().invoke(app, ["--help"]).output


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from backend.cli import app; "
        "CliRunner().invoke(app, ['--help']); "
        "print([name for name in ('torch', 'mediapipe', 'label_studio_sdk', 'sklearn') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_error_of_ours_is_one_line(tmp_path: Path) -> None:
    found = deadlift("predict", tmp_path / "a.mp4", MODEL_DIR=str(tmp_path / "no-model"), DATA_DIR=str(tmp_path))
    assert found.returncode == 1
    assert found.stderr.startswith("deadlift: ")
    assert "Traceback" not in found.stderr


def test_a_wrong_setting_is_one_line_without_its_value(tmp_path: Path) -> None:
    found = deadlift("predict", tmp_path / "a.mp4", LABEL_STUDIO_URL="hunter2@ls", DATA_DIR=str(tmp_path))
    assert found.returncode == 1
    assert found.stderr.strip() == (
        "deadlift: LABEL_STUDIO_URL: expected an address such as http://localhost:8080. Change it in the environment, "
        "or in .env."
    )


def test_an_unknown_command_is_an_error() -> None:
    assert CliRunner().invoke(app, ["dance"]).exit_code == 2


def test_training_a_project_that_was_never_seen_is_refused(tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path), "LABEL_STUDIO_URL": "", "LABEL_STUDIO_API_KEY": ""}
    found = deadlift("train", "--project", "99", **settings)
    assert found.returncode == 1
    assert "Project 99 is not known here" in found.stderr


def test_a_rule_about_several_settings_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BASIC_AUTH_USER", "coach")
    monkeypatch.setattr(sys, "argv", ["deadlift", "jobs", "cancel", "1"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert str(raised.value).startswith("deadlift: expected BASIC_AUTH_USER and BASIC_AUTH_PASS, or neither of them.")


def test_a_data_folder_that_cannot_be_written_is_one_line_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    video = write_video(tmp_path / "a.mp4", count=3)
    found = deadlift("predict", video, DATA_DIR=str(tmp_path / "file" / "data"))
    assert found.returncode == 1
    assert found.stderr.strip() == (
        f"deadlift: {tmp_path / 'file' / 'data' / 'poses'}: Not a directory. "
        "Set DATA_DIR to a folder that can be written."
    )


@pytest.mark.parametrize("name", ["data", "data/models/1/weights", "elsewhere"])
def test_a_place_where_no_folder_can_be_made_is_told_for_the_data_folder_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def fail() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / name))

    monkeypatch.setattr("backend.cli.app", fail)
    with pytest.raises(SystemExit if name == "data" else FileNotFoundError) as raised:
        main()
    assert "Set DATA_DIR to a folder that can be written." in str(raised.value) or name != "data"
