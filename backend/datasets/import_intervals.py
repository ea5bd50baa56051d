"""Intervals that people labelled elsewhere, brought into a Label Studio project: as predictions or as annotations."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backend.errors import LabelStudioError
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.file_names import name_for_files, names_for_files
from backend.labelstudio.format import Json, Task
from backend.labelstudio.labeling_config import Controls, effective_rate, parse_controls
from pipeline.datasets.frames import nearest_frames
from pipeline.datasets.intervals import NamedInterval
from pipeline.datasets.rows import LABELS, video_name
from pipeline.errors import DatasetError
from pipeline.records import RepLabel


@dataclass(frozen=True)
class ImportRequest:
    """What to bring where.

    task: the one that all of them are of; None for those whose videos they name. words: what labels mean besides the
    project's own and "normal" and "anomalous"; upper and lower case are one.
    """

    project: int
    task: int | None = None
    as_annotations: bool = False
    words: Mapping[str, RepLabel] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """What came of an import: intervals and tasks that got them, version: of predictions, "" for annotations.

    already: tasks left out, which have annotations, or these very predictions. missing: (video, why) of what has no
    task.
    """

    intervals: int
    tasks: int
    version: str
    already: tuple[int, ...]
    missing: tuple[tuple[str, str], ...]


def import_intervals(
    client: LabelStudioClient,
    request: ImportRequest,
    intervals: Sequence[NamedInterval],
    on_progress: Callable[[int, int], None],
) -> Imported:
    """Store the intervals of each task as one prediction or annotation; on_progress gets tasks done, and of how many.

    May be interrupted and repeated: a task gets nothing twice. Raises LabelStudioError, LabelConfigError, and
    DatasetError for labels that mean nothing, before anything is stored.
    """
    controls = parse_controls(client.label_config(request.project))
    labels = _labels(intervals, controls, request.words)
    version = "" if request.as_annotations else f"import-{_digest(intervals, labels)}"
    tasks = {task.id: (task, count, versions) for task, count, versions in client.tasks(request.project)}
    by_task, missing = _by_task(intervals, request, controls, [task for task, _, _ in tasks.values()])
    already, stored = [], 0
    for number, (task_id, found) in enumerate(by_task.items()):
        on_progress(number, len(by_task))
        task, annotations, versions = tasks[task_id]
        if annotations if request.as_annotations else version in versions:
            already.append(task_id)
            continue
        rate = effective_rate(controls, task.data)
        result = [_region(one, labels[one.label], rate, controls, index) for index, one in enumerate(found, start=1)]
        if request.as_annotations:
            client.create_annotation(task_id, result)
        else:
            client.create_prediction(task_id, {"result": result, "score": None, "model_version": version})
        stored += len(found)
    on_progress(len(by_task), len(by_task))
    return Imported(stored, len(by_task) - len(already), version, tuple(already), tuple(missing))


def _labels(
    intervals: Iterable[NamedInterval], controls: Controls, words: Mapping[str, RepLabel]
) -> dict[str, RepLabel]:
    """What each label that occurs means."""
    known: dict[str, RepLabel] = {label: label for label in LABELS}
    known |= {controls.label_value(label).casefold(): label for label in LABELS}
    known |= {word.casefold(): label for word, label in words.items()}
    used = sorted({one.label for one in intervals})
    unknown = [label for label in used if label.casefold() not in known]
    if unknown:
        raise DatasetError(
            f"Not known what these labels mean: {', '.join(map(repr, unknown))}. Say it with --normal and --anomalous."
        )
    return {label: known[label.casefold()] for label in used}


def _by_task(
    intervals: Iterable[NamedInterval], request: ImportRequest, controls: Controls, tasks: Sequence[Task]
) -> tuple[dict[int, list[NamedInterval]], list[tuple[str, str]]]:
    """The intervals of each task in order of time, and the videos without one."""
    by_address: dict[str, list[int]] = defaultdict(list)
    by_name: dict[str, list[int]] = defaultdict(list)
    for task in tasks:
        address = controls.media_of(task.data)
        by_address[shown_address(address)].append(task.id)
        for called in {video_name(name) for name in names_for_files(address)}:
            by_name[called].append(task.id)
    if request.task is not None and all(task.id != request.task for task in tasks):
        raise LabelStudioError(f"Project {request.project} has no task {request.task}. Check --task and --project.")
    found: dict[int, list[NamedInterval]] = defaultdict(list)
    missing: dict[str, str] = {}
    for one in sorted(intervals, key=lambda interval: (interval.start_s, interval.end_s)):
        # A file's address or path may come from another system.
        name = video_name(name_for_files(one.video.replace("\\", "/")))
        known = [request.task] if request.task is not None else by_address.get(one.video) or by_name.get(name, [])
        if len(known) == 1:
            found[known[0]].append(one)
        else:
            missing[one.video] = f"tasks {', '.join(map(str, known))} all have it" if known else "no task has it"
    return dict(found), list(missing.items())


def _digest(intervals: Iterable[NamedInterval], labels: Mapping[str, RepLabel]) -> str:
    lines = sorted(f"{one.video} {one.start_s!r} {one.end_s!r} {labels[one.label]}" for one in intervals)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def _region(one: NamedInterval, label: RepLabel, rate: float, controls: Controls, number: int) -> Json:
    """The interval as a timeline region: of the frames whose boundaries are nearest."""
    start, end = nearest_frames(one.start_s, one.end_s, rate)
    return {
        "id": f"import{number}",
        "type": "timelinelabels",
        "from_name": controls.labels,
        "to_name": controls.video,
        "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": [controls.label_value(label)]},
    }
