"""What the page of a video shows: the lift as a curve, repetitions with their reasons, the skeleton, a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.context import Context
from backend.errors import NotInLabelStudio
from backend.labels.corrections import Called, called
from backend.labels.faults import Ticked, stands_for, ticked_for
from backend.labels.proposals import Proposals, begun_at, proposals_of
from backend.storage import overview, summaries
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
from backend.storage.labels import Annotation
from backend.storage.overview import VideoRow
from backend.web.dashboard import charts
from backend.web.dashboard.videos import VideoLine, line
from backend.web.links import Links
from pipeline.landmarks import INDEX
from pipeline.pose.cache import PoseCache
from pipeline.records import Analysis, Origin, Pose
from pipeline.reps.signal import lift_signals

_POINTS = 600
"""A curve has no more points than the chart is wide."""
_DECIMALS = 1


@dataclass(frozen=True)
class RepView:
    """A repetition, numbered from 1; times in seconds. back_bow: in trunk lengths, None where the view says nothing of
    the back; back_is_rounded: whether it looks so. hindrance: what was hidden, "" where that kept nobody from judging.
    reasons: in words, the strongest first. flagged_by: see `RepScore`. called: by people, where otherwise, or where it
    could not be judged.
    fault: that we tick, "" for none; ticked: those that people ticked. x, width: in the chart's units."""

    number: int
    start_s: float
    top_s: float
    end_s: float
    score: float
    p_value: float
    label: str
    reliable: bool
    back_bow: float | None
    back_is_rounded: bool
    hindrance: str
    reasons: tuple[str, ...]
    flagged_by: tuple[Origin, ...]
    called: tuple[Called, ...]
    fault: str
    ticked: tuple[Ticked, ...]
    x: float
    top_x: float
    width: float


@dataclass(frozen=True)
class Signal:
    """Heights of a person's shoulders and wrists through one shot, as points of SVG polylines."""

    shoulder: str
    wrist: str


@dataclass(frozen=True)
class LabelLine:
    """An annotation of the task."""

    id: int
    annotator: int | None
    updated_at: str
    is_skipped: bool
    normal: int
    anomalous: int
    began_with: str


@dataclass(frozen=True)
class VideoView:
    """A task's video. line: the job that counts; shown: the version that repetitions and curve are of, "" where it was
    never analyzed; rate: the nominal rate of false alarms, 0..1, that they were judged at, None where not known.
    has_playable_copy: whether people are shown a copy of it in H.264. normal_rep: the number of the
    repetition that is the least unusual, None where none is normal. has_landmarks: whether a skeleton can be drawn.
    highest_m: the height that the chart of the curves has. predictions: every analysis, the newest first; stored: of
    each whether it is, or was, in Label Studio, in words."""

    line: VideoLine
    shown: str
    rate: float | None
    duration_s: float
    late_start: str
    has_playable_copy: bool
    reps: tuple[RepView, ...]
    normal_rep: int | None
    has_landmarks: bool
    signals: tuple[Signal, ...]
    highest_m: float
    predictions: tuple[VideoLine, ...]
    stored: tuple[str, ...]
    labels: tuple[LabelLine, ...]


@dataclass(frozen=True)
class Landmarks:
    """A drawn skeleton through time. points: for each time the x and y of each joint in pixels of a picture of this
    width and height, null where it is not seen, and null for a whole pose where nobody is. bones: pairs of joints by
    their place in points; head: the place of the nose."""

    width: int
    height: int
    times: list[float]
    points: list[list[float | None] | None]
    bones: list[tuple[int, int]]
    head: int


@dataclass(frozen=True)
class Analyzed:
    """The readable analysis of a task that counts, by which job."""

    row: VideoRow
    analysis: Analysis


def analyzed(context: Context, task: int, project: int | None = None) -> Analyzed | None:
    """The analysis of a task that counts, of those that can be read: by the model in use, or else the newest.

    None without one. Raises NotInLabelStudio for an unknown task.
    """
    summaries.refresh(context.store.engine)
    for row in overview.first_by(context.versions_in_use(), _jobs(context.store, task, project)):
        job = context.store.job(row.job) if row.state == "done" and row.confidence is not None else None
        if job is not None:
            return Analyzed(row, load_analysis(job.result))
    return None


def pose_of(context: Context, analysis: Analysis) -> Pose | None:
    """The landmarks of an analyzed video, None where they are no longer kept."""
    if not analysis.media_digest:
        return None
    return PoseCache(context.pose_dir).get(analysis.media_digest, context.config.pose)


def video_view(context: Context, links: Links, task: int, project: int | None = None) -> VideoView:
    """Everything about the video of a task. Raises NotInLabelStudio for one that was never asked for."""
    store = context.store
    found = analyzed(context, task, project)
    rows = _jobs(store, task, project)
    pose = pose_of(context, found.analysis) if found is not None else None
    signals, high = _signals(context, pose, found.analysis) if found is not None and pose is not None else ((), 0.0)
    return VideoView(
        line=line(overview.first_by(context.versions_in_use(), rows)[0], links),
        shown=found.row.model_version if found is not None else "",
        rate=context.registry.rate_of(found.row.project, found.row.model_version) if found is not None else None,
        duration_s=found.analysis.video.duration_s if found is not None else 0.0,
        late_start=found.analysis.video.late_start if found is not None else "",
        has_playable_copy=found is not None and found.analysis.video.has_playable_copy,
        reps=_reps(store, found) if found is not None else (),
        normal_rep=normal_rep(found.analysis) if found is not None else None,
        has_landmarks=pose is not None and bool(pose.detected.any()),
        signals=signals,
        highest_m=high,
        predictions=tuple(line(row, links) for row in rows),
        stored=_stored(context, rows),
        labels=_labels(store, rows[0].project, task),
    )


