"""The one place for Label Studio's JSON: predictions out, events and annotations in. Pure functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from backend.errors import BadRequest
from backend.labelstudio.labeling_config import Controls, FaultChoice
from pipeline.datasets.frames import nearest_frames_within, to_frames, to_seconds
from pipeline.records import ROUNDED_BACK, Analysis, Reason, RepLabel, RepScore

Json = dict[str, Any]
Read = TypeVar("Read")

log = logging.getLogger(__name__)

_COARSE = 0.75
"""Share of the video's rate below which a timeline is coarse."""
_ROUNDED = Reason("back", "pull", 0.0)
"""What stands for a rounded back in a labeling config: the back during the pull."""
_MOST_BROKEN = 100
"""Entries of one request that cannot be understood, beside others: each has a text of its own."""
_MOST_FRAMES = 2**53
"""Above it numbers of JavaScript are not exact."""


@dataclass(frozen=True)
class Task:
    """What the backend needs to know of a Label Studio task."""

    id: int
    project: int
    data: Json


@dataclass(frozen=True)
class AnnotatedRegion:
    """A repetition as a person left it: [start_s, end_s) and how it came about.

    origin is Label Studio's word: prediction (untouched), prediction-changed, manual, or "" (made by API).
    """

    id: str
    start_s: float
    end_s: float
    label: RepLabel
    origin: str


@dataclass(frozen=True)
class UnusedRegion:
    """A region of the repetitions' timeline, [start_s, end_s), with a label that is neither of the two."""

    region: str
    start_s: float
    end_s: float
    label: str
    origin: str


@dataclass(frozen=True)
class TasksCreated:
    tasks: tuple[Task, ...]
    label_config: str


@dataclass(frozen=True)
class AnnotationsSaved:
    """Annotations made or changed, each with its task (raw JSON of the annotation)."""

    annotations: tuple[tuple[Json, Task], ...]
    label_config: str


@dataclass(frozen=True)
class AnnotationsDeleted:
    annotation_ids: tuple[int, ...]
    project: int | None = None


@dataclass(frozen=True)
class TasksDeleted:
    task_ids: tuple[int, ...]
    project: int | None = None


@dataclass(frozen=True)
class StartTraining:
    project: int
    label_config: str


@dataclass(frozen=True)
class ProjectUpdated:
    project: int
    label_config: str


@dataclass(frozen=True)
class Ignored:
    action: str


Event = TasksCreated | AnnotationsSaved | AnnotationsDeleted | TasksDeleted | StartTraining | ProjectUpdated | Ignored


def to_prediction(analysis: Analysis, controls: Controls, rate: float, cluster: int | None = None) -> Json:
    """A prediction as Label Studio stores it; its score is its `rank` (active learning shows the lowest first).

    cluster: of videos that look alike; uncertainty sampling takes turns among them.
    """
    results: list[Json] = []
    previous_end = 0
    for index, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1):
        # In coarse frames, outer boundaries would be off by up to one: the nearest are off by half of one.
        is_coarse = rate < _COARSE * analysis.video.fps
        frames = nearest_frames_within if is_coarse else to_frames
        start, end = frames(rep.start_s, rep.end_s, rate, analysis.video.duration_s)
        # Touch-and-go repetitions share an instant, but regions no frame, unless one is too short to have its own.
        start = min(max(start, previous_end + 1), end)
        previous_end = end
        results += _region_results(f"rep{index}", start, end, score, controls, analysis.video.late_start)
    prediction = {
        "model_version": analysis.model_version,
        "score": rank(analysis),
        "result": results,
    }
    return prediction if cluster is None else prediction | {"cluster": cluster}


def rank(analysis: Analysis) -> float:
    """0..1, the confidence; 1, and so the last, where there is nothing to label."""
    return 1.0 if analysis.shows_nobody else round(confidence(analysis), 4)


def confidence(analysis: Analysis) -> float:
    """0..1, low = a person should look: a doubtful cut, or a repetition that is nearly as normal as anomalous."""
    return min(analysis.confidence, *(score.decision_confidence for score in analysis.scores), 1.0)


def _region_results(
    region: str, start: int, end: int, score: RepScore, controls: Controls, late_start: str
) -> list[Json]:
    ranges = [{"start": start, "end": end}]
    shown = round(score.score, 3)

    def result(kind: str, name: str, value: Json) -> Json:
        return {
            "id": region,
            "type": kind,
            "from_name": name,
            "to_name": controls.video,
            "value": {"ranges": ranges, **value},
        }

    label = result("timelinelabels", controls.labels, {"timelinelabels": [controls.label_value(score.label)]})
    words = f"anomaly {shown:.2f}" if score.reliable else _unjudged(score)
    if late_start:
        words += f"; the video {late_start}"
    results = [label | {"meta": {"text": [words]}}]
    if score.reliable:
        results[0]["score"] = shown
        if controls.number:
            results.append(result("number", controls.number, {"number": shown}))
    fault = ticked_fault(score, controls)
    if fault:
        results.append(result("choices", controls.choices, {"choices": [fault]}))
    note = note_text(score, is_guess=fault != "" and fault != hinted_fault(score, controls))
    if controls.text and note:
        results.append(result("textarea", controls.text, {"text": [note]}))
    return results


