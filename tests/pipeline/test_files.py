"""A file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.files import written_aside


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "figures.json"
    path.write_text("before")
    return path


def test_the_new_content_takes_the_place_of_the_old(target: Path) -> None:
    with written_aside(target) as aside:
        aside.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"


def test_a_failure_leaves_what_was_there_and_nothing_else(target: Path) -> None:
    def half_written() -> None:
        with written_aside(target) as aside:
            aside.write_text("half")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        half_written()
    assert target.read_text() == "before"
    assert list(target.parent.iterdir()) == [target]


def test_the_file_aside_has_the_suffix_that_writers_look_at(target: Path) -> None:
    with written_aside(target) as aside:
        assert aside.suffix == ".json"


@pytest.mark.parametrize(("mode", "durable"), [(0o600, True), (0o644, False)])
def test_permissions_are_those_asked_for(target: Path, mode: int, durable: bool) -> None:
    with written_aside(target, mode, durable):
        pass
    assert target.stat().st_mode & 0o777 == mode
