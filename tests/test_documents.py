"""What the documents say about the tree is true."""

from __future__ import annotations

import re

import pytest
from places import ROOT

from backend.settings import Settings


@pytest.mark.parametrize("package", ["pipeline", "backend"])
def test_the_map_names_every_module(package: str) -> None:
    named = set(re.findall(r"`(\w+\.py)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py"} <= named


def test_the_map_names_no_module_that_is_not_there() -> None:
    named = set(re.findall(r"`(\w+\.py)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    there = {path.name for folder in ("pipeline", "backend", "tests") for path in (ROOT / folder).rglob("*.py")}
    assert named <= there


def test_readme_has_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in readme] == []


def test_files_that_readme_links_to_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
