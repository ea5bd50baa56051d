"""The annotated video: skeleton, bar path, the repetition at hand with its judgement and measures, and a bar of the
whole set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.media import reading, writing
from pipeline.media.canvas import Canvas, Colour, Overlay
from pipeline.pose.interpolation import neighbours
from pipeline.records import ROUNDED_BACK, Analysis, Floats, OnProgress, Pose
from pipeline.skelemotion import encode
from pipeline.visuals.lettering import GROUND, panel
from pipeline.visuals.measures import measure
from pipeline.visuals.words import angles_in_words, tempo_in_words, verdict, why

MAX_SIDE_PX = 1280
"""Larger videos are shrunk: the result is for people to watch, not to measure in."""
COLOURS: dict[str, Colour] = {
    "normal": (64, 192, 96),
    "unusual": (240, 80, 72),
    "not judged": (240, 190, 70),
    "": (225, 225, 225),
}
_UP: Colour = (70, 200, 255)
_DOWN: Colour = (255, 170, 60)
_WHITE: Colour = (255, 255, 255)
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
_PATH_STAYS_S = 1.0
_PANEL_OPACITY = 0.88
_WORST_S = 0.15
"""The worst moment is marked so long before and after it."""


def render(
    path: str | Path,
    pose: Pose,
    analysis: Analysis,
    target: str | Path,
    on_progress: OnProgress | None = None,
    heats: Sequence[Floats] = (),
    slow: float = 1.0,
) -> int:
    """Write the video at `path` with what was found in it drawn in, at its own frame times and with its sound.

    Args:
        path: the video file.
        pose: the landmarks of the person in it.
        analysis: its repetitions and their scores.
        target: the MP4 to write; what was there stays until the end.
        on_progress: called with the share (0..1) of the video that is drawn.
        heats: `Detector.heat_maps` of its repetitions, by which the worst moment of unusual ones is marked.
        slow: unusual repetitions last so many times as long, 1 or more. Where that is more than 1 and there is such a
            repetition, the sound is left out.

    Returns:
        The number of frames.

    Raises:
        VideoError: the video cannot be read.
        OSError: `target` cannot be written; nothing half-written is left.
    """
    if slow < 1.0:
        raise ValueError(f"Expected unusual repetitions 1 or more times as long, got {slow}.")
    rate = Fraction(analysis.video.fps).limit_denominator(1001)
    pictures = annotated(Path(path), Drawer(pose, analysis, heats), on_progress)
    spans = [
        (rep.start_s, rep.end_s)
        for rep, score in zip(analysis.reps, analysis.scores, strict=True)
        if verdict(score) == "unusual"
    ]
    if slow == 1.0 or not spans:
        return writing.write(target, pictures, rate, Path(path), is_quick=True)
    slowed = ((slowed_time(time_s, spans, slow), picture) for time_s, picture in pictures)
    return writing.write(target, slowed, rate, is_quick=True)


def slowed_time(time_s: float, spans: Sequence[tuple[float, float]], slow: float) -> float:
    """When a moment is shown where each of the spans (begin, end; seconds) lasts `slow` times as long."""
    return time_s + (slow - 1.0) * sum(min(max(time_s - begin, 0.0), end - begin) for begin, end in spans)


def annotated(
    path: Path, drawer: Drawer, on_progress: OnProgress | None = None, between: tuple[float, float] = (-np.inf, np.inf)
) -> Iterator[tuple[float, Canvas]]:
    """(time_s, picture) of every frame of the video within [first, last) seconds, drawn on; its longer side is at most
    MAX_SIDE_PX. on_progress: called with the share (0..1) of the video that is drawn."""
    for time_s, canvas in reading.canvases(path, MAX_SIDE_PX, between):
        drawer.draw(canvas, time_s)
        yield time_s, canvas
        if on_progress is not None:
            on_progress(min(1.0, time_s / drawer.analysis.video.duration_s))


class Drawer:
    """Draws what was found in a video into its pictures.

    Args:
        pose: the landmarks of the person in it.
        analysis: its repetitions and their scores.
        heats: `Detector.heat_maps` of its repetitions; without them no worst moment is marked.
        title: a first line for every picture, such as whose set it is.
    """

    def __init__(self, pose: Pose, analysis: Analysis, heats: Sequence[Floats] = (), title: str = "") -> None:
        self.pose, self.analysis, self.title = pose, analysis, title
        self.measures = tuple(
            found if score.reliable else None  # hidden joints are guesses
            for found, score in zip(measure(pose, analysis.reps), analysis.scores, strict=True)
        )
        self.worst_s = worst_moments(pose, analysis, heats)
        self._bars: dict[tuple[int, int], Overlay] = {}

    def draw(self, canvas: Canvas, time_s: float) -> None:
        """Draw into the picture that is shown at that moment."""
        number = _rep_at(self.analysis, time_s)
        name = verdict(self.analysis.scores[number]) if number is not None else ""
        scale = canvas.width / self.pose.width
        self._draw_path(canvas, time_s, scale)
        points = landmarks_at(self.pose, time_s)
        if points is not None:
            _draw_skeleton(canvas, points * scale, COLOURS[name])
        size = _letters_px(canvas)
        words = panel(self.words(number, time_s), COLOURS[name], size, canvas.width)
        canvas.lay(words, opacity=_PANEL_OPACITY)
        self._draw_bar(canvas, time_s)
        worst_s = self.worst_s[number] if number is not None else None
        if number is not None and worst_s is not None and abs(time_s - worst_s) <= _WORST_S:
            self._mark_worst(canvas, number, size)

    def words(self, number: int | None, time_s: float) -> tuple[str, ...]:
        """The lines of the panel; number: of the repetition at hand, from 0."""
        head = (self.title,) if self.title else ()
        total = len(self.analysis.reps)
        if number is None:
            if not total:
                nothing = f": {self.analysis.nothing}" if self.analysis.nothing else ""
                return (*head, f"No repetition found{nothing}")
            done = sum(rep.end_s <= time_s for rep in self.analysis.reps)
            return (*head, f"{done} of {total} repetitions")
        score, measures = self.analysis.scores[number], self.measures[number]
        sure = f", {score.decision_confidence:.0%} sure" if score.reliable else ""
        lines = [f"Repetition {number + 1} of {total}: {verdict(score)}{sure}"]
        if score.back_is_rounded:
            lines.append(ROUNDED_BACK)
        if reason := why(score):
            lines.append(f"look at: {reason}" if score.reliable else reason)
        if measures is not None:
            lines.append(tempo_in_words(measures))
            lines.append(f"start: {angles_in_words(measures.start)}")
            lines.append(f"lockout: {angles_in_words(measures.lockout)}")
        return (*head, *lines)

    def _draw_path(self, canvas: Canvas, time_s: float, scale: float) -> None:
        """The way of the hands of the repetition at hand, or of the one that just ended."""
        begun = [number for number, rep in enumerate(self.analysis.reps) if rep.start_s <= time_s]
        if not begun or time_s > self.analysis.reps[begun[-1]].end_s + _PATH_STAYS_S:
            return
        measures = self.measures[begun[-1]]
        if measures is None:
            return
        passed = int(np.searchsorted(measures.time, time_s, side="right"))
        turn = int(np.argmin(measures.path[:, 1])) + 1
        path = measures.path[:passed] * scale
        thick = max(2, round(max(canvas.width, canvas.height) / 300))
        for part, colour in ((path[:turn], _UP), (path[turn - 1 :], _DOWN)):
            if len(part) > 1:
                canvas.lines([part], colour, thick, is_smooth=False)

    def _draw_bar(self, canvas: Canvas, time_s: float) -> None:
        """The whole video along the lower edge: repetitions in their colours, worst moments, and where it is now."""
        thick = _bar_px(canvas)
        top = canvas.height - thick
        canvas.lay(self._bar(canvas.width, thick), top=top)
        now = self._column(time_s, canvas.width)
        canvas.rectangle(now - 1, top, now + 2, canvas.height, _WHITE)

    def _bar(self, width: int, height: int) -> Overlay:
        """The bar without the present moment, drawn once."""
        if (width, height) not in self._bars:
            bar = np.full((height, width, 3), GROUND, np.uint8)
            for rep, score in zip(self.analysis.reps, self.analysis.scores, strict=True):
                begin, end = self._column(rep.start_s, width), self._column(rep.end_s, width)
                bar[2:-2, begin : max(begin + 2, end - 1)] = COLOURS[verdict(score)]
            for worst_s in self.worst_s:
                if worst_s is not None:
                    place = self._column(worst_s, width)
                    bar[2:-2, max(0, place - 1) : place + 2] = 0
            self._bars[width, height] = Overlay(bar)
        return self._bars[width, height]

    def _column(self, seconds: float, width: int) -> int:
        return max(0, min(width - 1, round(seconds / self.analysis.video.duration_s * width)))

    def _mark_worst(self, canvas: Canvas, number: int, size: int) -> None:
        score, colour = self.analysis.scores[number], COLOURS["unusual"]
        width, height, thick = canvas.width, canvas.height, max(4, size // 4 // 2 * 2)
        for box in (
            (0, 0, width, thick),
            (0, height - thick, width, height),
            (0, 0, thick, height),
            (width - thick, 0, width, height),
        ):
            canvas.rectangle(*box, colour)
        words = panel(("Most unusual moment", why(score)), colour, size, width)
        canvas.lay(words, top=max(0, height - _bar_px(canvas) - words.height) // 2 * 2, opacity=_PANEL_OPACITY)


def worst_moments(pose: Pose, analysis: Analysis, heats: Sequence[Floats]) -> tuple[float | None, ...]:
    """For each repetition the time (seconds) at which its heat [45, L] is highest; None unless it is unusual."""
    if not heats:
        return (None,) * len(analysis.reps)
    result: list[float | None] = []
    for rep, score, heat in zip(analysis.reps, analysis.scores, heats, strict=True):
        times = encode(pose, rep).times if verdict(score) == "unusual" and heat.any() else ()
        # The columns of the image are steps of time, as many as those of the heat unless a model was made otherwise.
        place = int(heat.sum(axis=0).argmax()) / max(1, heat.shape[1] - 1)
        result.append(float(times[round(place * (len(times) - 1))]) if len(times) else None)
    return tuple(result)


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
    if pose.shot[before] != pose.shot[after] or pose.time[after] - pose.time[before] > _LONGEST_GAP_S:
        return None
    points: NDArray[np.float64] = (1 - share) * pose.image[before].astype(np.float64) + share * pose.image[after]
    visibility = np.minimum(pose.visibility[before], pose.visibility[after])
    points[visibility < LEAST_VISIBILITY] = np.nan
    return points if np.isfinite(points).any() else None


def _rep_at(analysis: Analysis, time_s: float) -> int | None:
    return next((number for number, rep in enumerate(analysis.reps) if rep.start_s <= time_s < rep.end_s), None)


def _draw_skeleton(canvas: Canvas, points: NDArray[np.float64], colour: Colour) -> None:
    thick = max(1, round(max(canvas.width, canvas.height) / 320))
    shown = np.isfinite(points).all(axis=1)
    bones = [points[[a, b]] for a, b in BONES if shown[a] and shown[b]]
    canvas.lines(bones, GROUND, thick + 2, is_smooth=False)  # a dark rim keeps it visible on any clothes
    canvas.lines(bones, colour, thick)
    canvas.dots(points[[joint for joint in JOINTS if shown[joint]]], _WHITE, thick + 1)


def _letters_px(canvas: Canvas) -> int:
    """Of upright pictures, where lines are broken early, smaller: the panel would hide much of the lifter."""
    if canvas.width >= canvas.height:
        return max(13, round(canvas.width / 46))
    return max(11, round(min(canvas.height / 46, canvas.width / 34)))


def _bar_px(canvas: Canvas) -> int:
    return int(max(8, round(canvas.height / 80) * 2))
