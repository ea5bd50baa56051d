"""What `from pipeline import ...` promises: every name is there, typed, and costs only what it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import pipeline


@pytest.mark.parametrize("name", pipeline.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(pipeline, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(pipeline.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(pipeline.__all__)


def test_the_version_is_the_distribution_s() -> None:
    assert version("deadlift-ml-backend") == pipeline.__version__


def test_types_are_shipped() -> None:
    assert (files("pipeline") / "py.typed").is_file()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse_video'"):
        _ = pipeline.analyse_video


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_cutting_repetitions_loads_no_network() -> None:
    assert not {"torch", "mediapipe", "matplotlib"} & loaded_by("from pipeline import Pose, find_reps")


def test_the_help_of_the_command_line_loads_no_command() -> None:
    help_shown = "from backend.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass"
    assert not {"numpy", "sqlalchemy", "pydantic", "flask", "distributed"} & loaded_by(help_shown)
