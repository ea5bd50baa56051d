"""README.md of an exported dataset: how tools open it, and for Hugging Face's `datasets`, which of its files are data.

Without the `configs` at its head, `datasets` takes the pictures of a folder for the dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.datasets.formats import FORMATS
from pipeline.datasets.parquet import SPLIT_TABLES
from pipeline.datasets.rows import SPLITS, Split

_HUGGING_FACE = ("Hugging Face datasets", 'datasets.load_dataset("FOLDER")')
"""Reads this README itself."""


def write_readme(folder: Path, title: str, splits: Mapping[Split, int], parts: Collection[str]) -> None:
    """Write it. splits: how many repetitions each has; parts: the folders and files that the dataset has."""
    (folder / "README.md").write_text("\n".join(_lines(title, splits, parts)) + "\n", encoding="utf-8")


def _lines(title: str, splits: Mapping[Split, int], parts: Collection[str]) -> list[str]:
    # The library refuses to load any split where one has no rows.
    data_files = [
        line
        for split in SPLITS
        if splits.get(split)
        for line in (f"  - split: {split}", f"    path: {SPLIT_TABLES[split]}")
    ]
    written = [form for form in FORMATS if any(part in parts for part in form.holds)]
    opened_by = [_HUGGING_FACE, *(one for form in written for one in form.opened_by.items())]
    return [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *data_files,
        "---",
        "",
        f"# {title}",
        "",
        "A row per repetition; [DATASHEET.md](DATASHEET.md) says what is in it and where it comes from.",
        "",
        "| opened by | with |",
        "|---|---|",
        *(f"| {tool} | `{call}` |" for tool, call in opened_by),
    ]
