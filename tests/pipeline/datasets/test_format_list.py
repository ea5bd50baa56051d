"""The list of formats: each holds what it says, a new one is an entry, and whatever it finds wrong is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from dataset_rows import ROW
from drawn_lifts import video

from pipeline.config import PipelineConfig
from pipeline.datasets import verify
from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.formats import FORMATS, OpenFormats, rep_within
from pipeline.datasets.rows import ExportedRep
from pipeline.records import Pose, Rep

POSE, REPS = video(1, reps=2)
SEGMENT = PipelineConfig().segment
ROWS = [
    replace(ROW, rep=f"squad_rep_{n}", number=n, start_s=rep.start_s, end_s=rep.end_s, files={})
    for n, rep in enumerate(REPS)
]


class Names(DatasetFormat):
    """A format as somebody might add one: the names of the repetitions, in one file."""

    holds: ClassVar[Mapping[str, str]] = {"names.txt": "the names"}
    with_labels_only = True

    def __init__(self, folder: Path) -> None:
        self._path = folder / "names.txt"
        self._names: list[str] = []

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        self._names.append(f"{row.rep} {sorted(row.files)}")
        return Added()

    def close(self) -> None:
        self._path.write_text("\n".join(self._names))

    @classmethod
    def problems(cls, folder: Path) -> Iterator[str]:
        if not (folder / "names.txt").exists():
            yield "names.txt is gone"


def write(folder: Path, labels_only: bool = False, chosen: tuple[type[DatasetFormat], ...] = FORMATS) -> None:
    with OpenFormats(folder, labels_only, chosen) as written:
        for row in ROWS:
            if labels_only:
                written.add(row, None, None)
                continue
            rep = rep_within(POSE, row, SEGMENT)
            assert rep is not None
            done, missing = written.with_files(row, POSE, rep)
            assert missing == []
            written.add(done, POSE, rep)


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_writes_what_it_says_it_holds(form: type[DatasetFormat], tmp_path: Path) -> None:
    write(tmp_path, chosen=(form,))
    for name in (part for key in form.holds for part in key.split(", ")):
        assert (tmp_path / name).exists()
    folders = {name.split("/")[0] for key in form.holds for name in key.split(", ")}
    assert {path.name for path in tmp_path.iterdir()} == folders


def test_no_two_formats_write_the_same_file() -> None:
    names = [name for form in FORMATS for name in form.holds]
    assert len(set(names)) == len(names)


def test_labels_alone_are_tables(tmp_path: Path) -> None:
    write(tmp_path, labels_only=True)
    assert {path.name for path in tmp_path.iterdir()} == {"reps.csv", "reps.parquet", "splits", "fiftyone.json"}


def test_a_format_of_ones_own_gets_rows_with_their_files(tmp_path: Path) -> None:
    write(tmp_path, chosen=(*FORMATS, Names))
    files = ["landmarks", "movement", "picture", "skelemotion", "skeleton"]
    assert (tmp_path / "names.txt").read_text().splitlines() == [f"{row.rep} {files}" for row in ROWS]


def test_what_a_format_of_ones_own_finds_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "FORMATS", (Names,))
    for name in ("SHA256SUMS", "manifest.jsonl", "label_studio.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "dataset.json").write_text("{}")
    assert "names.txt is gone" in list(verify.problems_of(tmp_path))


def test_every_format_is_closed_though_one_cannot_be(tmp_path: Path) -> None:
    class Full(Names):
        def close(self) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), OpenFormats(tmp_path, False, (Names, Full)):
        pass
    assert (tmp_path / "names.txt").exists()


def test_where_no_pose_lies_there_is_no_repetition() -> None:
    assert rep_within(POSE, replace(ROWS[0], start_s=900.0, end_s=902.0), SEGMENT) is None


def test_a_repetition_gets_its_lockout() -> None:
    rep = rep_within(POSE, ROWS[0], SEGMENT)
    assert rep is not None
    assert (rep.start_s, rep.end_s) == (ROWS[0].start_s, ROWS[0].end_s)
    assert abs(rep.top_s - REPS[0].top_s) < 0.5
