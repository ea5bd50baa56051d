"""A list of repetitions as people write it by hand: start and end alone, and slips that are named in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import DatasetError
from pipeline.learning.groundtruth import MarkedRep, groundtruth_schema, read_clips

REP = {"start_s": 1.0, "end_s": 3.0}
ROOT = Path(__file__).parents[3]


def written(folder: Path, content: object, encoding: str = "utf-8") -> Path:
    file = folder / "list.json"
    file.write_bytes(json.dumps(content).encode(encoding))
    return file


def clip(*reps: object) -> dict[str, object]:
    return {"file": "a.mp4", "reps": list(reps)}


def test_start_and_end_alone_are_enough(tmp_path: Path) -> None:
    assert read_clips(written(tmp_path, [clip(REP)]))[0].reps == (MarkedRep(start_s=1.0, end_s=3.0),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_editors_write_unicode_in_several_ways(tmp_path: Path, encoding: str) -> None:
    assert read_clips(written(tmp_path, [clip(REP)], encoding))[0].file == "a.mp4"


# The kinds of mmaction2#525, Detectron#328 and Mask_RCNN#1337: lists written by hand that end in a traceback.
SLIPS = {
    "text for a number": (clip(REP, REP | {"start_s": "2.83"}), r"a\.mp4 rep 2 start_s: should be a valid number"),
    "a truth value": (clip(REP | {"end_s": True}), r"a\.mp4 rep 1 end_s: should be a valid number"),
    "wrong way round": (clip({"start_s": 5.7, "end_s": 2.8}), r"a\.mp4 rep 1: start_s 5\.7 is not before end_s 2\.8"),
    "lockout outside": (clip(REP | {"top_s": 4.0}), r"a\.mp4 rep 1: top_s 4 is not before end_s 3"),
    "no length": (clip({"start_s": 3.0, "end_s": 3.0}), r"a\.mp4 rep 1: start_s 3 is not before end_s 3"),
    "before the video": (clip(REP | {"start_s": -1.0}), r"a\.mp4 rep 1 start_s: should be greater than or equal to 0"),
    "no number": (clip(REP | {"end_s": float("nan")}), r"a\.mp4 rep 1 end_s: should be a finite number"),
    "end forgotten": (clip({"start_s": 1.0}), r"a\.mp4 rep 1 end_s: field required"),
    "another name": (clip({"start": 1.0, "end": 2.0}), r"a\.mp4 rep 1 start_s: field required"),
    "reps null": ({"file": "a.mp4", "reps": None}, r"a\.mp4 reps: should be a valid list"),
    "pairs": (clip([1.0, 3.0]), r"a\.mp4 rep 1: should be an? object"),
    "no file": ({"reps": []}, r"entry 1 file: field required"),
    "no clip": ("a.mp4", r"entry 1: should be an? object"),
}


@pytest.mark.parametrize(("entry", "said"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_named_in_one_line(tmp_path: Path, entry: object, said: str) -> None:
    with pytest.raises(DatasetError, match=rf"list\.json: .*{said}") as caught:
        read_clips(written(tmp_path, [entry]))
    assert "\n" not in str(caught.value)


def test_one_clip_without_its_list_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"list\.json: should be a valid list"):
        read_clips(written(tmp_path, clip(REP)))


def test_of_many_slips_a_few_are_named_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"rep 3 .*; and 7 more\."):
        read_clips(written(tmp_path, [clip(*[{"start_s": 1.0}] * 10)]))


def test_a_video_that_is_listed_twice_would_count_twice(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.mp4 listed more than once"):
        read_clips(written(tmp_path, [clip(REP), clip()]))


def test_the_schema_in_the_documentation_is_that_of_the_reader() -> None:
    assert json.loads((ROOT / "docs" / "groundtruth.schema.json").read_text()) == groundtruth_schema()
