"""The typed tables of a dataset: types, nulls, splits, and what is wrong with damaged ones."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dataset_rows import ROW

from pipeline.datasets.parquet import SCHEMA, SPLIT_TABLES, TABLE, ParquetTables
from pipeline.datasets.rows import ExportedRep, to_json
from pipeline.datasets.versions import MANIFEST

VAL = replace(ROW, rep="squad_rep_1", split="val", faults=(), score=0.25)


def written(folder: Path, *rows: ExportedRep) -> Path:
    tables = ParquetTables(folder)
    for row in rows:
        tables.add(row, None, None)
    tables.close()
    (folder / MANIFEST).write_text("".join(f"{to_json(row)}\n" for row in rows))
    return folder


def test_columns_are_those_of_a_row() -> None:
    assert SCHEMA.names == [one.name for one in fields(ExportedRep)]


def test_a_row_keeps_its_values_and_types(tmp_path: Path) -> None:
    (found,) = pq.read_table(written(tmp_path, ROW) / TABLE).to_pylist()
    assert found["start_s"] == ROW.start_s
    assert found["faults"] == ["Hitching", "Rounded back"]
    assert found["labeled_at"] == datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)
    assert (found["score"], found["annotator"]) == (None, 7)
    assert found["files"]["landmarks"] == "landmarks/squad_rep_0.npz"
    assert found["files"]["clip"] is None


def test_columns_without_a_value_have_their_type(tmp_path: Path) -> None:
    assert pq.read_schema(written(tmp_path, replace(ROW, faults=(), files={})) / TABLE).equals(SCHEMA)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T14:00:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("", None),
    ],
)
def test_moments_are_in_utc(tmp_path: Path, text: str, moment: datetime | None) -> None:
    table = pq.read_table(written(tmp_path, replace(ROW, labeled_at=text)) / TABLE)
    assert table["labeled_at"].to_pylist() == [moment]


def test_each_split_has_a_table_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, ROW, VAL)
    reps = {split: pq.read_table(tmp_path / name)["rep"].to_pylist() for split, name in SPLIT_TABLES.items()}
    assert reps == {"train": [ROW.rep], "val": [VAL.rep], "test": []}


def test_many_rows_come_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.parquet._ROWS_AT_A_TIME", 2)
    reps = [f"squad_rep_{n}" for n in range(5)]
    file = pq.ParquetFile(written(tmp_path, *(replace(ROW, rep=rep) for rep in reps)) / TABLE)
    assert file.num_row_groups == 3
    assert file.read()["rep"].to_pylist() == reps


def test_whole_tables_have_no_problems(tmp_path: Path) -> None:
    assert list(ParquetTables.problems(written(tmp_path, ROW, VAL))) == []


def test_other_repetitions_are_found(tmp_path: Path) -> None:
    written(tmp_path, ROW, VAL)
    (tmp_path / MANIFEST).write_text(f"{to_json(ROW)}\n{to_json(replace(VAL, split='test'))}\n")
    assert list(ParquetTables.problems(tmp_path)) == [
        f"splits/{split}.parquet does not have the repetitions of {MANIFEST}" for split in ("val", "test")
    ]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"rep\n1\n"])
def test_a_damaged_table_is_named(tmp_path: Path, content: bytes) -> None:
    (written(tmp_path, ROW) / TABLE).write_bytes(content)
    (found,) = ParquetTables.problems(tmp_path)
    assert found.startswith("reps.parquet cannot be read (")


def test_a_dataset_of_an_earlier_release_has_no_tables(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(f"{to_json(ROW)}\n")
    assert list(ParquetTables.problems(tmp_path)) == []