def ticked_fault(score: RepScore, controls: Controls) -> str:
    """The fault that we tick for an anomalous repetition, by its first reason that stands for one; "" for none.

    A back that looks rounded comes before the reasons, which are guesses of what makes it unusual: it was seen.
    """
    if not (controls.choices and score.is_anomaly):
        return ""
    return hinted_fault(score, controls) or likely_fault(score.reasons, controls.choice_values)


def hinted_fault(score: RepScore, controls: Controls) -> str:
    """The fault that stands for a back that looks rounded, "" where it does not. The note of a normal repetition says
    so too, which ticks nothing."""
    if not controls.choices:
        return ""
    return likely_fault((_ROUNDED,), controls.choice_values) if score.back_is_rounded else ""


def note_text(score: RepScore, is_guess: bool = False) -> str:
    """That the back looks rounded, and the reasons in words; "" for a repetition with nothing to say about. is_guess:
    whether a fault comes ticked by a reason, as what is unusual need not be a fault, nor this one."""
    said = [ROUNDED_BACK] if score.back_is_rounded else []
    if not score.reliable:
        said.insert(0, _unjudged(score))
    elif score.is_anomaly and score.reasons:
        said.append("unusual: " + ", ".join(str(reason) for reason in score.reasons))
    if is_guess:
        said.append("ticked fault: a guess")
    return "; ".join(said)


def _unjudged(score: RepScore) -> str:
    return f"not judged: {score.hindrance}" if score.hindrance else "not judged reliably: please check"


def likely_fault(reasons: Iterable[Reason], choices: Iterable[FaultChoice]) -> str:
    """The choice that names the strongest reason, or "".

    A choice says what it stands for by `predicted_values` ("hips pull" or "hips"); one without is matched by the body
    part in its own words.
    """
    for reason in reasons:
        part, phase = reason.body_part.lower(), reason.phase
        for wanted in (f"{part} {phase}", part):
            for choice in choices:
                if wanted in choice.predicted:
                    return choice.value
        for choice in choices:
            if not choice.predicted and part.rstrip("s") in choice.value.lower():
                return choice.value
    return ""


def parse_task(payload: Any, project: int | None = None) -> Task:
    """A task of a request. Raises BadRequest where it has no id or data."""
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), dict):
        raise BadRequest("Expected a task with id, project and data.")
    return Task(
        parse_id(payload.get("id"), "task"), parse_id(payload.get("project") or project, "project"), payload["data"]
    )


def parse_tasks(payload: Any, project: int | None = None) -> list[Task | BadRequest]:
    """The tasks of a request, in order, with what is wrong in place of one that cannot be understood.

    Raises BadRequest where there is no list at all, or one of little else than what cannot be understood.
    """
    if not isinstance(payload, list):
        raise BadRequest('Expected a JSON object with a list of "tasks".')
    tasks: list[Task | BadRequest] = []
    broken = 0
    for item in payload:
        try:
            tasks.append(parse_task(item, project))
        except BadRequest as error:
            broken += 1
            if broken > _MOST_BROKEN:
                raise
            tasks.append(error)
    return tasks


def parse_project(value: Any) -> int:
    """The project id of "12.1795325641", "12" or 12. Raises BadRequest."""
    return parse_id(value.split(".")[0] if isinstance(value, str) else value, "project")


def parse_id(value: Any, thing: str) -> int:
    """A number that Label Studio counts things with, also in digits. Raises BadRequest."""
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise BadRequest(f"Expected the id of a {thing}, got {str(value)[:40]!r}.")
    return number


