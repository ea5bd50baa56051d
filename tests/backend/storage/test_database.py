"""A database that cannot be used: each fault is one line with its remedy, and what passes is waited for."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from places import ROOT
from sqlalchemy.exc import DBAPIError

from backend.errors import StorageFault
from backend.storage.database import database_exists, explained, open_database
from backend.storage.jobs import Store


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def errors_of(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite words it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (sqlite3.SQLITE_BUSY, "Try again"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "Try again"),
        (sqlite3.SQLITE_FULL, "Make room"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "Correct the permissions of DATA_DIR"),
        (sqlite3.SQLITE_CANTOPEN, "Correct the permissions of DATA_DIR"),
        (sqlite3.SQLITE_IOERR_WRITE, "free space"),
        (sqlite3.SQLITE_CORRUPT, "put a copy back"),
        (sqlite3.SQLITE_NOTADB, "put a copy back"),
        (sqlite3.SQLITE_ERROR, "as SQLite words it"),
    ],
)
def test_an_error_of_sqlite_is_a_line_with_its_remedy(code: int, remedy: str) -> None:
    wrapped = DBAPIError("UPDATE jobs SET data = ?", {"data": "somebody's labels"}, errors_of(code))
    for error in (errors_of(code), wrapped):
        line = explained(error, "/data/backend.sqlite3")
        assert line.startswith("/data/backend.sqlite3: ")
        assert remedy in line
        assert "\n" not in line
        assert "somebody" not in line


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, size: int) -> None:
    (tmp_path / "backend.sqlite3").write_bytes(b"not a database " * size)
    with pytest.raises(StorageFault, match=r"backend\.sqlite3: the database is damaged\. Move it away"):
        Store(url(tmp_path / "backend.sqlite3"))


def test_a_database_whose_pages_are_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "backend.sqlite3"
    open_database(url(path)).dispose()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996  # the page that tells where the tables are
    path.write_bytes(content)
    with pytest.raises(StorageFault, match="the database is damaged"):
        Store(url(path)).projects()


def test_a_folder_that_holds_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "backend.sqlite3").mkdir()
    with pytest.raises(StorageFault, match="Correct the permissions of DATA_DIR"):
        Store(url(tmp_path / "backend.sqlite3"))


def test_a_new_database_waits_for_another_process_that_is_making_it(tmp_path: Path) -> None:
    path = tmp_path / "backend.sqlite3"
    script = (
        "import sqlite3, sys, time\n"
        f"connection = sqlite3.connect({str(path)!r})\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(0.5)\n"
        "connection.commit()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with closing(Store(url(path))) as store:
            assert list(store.projects()) == []


def test_many_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from backend.storage.database import open_database; sys.stdin.readline();"
        f"open_database({url(tmp_path / 'data' / 'backend.sqlite3')!r}).dispose()"
    )
    many = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        for _ in range(4)
    ]
    for one in many:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()
    assert [one.communicate(timeout=60)[1] for one in many] == [b""] * 4


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(tmp_path)
    open_database(address).dispose()
    assert list(tmp_path.iterdir()) == []
    assert not database_exists(address)