def normal_rep(analysis: Analysis) -> int | None:
    """The number, from 1, of the repetition that is the least unusual; None where none is normal."""
    normal = [(score.score, n) for n, score in enumerate(analysis.scores, 1) if score.reliable and not score.is_anomaly]
    return min(normal)[1] if normal else None


def landmarks(pose: Pose) -> Landmarks:
    """What the player draws."""
    from pipeline.visuals.annotated_video import BONES, JOINTS, LEAST_VISIBILITY

    place = {joint: index for index, joint in enumerate(JOINTS)}
    image = np.where(pose.visibility[..., None] >= LEAST_VISIBILITY, pose.image, np.nan)[:, list(JOINTS)]
    points: list[list[float | None] | None] = []
    for detected, joints in zip(pose.detected, image.reshape(len(pose.time), -1), strict=True):
        rounded = np.round(joints.astype(float), _DECIMALS).tolist()
        points.append([value if value == value else None for value in rounded] if detected else None)
    return Landmarks(
        pose.width,
        pose.height,
        [round(float(time), 3) for time in pose.time],
        points,
        [(place[a], place[b]) for a, b in BONES],
        place[INDEX["nose"]],
    )


def _jobs(store: Store, task: int, project: int | None) -> list[VideoRow]:
    """The newest first. What a new model made needless may be all that there is of a task: it is begun anew soon."""
    rows = overview.task_jobs(store.engine, task, project)
    if not rows:
        raise NotInLabelStudio(f"No video of a task {task} is known here. Label Studio asks for it when it is opened.")
    return [row for row in rows if row.project == rows[0].project]


def _reps(store: Store, found: Analyzed) -> tuple[RepView, ...]:
    analysis, row = found.analysis, found.row
    faults = stands_for(store, row.project, analysis)
    ticked = ticked_for(store, row.project, row.task, analysis)
    said = called(analysis, store.labels.of_project(row.project, row.task))

    def across(seconds: float) -> float:
        return seconds / analysis.video.duration_s * charts.WIDTH

    return tuple(
        RepView(
            number,
            rep.start_s,
            rep.top_s,
            rep.end_s,
            score.score,
            score.p_value,
            score.label,
            score.reliable,
            score.back_bow,
            score.back_is_rounded,
            score.hindrance,
            tuple(map(str, score.reasons)) if score.reliable else (),
            score.flagged_by if score.reliable else (),
            tuple(one for one in said if one.number == number and (one.label != score.label or not score.reliable)),
            faults[number - 1],
            tuple(one for one in ticked if one.number == number),
            across(rep.start_s),
            across(rep.top_s),
            across(rep.duration_s),
        )
        for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1)
    )


def _signals(context: Context, pose: Pose, analysis: Analysis) -> tuple[tuple[Signal, ...], float]:
    """The curves, and their highest place in metres above the lowest of their shot."""
    config = context.config.segment
    found = list(lift_signals(pose, config.smoothing_s, config.max_gap_s))
    if not found:
        return (), 0.0
    floors = [min(float(one.shoulder.min()), float(one.wrist.min())) for one in found]
    high = max(
        float(max(one.shoulder.max(), one.wrist.max())) - floor for one, floor in zip(found, floors, strict=True)
    )
    seconds = (0.0, analysis.video.duration_s)
    result = []
    for one, floor in zip(found, floors, strict=True):
        share = (one.time[-1] - one.time[0]) / analysis.video.duration_s
        step = max(1, int(len(one.time) / max(2.0, _POINTS * share)))
        curves = [
            charts.line(one.time[::step].tolist(), (heights[::step] - floor).tolist(), seconds, (0.0, high))
            for heights in (one.shoulder, one.wrist)
        ]
        result.append(Signal(*curves))
    return tuple(result), high


def _stored(context: Context, rows: Sequence[VideoRow]) -> tuple[str, ...]:
    """Of each prediction whether Label Studio has it still: one that came later took its place, unless somebody had
    begun to label then, or predictions are never removed (`backend.predictions.delivery`)."""
    store, (project, task) = context.store, (rows[0].project, rows[0].task)
    labels = [one for one in store.labels.annotations(task) if one.project == project and not one.deleted]
    with Session(store.engine) as session:
        begun = begun_at(session, labels)
    first_label = min(begun.values(), default=datetime.max)
    at = [row.delivered_at if row.delivery == "pushed" else None for row in rows]
    replaced = (
        [moment for moment in at if moment is not None and moment < first_label] if context.remove_superseded else []
    )
    last = max(replaced, default=datetime.min)
    return tuple("" if moment is None else "was stored" if moment < last else "stored" for moment in at)


def _labels(store: Store, project: int, task: int) -> tuple[LabelLine, ...]:
    found = [one for one in store.labels.annotations(task) if one.project == project and not one.deleted]
    with Session(store.engine) as session:
        begun_with = proposals_of(session, found)
    return tuple(_label_line(store, one, begun_with.get(one.id)) for one in reversed(found))


def _label_line(store: Store, one: Annotation, begun_with: Proposals | None) -> LabelLine:
    regions = store.labels.labelled_regions(one.id)
    return LabelLine(
        one.id,
        one.annotator,
        one.updated_at,
        one.was_cancelled,
        sum(region.label == "normal" for region in regions),
        sum(region.label == "anomalous" for region in regions),
        begun_with.model_version if begun_with is not None else "",
    )