def parse_event(payload: Any) -> Event:
    """A webhook's body as one of the events. Unknown actions are Ignored; a broken entry among others is left out.

    Raises BadRequest for a broken body.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("action"), str):
        raise BadRequest('Expected a JSON object with an "action".')
    action = payload["action"]
    project = payload.get("project") if isinstance(payload.get("project"), dict) else {}
    label_config = str((project or {}).get("label_config") or "")
    project_id = (project or {}).get("id")
    if project_id is not None:
        project_id = parse_project(project_id)
    match action:
        case "TASKS_CREATED":
            given = _readable(_list(payload, "tasks"), lambda task: parse_task(task, project_id))
            return TasksCreated(given, label_config)
        case "TASKS_DELETED":
            return TasksDeleted(_ids(_list(payload, "tasks")), project_id)
        case "ANNOTATION_CREATED" | "ANNOTATION_UPDATED" | "ANNOTATIONS_CREATED":
            annotations = _list(payload, "annotation")
            given = _readable(_list(payload, "task"), lambda task: parse_task(task, project_id))
            tasks = {task.id: task for task in given}
            return AnnotationsSaved(_readable(annotations, lambda one: _with_task(one, tasks)), label_config)
        case "ANNOTATIONS_DELETED":
            return AnnotationsDeleted(_ids(_list(payload, "annotations")), project_id)
        case "START_TRAINING":
            return StartTraining(parse_project(project_id), label_config)
        case "PROJECT_UPDATED":
            return ProjectUpdated(parse_project(project_id), label_config)
    return Ignored(action)


def parse_regions(results: Any, controls: Controls, rate: float) -> tuple[AnnotatedRegion, ...]:
    """The repetitions of an annotation. The label decides, never a stale score; other controls' results are skipped.

    Label Studio accepts whatever its API is given: what is no repetition (no frames, no known label) is left out, and
    frames that are fractions or the wrong way round are put right.
    """
    regions = []
    for result, labels, start_s, end_s in _timeline_regions(results, controls, rate):
        meanings = (controls.rep_label(text) for text in labels)
        label = next((label for label in meanings if label is not None), None)
        if label is not None:
            regions.append(
                AnnotatedRegion(str(result.get("id") or ""), start_s, end_s, label, str(result.get("origin") or ""))
            )
    return tuple(sorted(regions, key=lambda region: region.start_s))


def unused_regions(results: Any, controls: Controls, rate: float) -> tuple[UnusedRegion, ...]:
    """The regions of an annotation that `parse_regions` leaves out for their label."""
    return tuple(
        UnusedRegion(str(result.get("id") or ""), start_s, end_s, str(labels[0]), str(result.get("origin") or ""))
        for result, labels, start_s, end_s in _timeline_regions(results, controls, rate)
        if labels and all(controls.rep_label(text) is None for text in labels)
    )


def _timeline_regions(results: Any, controls: Controls, rate: float) -> Iterator[tuple[Json, list[Any], float, float]]:
    """The regions of the repetitions' timeline: as stored, with labels, start and end in seconds."""
    for result in _items(results):
        if not isinstance(result, dict) or result.get("from_name") != controls.labels:
            continue
        value = result.get("value")
        if result.get("type") != "timelinelabels" or not isinstance(value, dict):
            continue
        for span in _items(value.get("ranges")):
            frames = _frames(span)
            if frames is not None:
                yield result, _items(value.get("timelinelabels")), *to_seconds(*frames, rate)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _frames(span: Any) -> tuple[int, int] | None:
    """First and last frame of a stored range; None where one is no number, or more than any video has."""
    start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else (None, None)
    if not (isinstance(start, int | float) and isinstance(end, int | float)):
        return None
    if not (abs(start) <= _MOST_FRAMES and abs(end) <= _MOST_FRAMES):  # JSON's integers have any number of digits
        return None
    first, last = sorted((max(1, round(start)), max(1, round(end))))
    return first, last


def _list(payload: Json, key: str) -> list[Any]:
    """The list under a key; Label Studio sends one annotation as an object and several as a list."""
    value = payload.get(key)
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value]
    raise BadRequest(f'Expected "{key}" in a {payload["action"]} event.')


def _ids(items: list[Any]) -> tuple[int, ...]:
    return _readable(items, lambda item: parse_id(item.get("id") if isinstance(item, dict) else None, "deleted object"))


def _with_task(annotation: Any, tasks: dict[int, Task]) -> tuple[Json, Task]:
    if not isinstance(annotation, dict):
        raise BadRequest("Expected annotations with an id.")
    number = parse_id(annotation.get("id"), "annotation")
    task = tasks.get(parse_id(annotation.get("task"), "task"))
    if task is None:
        raise BadRequest(f"Annotation {number} comes without its task.")
    return annotation, task


def _readable(items: list[Any], read: Callable[[Any], Read]) -> tuple[Read, ...]:
    """What can be read of a list. Raises BadRequest where nothing of it can, or much cannot."""
    found: list[Read] = []
    errors: list[BadRequest] = []
    for item in items:
        try:
            found.append(read(item))
        except BadRequest as error:
            errors.append(error)
            if len(errors) > _MOST_BROKEN:
                raise
    if errors and not found:
        raise errors[0]
    for left_out in errors:
        log.warning("A part of an event is left out: %s", left_out)
    return tuple(found)
