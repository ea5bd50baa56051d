"""Drawings of one repetition, never a picture of the person: the skeleton at lockout, and its SkeleMotion image with
what of it is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from backend.context import Context
from backend.errors import UnknownVersion
from backend.models.detectors import cached_detector
from backend.web.dashboard.video import Analyzed, pose_of
from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import PARTS_OF_WALK
from pipeline.errors import ModelError
from pipeline.landmarks import INDEX
from pipeline.records import Floats, Pose
from pipeline.skelemotion import encode, phase_of_column
from pipeline.visuals.pictures import Picture, stacked

_COLOURS = {"normal": "#2a9d55", "anomalous": "#d64545", "": "#888888"}
_NOBODY = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
_MARGIN = 0.12
_DOWNWARDS = ("head", "shoulders", "arms", "hips", "knees", "feet")
_ROWS = sorted(range(len(PARTS_OF_WALK)), key=lambda row: _DOWNWARDS.index(PARTS_OF_WALK[row]))
_FAINT = 0.35
"""How bright motion is where nothing is unusual."""


@dataclass(frozen=True)
class Stretch:
    """Rows or columns of a picture that have one name: where they begin and how many they are, as shares 0..1."""

    name: str
    begin: float
    length: float


def skeleton_svg(pose: Pose, time_s: float, label: str) -> str:
    """The skeleton as it was seen nearest to that moment, as SVG that fits light and dark pages."""
    from pipeline.visuals.annotated_video import BONES, LEAST_VISIBILITY

    detected = np.flatnonzero(pose.detected)
    if not len(detected):
        return _NOBODY
    nearest = detected[np.argmin(np.abs(pose.time[detected] - time_s))]
    points = pose.image[nearest].astype(float)
    seen = np.isfinite(points).all(axis=1) & (pose.visibility[nearest] >= LEAST_VISIBILITY)
    if not seen.any():
        return _NOBODY
    low, high = points[seen].min(axis=0), points[seen].max(axis=0)
    size = max(1.0, float((high - low).max())) * (1 + 2 * _MARGIN)
    left, top = (low + high) / 2 - size / 2
    lines = "".join(
        f'<line x1="{points[a][0]:.1f}" y1="{points[a][1]:.1f}" x2="{points[b][0]:.1f}" y2="{points[b][1]:.1f}"/>'
        for a, b in BONES
        if seen[a] and seen[b]
    )
    nose = INDEX["nose"]
    head = f'<circle cx="{points[nose][0]:.1f}" cy="{points[nose][1]:.1f}" r="{size / 22:.1f}"/>' if seen[nose] else ""
    colour = _COLOURS.get(label, _COLOURS[""])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.1f} {top:.1f} {size:.1f} {size:.1f}">'
        f'<g fill="none" stroke="{colour}" stroke-width="{size / 40:.1f}" stroke-linecap="round">{lines}{head}</g>'
        "</svg>"
    )


def lockout_svg(context: Context, found: Analyzed) -> str:
    """The skeleton at the lockout of the most unusual repetition, or in the middle of the video without one."""
    pose, analysis = pose_of(context, found.analysis), found.analysis
    if pose is None:
        return _NOBODY
    if not analysis.reps:
        return skeleton_svg(pose, analysis.video.duration_s / 2, "")
    pairs = zip(analysis.scores, analysis.reps, strict=True)
    score, rep = max(pairs, key=lambda pair: (pair[0].reliable, pair[0].score))
    return skeleton_svg(pose, rep.top_s, score.label if score.reliable else "")


def motion_png(context: Context, found: Analyzed) -> bytes | None:
    """The pictures of all repetitions below each other, one pixel a value: what is unusual is as bright as the score
    is high, and nothing of one that could not be judged. By the model that judged them; None without landmarks or
    repetitions."""
    pose, reps = pose_of(context, found.analysis), found.analysis.reps
    if pose is None or not reps:
        return None
    detector = _detector(context, found)
    heats = detector.heat_maps(pose, reps)
    config = detector.config.encode
    scores = [score.score if score.reliable else 0.0 for score in found.analysis.scores]
    rows = [
        motion_picture(encode(pose, rep, config).image, heat * score)
        for rep, heat, score in zip(reps, heats, scores, strict=True)
    ]
    return np.asarray(cv2.imencode(".png", stacked(rows)[..., ::-1])[1]).tobytes()


def motion_picture(image: Floats, heat: Floats) -> Picture:
    """The motion of a SkeleMotion image [C, 45, L] in grey, and over it in colour what of it is unusual, heat [45, L]
    in 0..1: RGB [45, L, 3]. Rows are sorted by body part, from head to feet."""
    motion = np.repeat((np.clip(image[2], 0.0, 1.0) * 255 * _FAINT)[..., None], 3, axis=-1)
    shade = cv2.applyColorMap((np.clip(heat, 0.0, 1.0) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = np.clip(heat, 0.0, 1.0)[..., None]
    return np.asarray(motion * (1 - weight) + shade * weight, np.uint8)[_ROWS]


def columns(context: Context, found: Analyzed) -> int:
    """How many columns the pictures have."""
    return _detector(context, found).config.encode.length


def rows_of_body() -> list[Stretch]:
    """Which rows of the picture are of which part of the body."""
    return _stretches([PARTS_OF_WALK[row] for row in _ROWS])


def columns_of_phases(length: int) -> list[Stretch]:
    """Which columns of a picture with so many are of which phase."""
    return _stretches(tuple(phase_of_column(length)))


def _detector(context: Context, found: Analyzed) -> Detector:
    """The model that judged a video, or where that is gone the one that projects start with."""
    try:
        model = context.registry.judged_by(found.row.project, found.row.model_version)
        return cached_detector(model.folder, model.rate)
    except (UnknownVersion, ModelError):
        return cached_detector(context.registry.fallback.folder)


def _stretches(names: Sequence[str]) -> list[Stretch]:
    firsts = [index for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    return [
        Stretch(names[first], first / len(names), (after - first) / len(names))
        for first, after in pairwise([*firsts, len(names)])
    ]
