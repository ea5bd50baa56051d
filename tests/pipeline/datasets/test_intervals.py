"""Intervals from the files of other tools, and what is said of files that are not as expected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_rows import ROW

from pipeline.datasets.elan import write_eaf
from pipeline.datasets.intervals import NamedInterval, read_intervals
from pipeline.datasets.parquet import ParquetTables
from pipeline.errors import DatasetError

ROWS = [
    replace(ROW, start_s=1.0, end_s=2.5),
    replace(ROW, rep="squad_rep_1", number=1, start_s=2.5, end_s=4.0, label="anomalous"),
]
WANTED = [NamedInterval(1.0, 2.5, "normal", ROW.video), NamedInterval(2.5, 4.0, "anomalous", ROW.video)]


def saved(path: Path, content: str | dict[str, Any]) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# ELAN


def test_our_elan_documents_come_back(tmp_path: Path) -> None:
    write_eaf(tmp_path / "a.eaf", ROWS)
    assert read_intervals(tmp_path / "a.eaf") == WANTED


def eaf(*tiers: str, origin: str = "", value: str = ' TIME_VALUE="1500"') -> str:
    media = f'<HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///x/lift.mp4"{origin}/></HEADER>'
    slots = (
        f'<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="b"{value}/></TIME_ORDER>'
    )
    one = '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">'
    end = "<ANNOTATION_VALUE>good</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    named = "".join(f'<TIER TIER_ID="{tier}">{one}{end}' for tier in tiers)
    return f"<ANNOTATION_DOCUMENT>{media}{slots}{named}</ANNOTATION_DOCUMENT>"


def test_the_only_tier_of_an_elan_document_is_read(tmp_path: Path) -> None:
    assert read_intervals(saved(tmp_path / "a.eaf", eaf("lifts"))) == [
        NamedInterval(0.5, 1.5, "good", "file:///x/lift.mp4")
    ]


def test_of_several_tiers_one_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.eaf", eaf("lifts", "talk"))
    assert len(read_intervals(path, "talk")) == 1
    with pytest.raises(DatasetError, match="name the tier; it has: lifts, talk"):
        read_intervals(path)
    with pytest.raises(DatasetError, match='no tier "reps" with times; it has: lifts, talk'):
        read_intervals(path, "reps")


def test_elan_media_that_were_aligned_keep_their_times(tmp_path: Path) -> None:
    (found,) = read_intervals(saved(tmp_path / "a.eaf", eaf("lifts", origin=' TIME_ORIGIN="2000"')))
    assert (found.start_s, found.end_s) == (2.5, 3.5)


def test_an_elan_annotation_without_a_time_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="annotation a1 has no time"):
        read_intervals(saved(tmp_path / "a.eaf", eaf("lifts", value="")))


# Tables


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start_s,end_s,label,video\n1,2.5,normal,a.mp4\n"),
        ("a.csv", "\ufeffstart;end;label;file\n1,0;2,5;normal;a.mp4\n"),
        ("a.tsv", "Media file name\tBehavior\tStart (s)\tStop (s)\na.mp4\tnormal\t1.000\t2.500\n"),
        ("a.txt", "start\tend\tlabel\tvideo\n0:00:01.000\t00:02.5\t normal \ta.mp4\n"),
    ],
)
def test_tables_of_text(tmp_path: Path, name: str, text: str) -> None:
    assert read_intervals(saved(tmp_path / name, text)) == [NamedInterval(1.0, 2.5, "normal", "a.mp4")]


def test_our_tables_come_back(tmp_path: Path) -> None:
    tables = ParquetTables(tmp_path)
    for row in ROWS:
        tables.add(row, None, None)
    tables.close()
    assert read_intervals(tmp_path / "reps.parquet") == WANTED


def test_a_table_without_videos(tmp_path: Path) -> None:
    pq.write_table(pa.table({"start": [1], "end": [2.5], "label": ["normal"]}), tmp_path / "a.parquet")
    assert read_intervals(tmp_path / "a.parquet") == [NamedInterval(1.0, 2.5, "normal")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start_s,label\n1,normal\n", "line 2: no end: expected a column end_s or end"),
        ("start,end,label\n1,2,a\n3,x,a\n", "line 3: expected seconds, got 'x'"),
        ("start,end,label\n3,2,a\n", "line 2: Expected 0 <= start < end in seconds, got 3 and 2"),
        ("start,end,label\n3,nan,a\n", "line 2: Expected 0 <= start < end"),
    ],
)
def test_slips_in_a_table_are_named_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=r"a\.csv") as caught:
        read_intervals(saved(tmp_path / "a.csv", text))
    assert said in str(caught.value)


# BORIS


def boris(*events: list[Any], **changes: Any) -> dict[str, Any]:
    observation = {"file": {"1": ["videos/a.mp4"], "2": []}, "time offset": 0.0, "events": list(events)} | changes
    behaviours = {"0": {"code": "normal", "type": "State event"}, "1": {"code": "look", "type": "Point event"}}
    return {"behaviors_conf": behaviours, "observations": {"monday": observation}}


def test_boris_states_are_intervals(tmp_path: Path) -> None:
    events = [[1.0, "", "normal", "", ""], [2.0, "", "look", "", ""], [2.5, "", "normal", "", "", 75]]
    assert read_intervals(saved(tmp_path / "a.boris", boris(*events))) == [
        NamedInterval(1.0, 2.5, "normal", "videos/a.mp4")
    ]


def test_boris_subjects_have_states_of_their_own(tmp_path: Path) -> None:
    events = [[float(n), subject, "normal", "", ""] for n, subject in enumerate(("A", "B", "A", "B"))]
    found = read_intervals(saved(tmp_path / "a.boris", boris(*events)))
    assert [(one.start_s, one.end_s) for one in found] == [(0.0, 2.0), (1.0, 3.0)]


def test_boris_offsets_are_taken_off(tmp_path: Path) -> None:
    content = boris([61.0, "", "normal", "", ""], [62.5, "", "normal", "", ""], **{"time offset": 60.0})
    (found,) = read_intervals(saved(tmp_path / "a.boris", content))
    assert (found.start_s, found.end_s) == (1.0, 2.5)


def test_a_boris_state_without_a_stop_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match='observation "monday" normal has no stop after its start at 1 s'):
        read_intervals(saved(tmp_path / "a.boris", boris([1.0, "", "normal", "", ""])))


# VIA 3


def via(*segments: dict[str, Any]) -> dict[str, Any]:
    return {
        "project": {"pid": "x"},
        "attribute": {
            "1": {"aname": "rep", "type": 4, "options": {"0": "normal", "1": "anomalous"}},
            "2": {"aname": "words", "type": 1, "options": {}},
        },
        "file": {"1": {"fid": "1", "fname": "a.mp4", "type": 4, "loc": 1, "src": ""}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {f"1_{number}": {"vid": "1", "xy": [], **one} for number, one in enumerate(segments)},
    }


def test_via_segments_are_intervals(tmp_path: Path) -> None:
    segments = ({"z": [1.0, 2.5], "av": {"1": "1"}}, {"z": [3.0, 4.0], "av": {"2": "normal"}})
    assert read_intervals(saved(tmp_path / "a.json", via(*segments))) == [
        NamedInterval(1.0, 2.5, "anomalous", "a.mp4"),
        NamedInterval(3.0, 4.0, "normal", "a.mp4"),
    ]


def test_via_regions_of_pictures_are_passed_over(tmp_path: Path) -> None:
    assert read_intervals(saved(tmp_path / "a.json", via({"z": [1.0], "av": {}}, {"z": [], "av": {}}))) == []


# All


@pytest.mark.parametrize("name", ["a.eaf", "a.csv", "a.parquet", "a.boris", "a.json", "a.xml", "none.csv"])
def test_other_files_are_named(tmp_path: Path, name: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b'{"a": [\xff1]}')
    with pytest.raises(DatasetError, match=name):
        read_intervals(tmp_path / name)


@pytest.mark.parametrize("content", ["[]", "1", "{}", '{"observations": 3}', '{"metadata": {"1": 2}}'])
@pytest.mark.parametrize("name", ["a.boris", "a.json"])
def test_other_json_is_named(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DatasetError, match=f"{name}: not as expected of"):
        read_intervals(saved(tmp_path / name, content))
