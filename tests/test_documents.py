"""What the documents say about the tree is true, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from code_blocks import PAGES
from markdown_it import MarkdownIt
from places import ROOT

import pipeline
from backend.predictions.active import MOST_ACTIVE
from backend.predictions.aside import MOST_TASKS
from backend.predictions.costs import MOST_PROJECTS
from backend.settings import Settings
from backend.web import access, attempts, body, senders, server
from pipeline.learning.promotion_gate import _EVIDENCE, _LEAST_CONTRADICTED, _MARGIN

_OUTSIDE = ("http://", "https://", "mailto:")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def packages() -> list[str]:
    """Folders directly below pipeline/ and backend/ that hold code, as the map writes them."""
    return sorted(
        f"{top}/{folder.name}/"
        for top in ("pipeline", "backend")
        for folder in (ROOT / top).iterdir()
        if (folder / "__init__.py").is_file()
    )


@pytest.mark.parametrize("package", packages())
def test_the_map_names_every_package(package: str) -> None:
    assert f"`{package}`" in text_of("CONTRIBUTING.md")


def test_the_map_names_no_module_that_is_not_there() -> None:
    """Modules are named in full (`pipeline/analyze.py`), or by their last parts in the row of their package."""
    named = set(re.findall(r"`([\w/]+\.py)`", text_of("CONTRIBUTING.md")))
    there = [
        path.relative_to(ROOT).as_posix()
        for top in ("pipeline", "backend", "tests", "benchmarks", "docs")
        for path in (ROOT / top).rglob("*.py")
    ]
    assert [name for name in sorted(named) if not any(f"/{path}".endswith(f"/{name}") for path in there)] == []


def test_the_map_names_no_package_that_is_not_there() -> None:
    named = set(re.findall(r"`((?:pipeline|backend|tests|docs|benchmarks)/[\w/]*/?)`", text_of("CONTRIBUTING.md")))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_how_far_figures_of_a_model_may_fall_is_told_as_it_is() -> None:
    told = text_of("docs/training.md")
    assert f"larger than {_MARGIN:g} (of shares: {_MARGIN * 100:.0f} in 100 repetitions" in told
    assert f"in at least {_EVIDENCE * 100:.0f} of 100 sets of videos" in told
    assert (_LEAST_CONTRADICTED, "three or more repetitions normal" in told) == (3, True)


@pytest.mark.parametrize("setting", [name.upper() for name in Settings.model_fields])
def test_the_page_of_settings_names_every_setting(setting: str) -> None:
    assert f"`{setting}`" in text_of("docs/settings.md")


def test_the_page_of_settings_names_no_setting_that_is_not_there() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", text_of("docs/settings.md"), flags=re.MULTILINE)
    named = {name.lower() for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(Settings.model_fields)


def test_the_reference_lists_the_public_api() -> None:
    named = re.findall(r"^::: pipeline\.(\w+)$", text_of("docs/api.md"), re.MULTILINE)
    assert sorted([*named, "synthetic"]) == sorted(pipeline.__all__)


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    assert [link for link in links(page) if not is_there(page, link)] == []


@pytest.mark.parametrize("page", [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")])
def test_the_site_lists_every_page(page: str) -> None:
    assert re.search(rf": {re.escape(page)}$", text_of("mkdocs.yml"), flags=re.MULTILINE)


def links(page: str) -> list[str]:
    """Addresses of links and pictures."""
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in MarkdownIt("commonmark").enable("table").parse(text_of(page))
        for child in token.children or ()
        if child.type in ("link_open", "image")
    ]


def is_there(page: str, link: str) -> bool:
    """Whether a file, and the heading after #, exist; addresses on the internet are not asked for."""
    if link.startswith(_OUTSIDE):
        return True
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/limits.md"])
def test_tables_of_threats_and_faults_name_tests_that_are_there(page: str) -> None:
    tests = [(path.name, path.read_text()) for path in (ROOT / "tests").rglob("test_*.py")]
    file = ""
    for named, function in re.findall(r"`(test_\w+\.py)?(?:::(test_\w+))?`", text_of(page)):
        file = named or file
        assert any(name == file and f"def {function}" in text for name, text in tests), (file, function)


_WORDS = {100: "a hundred", 1_000: "a thousand", 10_000: "ten thousand", 1_000_000: "a million"}


@pytest.mark.parametrize(
    "said",
    [
        f"an address is not let in for {attempts._FIRST_PAUSE_S:g} s, 2 s, … {attempts._LONGEST_PAUSE_S:g} s",
        f"{Settings.model_fields['max_request_mb'].default} MB, {_WORDS.get(body._MOST_VALUES)} values, "
        f"{body._MOST_CONTAINERS:,} objects, {body._DEEPEST} levels",
        f"{senders.HEAD_S:g} s at most; of {server._MOST_CONNECTIONS} connections",
        f"{senders.BODY_S:g} s and {senders.LEAST_BYTES_PER_S / 1000:g} kB a second; "
        f"{access._MOST_OF_A_LOGIN / 1024:g} kB",
        f"{_WORDS.get(MOST_PROJECTS)} projects",
        f"{_WORDS.get(MOST_ACTIVE)} jobs in memory and {_WORDS.get(MOST_ACTIVE)} predictions on their way",
        f"{_WORDS.get(MOST_TASKS)} tasks to be looked at",
    ],
)
def test_the_table_of_threats_tells_the_limits_of_the_code(said: str) -> None:
    """Tests of a limit make it smaller; this one holds how large it is."""
    assert said in text_of("SECURITY.md")
