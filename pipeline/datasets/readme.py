"""README.md of an exported dataset: how tools open it, and for Hugging Face's `datasets`, which of its files are data.

Without the `configs` at its head, `datasets` takes the pictures of a folder for the dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.datasets.parquet import SPLIT_TABLES
from pipeline.datasets.rows import SPLITS, Split

_OPENED_BY = (
    ("Hugging Face datasets", "", 'datasets.load_dataset("FOLDER")'),
    ("pandas", "reps.parquet", 'pandas.read_parquet("reps.parquet")'),
    ("polars", "reps.parquet", 'polars.read_parquet("reps.parquet")'),
    ("pycocotools", "annotations/", 'COCO("annotations/person_keypoints_train.json")'),
    ("datumaro", "annotations/", 'datumaro.Dataset.import_from("FOLDER", "coco_person_keypoints")'),
    ("movement, xarray", "movement/", 'xarray.open_dataset("movement/REP.nc")'),
    ("SLEAP, sleap-io", "sleap/", 'sleap_io.load_slp("sleap/VIDEO.slp", open_videos=False)'),
    (
        "FiftyOne",
        "fiftyone.json",
        "fiftyone.Dataset.from_dir(dataset_type=fiftyone.types.FiftyOneTemporalDetectionDataset, "
        'data_path="VIDEOS", labels_path="fiftyone.json")',
    ),
    ("ELAN, pympi", "elan/", 'pympi.Eaf("elan/VIDEO.eaf")'),
    ("players, browsers", "webvtt/", '<track src="webvtt/VIDEO.vtt">'),
)


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
    opened_by = [f"| {tool} | `{call}` |" for tool, part, call in _OPENED_BY if not part or part in parts]
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
        *opened_by,
    ]
