"""The code in README and the documentation works: Python and commands on files are run, all others are checked."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from code_blocks import PAGES, Block, blocks, command_lines, mentions, program
from commands import deadlift
from places import ROOT

from backend.cli import COMMANDS, load_command
from backend.logs import JsonFormatter, about
from pipeline import synthetic
from pipeline.errors import DatasetError
from pipeline.evaluation.reps import load_groundtruth
from pipeline.learning.samples import labelled_samples
from pipeline.synthetic.drawing import render

LANGUAGES = ("python", "sh", "json")
RUN = ("predict", "render", "report", "skelemotion")
"""Commands that need nothing but video files. What needs a Label Studio, or takes minutes, is parsed only."""
OTHER_PROGRAMS = ("cd", "cp", "dask", "docker", "helm", "make", "pip", "ssh")
_OPTION = re.compile(r"--[a-z][a-z-]+")


@pytest.fixture(scope="session")
def drawn_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine repetitions, the fifth with a fault: enough normal ones to train on."""
    quick = {"pull_s": 0.9, "hold_s": 0.3, "lowering_s": 0.9, "floor_s": 0.5}
    reps = tuple(
        synthetic.RepPlan(**quick, fault="incomplete_lockout" if number == 5 else None) for number in range(1, 10)
    )
    path = tmp_path_factory.mktemp("drawn") / "set1.mp4"
    render(synthetic.LiftPlan(reps=reps, fps=15.0), path)
    return path


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all pages: the landmarks of the drawn video are found once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def folder(drawn_video: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the blocks of one page run: with videos of the names that the pages use."""
    for name in ("set1.mp4", "set2.mp4"):
        shutil.copy(drawn_video, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(data_dir))
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_checked(page: str) -> None:
    assert [block.place for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", [page for page in PAGES if any(not block.title for block in blocks(page, "python"))])
def test_python_runs(page: str, folder: Path) -> None:
    """All blocks of a page, one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        if not block.title:
            exec(code_of(block), names)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.title for block in blocks(page, "python"))])
def test_python_files_are_python(page: str) -> None:
    """A block with a title is a file to save, for machines that are not here: a cluster, another server."""
    for block in blocks(page, "python"):
        assert code_of(block)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")])
def test_command_lines_are_right(page: str) -> None:
    for block in blocks(page, "sh"):
        for words in command_lines(block.text):
            if program(words) == "deadlift":
                parse(words[1:])
            elif program(words) == "make":
                assert is_target(words[1]), f"{block.place}: make {words[1]}"
            else:
                assert program(words) in OTHER_PROGRAMS, f"{block.place}: what is {words[0]}?"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")])
def test_commands_on_files_run(page: str, folder: Path) -> None:
    for block in blocks(page, "sh"):
        for words in command_lines(block.text):
            if program(words) == "deadlift" and words[1] in RUN:
                done = deadlift(*words[1:])
                assert done.returncode == 0, f"{block.place}: {done.stderr}"
    for block in blocks(page, "json"):
        if block.title and (folder / block.title).exists():
            written = json.loads((folder / block.title).read_text())
            assert form_of(json.loads(block.text)) == form_of(written), block.place


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json")])
def test_json_is_json_and_has_a_reader_or_a_writer(page: str) -> None:
    written = {word for block in blocks(page, "sh") for words in command_lines(block.text) for word in words}
    for block in blocks(page, "json"):
        json.loads(block.text)
        assert block.title in written | READERS.keys(), f"{block.place}: nothing reads or writes {block.title!r}"


def read_groundtruth(block: Block, folder: Path) -> None:
    """As evaluation and training read it: every field that the page explains is there, and means what it says."""
    path = folder / block.title
    path.write_text(block.text)
    set1, squats = load_groundtruth(path)
    assert (len(set1.reps), len(set1.partial), set1.is_deadlift, squats.is_deadlift) == (2, 1, True, False)
    pose = synthetic.pose_of(synthetic.LiftPlan())
    assert [one.label for one in labelled_samples(path, folder, lambda _: pose)] == ["normal", "anomalous"]
    path.write_text("{}")
    with pytest.raises(DatasetError):
        load_groundtruth(path)


def read_log_line(block: Block, folder: Path) -> None:
    """The server writes the same fields in the same order, and the same text for the same message."""
    shown = json.loads(block.text)
    record = logging.makeLogRecord(
        {"name": shown["logger"], "levelname": shown["level"], "msg": shown["message"], "process": shown["process"]}
    )
    record.created = datetime.fromisoformat(shown["time"]).timestamp()
    with about(request=shown["request"], job=shown["job"], task=shown["task"], project=shown["project"]):
        assert JsonFormatter().format(record) == block.text.strip()


READERS: dict[str, Callable[[Block, Path], None]] = {
    "groundtruth.json": read_groundtruth,
    "log line": read_log_line,
}


@pytest.mark.parametrize("title", READERS)
def test_an_example_that_is_read_can_be_read(title: str, tmp_path: Path) -> None:
    found = [block for page in PAGES for block in blocks(page, "json") if block.title == title]
    assert found
    for block in found:
        READERS[title](block, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_scripts_in_the_text_are_there(page: str) -> None:
    """What running text mentions may leave things out: the command, its options and the file must be there."""
    for text in mentions(page):
        words = (command_lines(text.replace("'", "")) or [[""]])[0]
        if program(words) == "deadlift" and len(words) > 1 and words[1] != "COMMAND":
            command, _ = resolve(words[1:])
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            assert set(_OPTION.findall(text)) <= known | {"--help"}, f"{page}: {text}"
        elif program(words) == "make":
            assert is_target(words[1]), f"{page}: {text}"
        elif program(words) == "python" and "/" in words[1]:
            assert (ROOT / words[1]).is_file(), f"{page}: {text}"


def test_the_reference_of_commands_is_what_the_help_says(capsys: pytest.CaptureFixture[str]) -> None:
    source = (ROOT / "docs" / "scripts" / "commands.py").read_text(encoding="utf-8")
    exec(compile(source, "commands.py", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == printed, (
        "Run: python docs/scripts/commands.py >docs/commands.md"
    )


def test_the_pictures_can_be_drawn(tmp_path: Path) -> None:
    source = (ROOT / "docs" / "scripts" / "pictures.py").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "pictures"}
    exec(compile(source, "pictures.py", "exec"), names)
    names["main"](tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn <= {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert len(drawn) == 3


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["predict", "set1.mp4", "--jsn", "reps.json"])


def code_of(block: Block) -> CodeType:
    """The block, compiled so that a traceback names the line of the page."""
    return compile("\n" * block.line + block.text, str(ROOT / block.page), "exec")


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that a command line calls, and its arguments."""
    assert words[0] in COMMANDS, f"deadlift {words[0]}: no such command"
    command, rest = load_command(words[0]), words[1:]
    inner = getattr(command, "commands", {})
    return (inner[rest[0]], rest[1:]) if inner and rest and not rest[0].startswith("-") else (command, rest)


def parse(words: list[str]) -> None:
    """Have the command line itself read the arguments, without doing anything. Raises its usage errors."""
    command, rest = resolve(words)
    command.make_context(words[0], list(rest))


def is_target(name: str) -> bool:
    return re.search(rf"^{re.escape(name)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) is not None


def form_of(value: Any) -> Any:
    """The keys and kinds of a JSON value: of a list its first element's."""
    if isinstance(value, dict):
        return {key: form_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        # Reasons are there for anomalies only.
        return [form_of(value[0])] if value and isinstance(value[0], dict | list) else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
