"""The repetitions as typed tables (Parquet): `reps.parquet` has all of them, `splits/` those of each split.

A manifest of JSON lines has no types: a reader guesses a column's from its first rows, and fails where a fault or a
score first comes late. Here every column has the type below, and null where nothing is known. pandas, polars, DuckDB,
Spark and the `datasets` library of Hugging Face read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import SPLITS, ExportedRep, Split
from pipeline.datasets.versions import MANIFEST
from pipeline.records import Pose, Rep

TABLE = "reps.parquet"
SPLIT_TABLES: dict[Split, str] = {split: f"splits/{split}.parquet" for split in SPLITS}

FILE_KINDS = ("landmarks", "skeleton", "skelemotion", "picture", "movement", "clip")
"""The kinds of files of a repetition: the fields of the column `files`."""

SCHEMA = pa.schema(
    [
        pa.field("rep", pa.string(), nullable=False),
        pa.field("video", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("task", pa.int64(), nullable=False),
        pa.field("annotation", pa.int64(), nullable=False),
        pa.field("annotator", pa.int64()),
        pa.field("region", pa.string(), nullable=False),
        pa.field("labeled_at", pa.timestamp("us", tz="UTC")),
        pa.field("top_s", pa.float64()),
        pa.field("start_frame", pa.int64()),
        pa.field("end_frame", pa.int64()),
        pa.field("frame_rate", pa.float64()),
        pa.field("score", pa.float64()),
        pa.field("confidence", pa.float64()),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("agreement", pa.float64()),
        pa.field("start_shift_s", pa.float64()),
        pa.field("end_shift_s", pa.float64()),
        pa.field("ground_truth", pa.bool_(), nullable=False),
        pa.field("lifter", pa.string(), nullable=False),
        pa.field("faults", pa.list_(pa.string()), nullable=False),
        pa.field("note", pa.string(), nullable=False),
        pa.field("files", pa.struct([pa.field(kind, pa.string()) for kind in FILE_KINDS]), nullable=False),
    ]
)
"""The fields of `ExportedRep` in their order. labeled_at is a moment, null where it cannot be read as one."""

_ROWS_AT_A_TIME = 10_000


class ParquetTables(DatasetFormat):
    """A row per repetition. In memory are ten thousand rows at most. A split without repetitions has an empty table."""

    opened_by: ClassVar[Mapping[str, str]] = {
        "pandas": 'pandas.read_parquet("reps.parquet")',
        "polars": 'polars.read_parquet("reps.parquet")',
    }
    holds: ClassVar[Mapping[str, str]] = {
        TABLE: "the same as a typed table (Parquet), with null where nothing is known",
        "splits/": "the same for each split",
    }
    with_labels_only = True

    def __init__(self, folder: Path) -> None:
        (folder / "splits").mkdir()
        self._stack = ExitStack()
        self._all = self._stack.enter_context(_Table(folder / TABLE))
        self._by_split = {
            split: self._stack.enter_context(_Table(folder / name)) for split, name in SPLIT_TABLES.items()
        }

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        values = _values(row)
        self._all.add(values)
        self._by_split[row.split].add(values)
        return Added()

    def close(self) -> None:
        self._stack.close()

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        wanted: dict[str, list[str]] = {TABLE: [], **{name: [] for name in SPLIT_TABLES.values()}}
        for row in rows_of(folder):
            wanted[TABLE].append(row.rep)
            wanted[SPLIT_TABLES[row.split]].append(row.rep)
        for name, reps in wanted.items():
            if not (folder / name).is_file():  # of an earlier release; else the sums name it
                continue
            try:
                found = pq.read_table(folder / name, columns=["rep"])["rep"].to_pylist()
            except (OSError, pa.ArrowException, KeyError) as error:
                yield f"{name} cannot be read ({error})"
                continue
            if found != reps:
                yield f"{name} does not have the repetitions of {MANIFEST}"


class _Table:
    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> _Table:
        return self

    def add(self, values: dict[str, Any]) -> None:
        self._rows.append(values)
        if len(self._rows) == _ROWS_AT_A_TIME:
            self._flush()

    def __exit__(self, *_: object) -> None:
        with self._writer:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
            self._rows.clear()


def _values(row: ExportedRep) -> dict[str, Any]:
    files = {kind: row.files.get(kind) for kind in FILE_KINDS}
    return {**vars(row), "labeled_at": _moment(row.labeled_at), "faults": list(row.faults), "files": files}


def _moment(text: str) -> datetime | None:
    """A moment of ISO 8601, which is in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
