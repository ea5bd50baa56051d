"""Whether an exported dataset is what was written: sums, and that its files say the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.datasets.formats import FORMATS
from pipeline.datasets.frames import are_frames_of
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.reader import digest_of
from pipeline.datasets.rows import ExportedRep
from pipeline.datasets.versions import MANIFEST, SUMS, file_sum, files_of, read_sums
from pipeline.errors import DatasetError


def problems_of(folder: Path) -> Iterator[str]:
    """What is wrong with a version, one sentence each; nothing for one that is whole.

    Raises DatasetError where nothing can be checked, because the sums or the manifest are missing.
    """
    yield from _of_sums(folder)
    yield from _of_contents(folder)


def _of_sums(folder: Path) -> Iterator[str]:
    sums = read_sums(folder)
    present = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    for name in sorted(sums.keys() - present.keys()):
        yield f"{name} is missing"
    for name in sorted(present.keys() - sums.keys()):
        yield f"{name} is not in {SUMS}: it was added later"
    for name in sorted(sums.keys() & present.keys()):
        try:
            if file_sum(present[name]) != sums[name]:
                yield f"{name} was changed: its SHA-256 is another one"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"


def _of_contents(folder: Path) -> Iterator[str]:
    described = _json(folder / "dataset.json")
    split_of_group: dict[str, str] = {}
    names: set[str] = set()
    videos: set[str] = set()
    count = 0
    for row in rows_of(folder):
        count += 1
        videos.add(row.name)
        if row.rep in names:
            yield f"{row.rep} is twice in {MANIFEST}"
        names.add(row.rep)
        if split_of_group.setdefault(row.group, row.split) != row.split:
            yield f"{row.rep}: {row.group} is in {split_of_group[row.group]} and in {row.split}"
        for name in row.files.values():
            if not (folder / name).is_file():
                yield f"{row.rep}: {name} is not there"
        if row.frame_rate is not None:
            yield from _of_frames(row)
    if described.get("repetitions") != count:
        yield f"dataset.json tells of {described.get('repetitions')} repetitions, {MANIFEST} has {count}"
    if described.get("videos") != len(videos):
        yield f"dataset.json tells of {described.get('videos')} videos, {MANIFEST} has {len(videos)}"
    if described.get("dataset_digest") != digest_of(folder):
        yield f"the labels of {MANIFEST} have another digest than dataset.json tells"
    for form in FORMATS:
        yield from form.problems(folder)
    yield from _of_label_studio(folder)


def _of_frames(row: ExportedRep) -> Iterator[str]:
    if row.start_frame is None or row.end_frame is None or row.frame_rate is None:
        yield f"{row.rep} has a frame rate but no frames"
        return
    if not are_frames_of(row.start_frame, row.end_frame, row.frame_rate, row.start_s, row.end_s):
        yield f"{row.rep}: its frames are not its seconds"


def _of_label_studio(folder: Path) -> Iterator[str]:
    """Its regions against the rows whose frames are known. It has a task per line: it need not be read whole."""
    wanted: Counter[tuple[int, int]] = Counter(
        (row.start_frame, row.end_frame)
        for row in rows_of(folder)
        if row.start_frame is not None and row.end_frame is not None
    )
    found: Counter[tuple[int, int]] = Counter()
    try:
        with (folder / "label_studio.json").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    found.update(_spans(json.loads(line.rstrip().removesuffix(","))))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"label_studio.json cannot be read ({type(error).__name__}: {error})"
        return
    if found != wanted:
        yield f"label_studio.json does not have the repetitions of {MANIFEST}"


def _spans(task: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """The frames of a task's regions; each once, though several controls may speak of it."""
    for annotation in task["annotations"]:
        for result in annotation["result"]:
            if result["type"] == "timelinelabels" and "deadlift" in result.get("meta", {}):
                yield from ((span["start"], span["end"]) for span in result["value"]["ranges"])


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Export the dataset again.") from error
    return content if isinstance(content, dict) else {}
