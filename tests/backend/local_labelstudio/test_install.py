"""The installation of Label Studio, with a pip that installs nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from backend.errors import LabelStudioError
from backend.local_labelstudio.install import CONSTRAINTS, MARKER, STARTED, VERSION, Progress, install, run_command


class FakePip:
    """Makes an environment that says it holds Label Studio; breaks off in the middle when `torn`."""

    def __init__(self, torn: bool = False, version: str = VERSION) -> None:
        self.torn = torn
        self.version = version
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], progress: Progress) -> None:
        self.commands.append(list(command))
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir()
            return
        for number in range(60):
            progress(f"Collecting package-{number}")
        bin_folder = Path(command[0]).parent
        (bin_folder / "half.py").touch()
        if self.torn:
            raise LabelStudioError("No matching distribution found")
        environment(bin_folder.parent, self.version)


def environment(folder: Path, version: str = VERSION) -> None:
    """What a complete environment looks like from outside."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "bin" / "label-studio").touch()
    (folder / "bin" / "python").write_text(f"#!/bin/sh\necho {version}\n")
    (folder / "bin" / "python").chmod(0o755)


def test_the_script_is_returned(tmp_path: Path) -> None:
    assert install(tmp_path / "ls", run=FakePip()) == tmp_path / "ls" / "bin" / "label-studio"


def test_this_version_with_everything_it_needs_pinned_is_asked_for(tmp_path: Path) -> None:
    pip = FakePip()
    install(tmp_path / "ls", run=pip)
    assert pip.commands[1][-3:] == ["--constraint", str(CONSTRAINTS), f"label-studio=={VERSION}"]


def test_the_pins_name_this_version() -> None:
    assert f"label-studio=={VERSION}" in CONSTRAINTS.read_text().splitlines()


def test_a_complete_installation_is_used_again(tmp_path: Path) -> None:
    install(tmp_path / "ls", run=FakePip())
    second = FakePip()
    install(tmp_path / "ls", run=second)
    assert second.commands == []


def test_a_failed_installation_says_what_pip_said(tmp_path: Path) -> None:
    with pytest.raises(LabelStudioError, match=r"could not be installed.*No matching distribution found"):
        install(tmp_path / "ls", run=FakePip(torn=True))


def test_a_torn_installation_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(LabelStudioError):
        install(tmp_path / "ls", run=FakePip(torn=True))
    (tmp_path / "ls" / "rubbish").touch()
    install(tmp_path / "ls", run=FakePip())
    assert not (tmp_path / "ls" / "rubbish").exists()


def test_an_installation_that_was_killed_near_its_end_is_made_anew(tmp_path: Path) -> None:
    environment(tmp_path / "ls")
    (tmp_path / "ls" / STARTED).touch()
    pip = FakePip()
    install(tmp_path / "ls", run=pip)
    assert len(pip.commands) == 2


def test_one_whose_interpreter_is_gone_is_made_anew(tmp_path: Path) -> None:
    install(tmp_path / "ls", run=FakePip())
    (tmp_path / "ls" / "bin" / "python").unlink()
    (tmp_path / "ls" / "bin" / "python").symlink_to(tmp_path / "gone")
    pip = FakePip()
    install(tmp_path / "ls", run=pip)
    assert len(pip.commands) == 2


def test_an_environment_of_somebody_else_is_used_as_it_is(tmp_path: Path) -> None:
    environment(tmp_path / "theirs")
    pip = FakePip()
    install(tmp_path / "theirs", run=pip)
    assert pip.commands == []
    assert not (tmp_path / "theirs" / MARKER).exists()


def test_an_environment_with_another_version_is_refused(tmp_path: Path) -> None:
    environment(tmp_path / "theirs", version="1.20.0")
    with pytest.raises(LabelStudioError, match=f"holds no Label Studio {VERSION}"):
        install(tmp_path / "theirs", run=FakePip())


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(LabelStudioError, match="is not empty"):
        install(tmp_path / "home", run=FakePip())
    assert (tmp_path / "home" / "thesis.txt").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "ls").mkdir()
    assert install(tmp_path / "ls", run=FakePip()).is_file()


def test_a_pip_that_installs_another_version_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(LabelStudioError, match="pip reported success"):
        install(tmp_path / "ls", run=FakePip(version="1.20.0"))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabelStudioError, match="cannot be installed in"):
        install(tmp_path / "file" / "ls", run=FakePip())


def test_steps_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    install(tmp_path / "ls", told.append, run=FakePip())
    assert told[0].startswith("Installing")
    assert [line.split()[0] for line in told[1:5]] == ["0", "5", "10", "15"]


def test_a_command_hands_on_its_lines() -> None:
    lines: list[str] = []
    run_command([sys.executable, "-c", "print('one'); print('two')"], lines.append)
    assert lines == ["one", "two"]


def test_a_command_that_fails_is_told_with_its_last_lines() -> None:
    program = "import sys; print('first'); print('No space left on device', file=sys.stderr); sys.exit(2)"
    with pytest.raises(LabelStudioError, match=r"exit code 2(.|\n)*No space left on device"):
        run_command([sys.executable, "-c", program], lambda line: None)
