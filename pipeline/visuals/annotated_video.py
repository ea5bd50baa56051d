"""The annotated video: the skeleton, the repetition at hand with its score and reason, and a bar of the whole set."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.media import reading, writing
from pipeline.pose.interpolation import neighbours
from pipeline.records import Analysis, OnProgress, Pose

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

MAX_SIDE_PX = 1280
"""Larger videos are shrunk: the result is for people to watch, not to measure in."""
_COLOURS: dict[str, Colour] = {"normal": (64, 192, 96), "anomalous": (235, 64, 64), "": (225, 225, 225)}
_PANEL: Colour = (20, 22, 26)
BONES = tuple(
    (INDEX[f"{side}_{a}"], INDEX[f"{side}_{b}"])
    for side in ("left", "right")
    for a, b in (
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("wrist", "index"),
        ("shoulder", "hip"),
        ("hip", "knee"),
        ("knee", "ankle"),
        ("ankle", "heel"),
        ("heel", "foot_index"),
    )
) + tuple((INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]) for joint in ("shoulder", "hip"))
JOINTS = tuple(sorted({row for bone in BONES for row in bone} | {INDEX["nose"]}))
LEAST_VISIBILITY = 0.3
_LONGEST_GAP_S = 0.5
"""Between two poses further apart than this nothing is drawn: the person was lost, or the rate is very low."""


def render(
    path: str | Path, pose: Pose, analysis: Analysis, target: str | Path, on_progress: OnProgress | None = None
) -> int:
    """Write the video at `path` with what was found in it drawn in, at its own frame times and with its sound.

    Args:
        path: the video file.
        pose: the landmarks of the person in it.
        analysis: its repetitions and their scores.
        target: the MP4 to write; what was there stays until the end.
        on_progress: called with the share (0..1) of the video that is drawn.

    Returns:
        The number of frames.

    Raises:
        VideoError: the video cannot be read.
        OSError: `target` cannot be written; nothing half-written is left.
    """
    rate = Fraction(analysis.video.fps).limit_denominator(1001)
    return writing.write(target, annotated(Path(path), pose, analysis, on_progress), rate, sound_of=Path(path))


def annotated(
    path: Path, pose: Pose, analysis: Analysis, on_progress: OnProgress | None = None
) -> Iterator[tuple[float, Picture]]:
    """(time_s, RGB picture [height, width, 3]) of every frame of the video, drawn on; its longer side is at most
    MAX_SIDE_PX. on_progress: called with the share (0..1) of the video that is drawn."""
    for time_s, picture in reading.frames(path, max_side_px=MAX_SIDE_PX):
        yield time_s, draw(picture, pose, analysis, time_s)
        if on_progress is not None:
            on_progress(min(1.0, time_s / analysis.video.duration_s))


def draw(picture: Picture, pose: Pose, analysis: Analysis, time_s: float) -> Picture:
    """The picture of that moment with skeleton, panel and bar; the given one is not changed."""
    drawn = picture.copy()
    number = _rep_at(analysis, time_s)
    colour = _COLOURS[analysis.scores[number].label if number is not None else ""]
    points = landmarks_at(pose, time_s)
    if points is not None:
        _draw_skeleton(drawn, points * (picture.shape[1] / pose.width), colour)
    _draw_panel(drawn, *_words(analysis, number, time_s), colour)
    _draw_bar(drawn, analysis, time_s)
    return drawn


def landmarks_at(pose: Pose, time_s: float) -> NDArray[np.float64] | None:
    """[33, 2] pixels in between the two nearest poses of one shot, NaN where hardly visible; None where nobody is."""
    if not len(pose.time) or time_s > pose.time[-1] + _LONGEST_GAP_S:
        return None
    if pose.time[0] < time_s <= pose.time[-1]:
        beside = neighbours(pose.time, time_s)
        before, after, share = int(beside.before), int(beside.after), float(beside.share)
    else:  # the first pose or the last alone
        before = after = 0 if time_s <= pose.time[0] else len(pose.time) - 1
        share = 0.0
    if not (pose.detected[before] and pose.detected[after]) or pose.shot[before] != pose.shot[after]:
        return None
    if pose.time[after] - pose.time[before] > _LONGEST_GAP_S:
        return None
    points: NDArray[np.float64] = (1 - share) * pose.image[before].astype(np.float64) + share * pose.image[after]
    visibility = np.minimum(pose.visibility[before], pose.visibility[after])
    points[visibility < LEAST_VISIBILITY] = np.nan
    return points


def _rep_at(analysis: Analysis, time_s: float) -> int | None:
    return next((number for number, rep in enumerate(analysis.reps) if rep.start_s <= time_s < rep.end_s), None)


def _words(analysis: Analysis, number: int | None, time_s: float) -> tuple[str, str]:
    """The two lines of the panel."""
    total = len(analysis.reps)
    if number is None:
        done = sum(rep.end_s <= time_s for rep in analysis.reps)
        return (f"{done} of {total} repetitions" if total else "No repetition found"), ""
    score = analysis.scores[number]
    title = f"Repetition {number + 1} of {total}: {score.label}, {score.score:.2f}"
    if not score.reliable:
        return title, "hard to judge: please check"
    return title, str(score.reasons[0]) if score.is_anomaly and score.reasons else ""


def _draw_skeleton(picture: Picture, points: NDArray[np.float64], colour: Colour) -> None:
    thick = max(1, round(max(picture.shape) / 320))
    shown = np.isfinite(points).all(axis=1)
    pixels = np.nan_to_num(points * 16, posinf=0, neginf=0).round().astype(np.int32)
    for width, ink in ((thick + 2, _PANEL), (thick, colour)):  # a dark rim keeps it visible on any clothes
        for a, b in BONES:
            if shown[a] and shown[b]:
                cv2.line(picture, pixels[a].tolist(), pixels[b].tolist(), ink, width, cv2.LINE_AA, shift=4)
    for joint in JOINTS:
        if shown[joint]:
            cv2.circle(picture, pixels[joint].tolist(), (thick + 1) * 16, (255, 255, 255), -1, cv2.LINE_AA, shift=4)


def _draw_panel(picture: Picture, title: str, why: str, colour: Colour) -> None:
    size = max(13, round(max(picture.shape) / 42))
    panel = _panel(title, why, colour, size)
    height, width = min(panel.shape[0], picture.shape[0]), min(panel.shape[1], picture.shape[1])
    place = picture[:height, :width]
    place[:] = cv2.addWeighted(place, 0.25, panel[:height, :width], 0.75, 0.0)


def _draw_bar(picture: Picture, analysis: Analysis, time_s: float) -> None:
    """The whole video along the lower edge: repetitions in their colours, and where it is now."""
    height, width = picture.shape[:2]
    thick = max(8, round(height / 40))
    bar = picture[height - thick :]
    bar[:] = cv2.addWeighted(bar, 0.25, np.full_like(bar, _PANEL), 0.75, 0.0)

    def column(seconds: float) -> int:
        return int(np.clip(round(seconds / analysis.video.duration_s * width), 0, width - 1))

    for rep, score in zip(analysis.reps, analysis.scores, strict=True):
        bar[2:-2, column(rep.start_s) : max(column(rep.start_s) + 1, column(rep.end_s) - 1)] = _COLOURS[score.label]
    now = column(time_s)
    bar[:, max(0, now - 1) : now + 2] = 255


@lru_cache(maxsize=64)
def _panel(title: str, why: str, colour: Colour, size: int) -> Picture:
    """Words on a dark ground. They change once per repetition, and are drawn as often."""
    from matplotlib import font_manager  # brings a font along: the system may have none
    from PIL import Image, ImageDraw, ImageFont

    face = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    lines = [title, why] if why else [title]
    pad, step = size // 2, round(size * 1.4)
    width = max(round(face.getlength(line)) for line in lines) + 3 * pad
    image = Image.new("RGB", (width, step * len(lines) + pad), _PANEL)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, pad // 2, image.height), fill=colour)
    for row, line in enumerate(lines):
        pen.text((pad * 1.5, pad // 2 + row * step), line, font=face, fill=colour if row == 0 else (235, 235, 235))
    return np.asarray(image)
