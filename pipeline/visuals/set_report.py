"""A set for a coach or lifter to read: a page that can be printed, and values that later sets are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.counts import counted
from pipeline.records import ROUNDED_BACK, Analysis, Pose, Rep, RepScore
from pipeline.visuals.measures import Angles, RepMeasures, measure, velocity_loss
from pipeline.visuals.words import numbers_in_words, verdict, why

FORMAT = 1
"""Of the stored values; raised when earlier releases could not read them."""
_COLOURS = {"normal": "#2a8d50", "unusual": "#c93a32", "not judged": "#9a7410"}
# Pixels of the drawings on the page.
_CELL_PX, _PATH_PX, _BAR_PX, _BARS_PX = 70, 150, 44, 95

_PER_ROW = 10


@dataclass(frozen=True)
class RepLine:
    """One repetition, numbered from 1; seconds of media time. What is not known is None: all measures are where it was
    not judged, as hidden joints are guesses.

    verdict: normal, unusual, or not judged; why: what to look at, or the cause; back: what is said of it in words, ""
    for nothing. way: leg lengths that the hands rise; speed: its mean, leg lengths per second. Angles in degrees, at
    the start and at lockout.
    """

    number: int
    start_s: float
    top_s: float
    end_s: float
    score: float
    verdict: str
    why: str = ""
    back: str = ""
    up_s: float | None = None
    pause_s: float | None = None
    down_s: float | None = None
    way: float | None = None
    speed: float | None = None
    start_hip: float | None = None
    start_knee: float | None = None
    start_back: float | None = None
    lockout_hip: float | None = None
    lockout_knee: float | None = None
    lockout_back: float | None = None


@dataclass(frozen=True)
class SetReport:
    """One set: of whom ("" if nobody said), the name of its video, its repetitions, and the model that judged them."""

    video: str
    reps: tuple[RepLine, ...]
    lifter: str = ""
    model_version: str = ""
    nothing: str = ""
    format: int = FORMAT

    @property
    def loss(self) -> float | None:
        """How much slower the last measured repetition was than the fastest, percent (`velocity_loss`)."""
        return velocity_loss([rep.speed for rep in self.reps if rep.speed is not None])

    def count(self, name: str) -> int:
        """How many repetitions have that verdict."""
        return sum(rep.verdict == name for rep in self.reps)

    def typical(self, field: str) -> float | None:
        """The median of a measure over the repetitions that have it."""
        known = [value for rep in self.reps if (value := getattr(rep, field)) is not None]
        return median(known) if known else None

    @property
    def best_speed(self) -> float | None:
        """Of the fastest repetition, leg lengths per second."""
        return max((rep.speed for rep in self.reps if rep.speed is not None), default=None)


def report_of(pose: Pose, analysis: Analysis, video: str, lifter: str = "") -> tuple[SetReport, str, str]:
    """The report of a set, and its drawings as SVG: the ways of the hands, and their speeds ("" without any)."""
    found = [
        one if score.reliable else None
        for one, score in zip(measure(pose, analysis.reps), analysis.scores, strict=True)
    ]
    lines = tuple(
        _line(number, *values)
        for number, values in enumerate(zip(analysis.reps, analysis.scores, found, strict=True), 1)
    )
    report = SetReport(video, lines, lifter, analysis.model_version, analysis.nothing)
    return report, paths_svg(lines, found), speeds_svg(lines)


def page(report: SetReport, paths: str, speeds: str, earlier: Sequence[SetReport] = ()) -> str:
    """The page as HTML that needs no other file and no script. paths, speeds: SVG as `report_of` gives them; every
    other text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("pipeline.visuals"), autoescape=True, undefined=StrictUndefined)
    environment.filters["number"] = _number
    template = environment.get_template("set_report.html")
    drawings = {"paths": Markup(paths), "speeds": Markup(speeds)}  # of numbers alone
    return template.render(report=report, summary=summary(report, earlier), sets=[*earlier, report], **drawings)


def summary(report: SetReport, earlier: Sequence[SetReport] = ()) -> list[str]:
    """What to tell about a set, in sentences."""
    total = len(report.reps)
    if not total:
        return [f"No repetition was found{': ' + report.nothing if report.nothing else ''}."]
    counts = [f"{count} {name}" for name in _COLOURS if (count := report.count(name))]
    said = [f"{counted(total, 'repetition')}: {', '.join(counts)}."]
    rounded = [rep.number for rep in report.reps if rep.back == ROUNDED_BACK]
    if rounded:
        said.append(f"{numbers_in_words(rounded)}: {ROUNDED_BACK}.")
    unusual = [rep for rep in report.reps if rep.verdict == "unusual"]
    for cause in dict.fromkeys(rep.why for rep in unusual):
        numbers = numbers_in_words([rep.number for rep in unusual if rep.why == cause])
        said.append(f"{numbers}: look at {cause}.")
    hidden = [rep for rep in report.reps if rep.verdict == "not judged"]
    for cause in dict.fromkeys(rep.why for rep in hidden):
        numbers = ", ".join(str(rep.number) for rep in hidden if rep.why == cause)
        said.append(f"Not judged: {numbers} ({cause}).")
    tempo = [report.typical(name) for name in ("up_s", "pause_s", "down_s")]
    if None not in tempo:
        up, pause, down = (_number(value, 1) for value in tempo)
        said.append(f"Typical tempo: up {up} s, pause {pause} s, down {down} s.")
    measured = [rep for rep in report.reps if rep.speed is not None]
    if report.loss is not None:
        fastest = max(measured, key=lambda rep: rep.speed or 0.0).number
        last = measured[-1].number
        if fastest == last:
            said.append(f"The last measured repetition, number {last}, was the fastest: no loss of speed.")
        else:
            said.append(
                f"Number {fastest} was the fastest; number {last}, the last measured, was {report.loss:.0f} % slower."
            )
    before = next((one for one in reversed(earlier) if one.loss is not None), None)
    if before is not None and report.loss is not None:
        which = "In the set before" if before is earlier[-1] else "In an earlier set"
        said.append(f"{which} ({before.video}) the last measured was {before.loss:.0f} % slower.")
    return said


def paths_svg(lines: Sequence[RepLine], found: Sequence[RepMeasures | None]) -> str:
    """The way of the hands in every measured repetition, beside each other at one scale: up solid, down
    dashed. A dotted line goes straight up from where the hands began."""
    ways = [(line, one) for line, one in zip(lines, found, strict=True) if one is not None]
    if not ways:
        return ""
    tallest = max(float(one.path[:, 1].max() - one.path[:, 1].min()) for _, one in ways)
    scale = (_PATH_PX - 40) / max(tallest, 1e-6)
    columns = min(len(ways), _PER_ROW)
    rows = math.ceil(len(ways) / columns)
    cells = []
    for place, (line, one) in enumerate(ways):
        left, top = place % columns * _CELL_PX + _CELL_PX / 2, place // columns * _PATH_PX + _PATH_PX - 28
        points = [
            (left + (x - one.path[0, 0]) * scale, top + (y - one.path[0, 1]) * scale) for x, y in one.path[::2].tolist()
        ]
        turn = min(range(len(points)), key=lambda index: points[index][1]) + 1
        colour = _COLOURS[line.verdict]
        cells.append(
            f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{top:.1f}" y2="{top - _PATH_PX + 40:.1f}" stroke="#999" '
            f'stroke-dasharray="1 3"/>{_polyline(points[:turn], colour, "")}'
            f"{_polyline(points[turn - 1 :], colour, '4 3')}"
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>'
            f'<text x="{left:.1f}" y="{top + 20:.1f}" text-anchor="middle">{line.number}</text>'
        )
    return _svg(columns * _CELL_PX, rows * _PATH_PX, "Way of the hands per repetition", "".join(cells))


def speeds_svg(lines: Sequence[RepLine]) -> str:
    """A bar for every repetition's speed; what was not measured has none."""
    best = max((line.speed for line in lines if line.speed is not None), default=0.0)
    if best <= 0:
        return ""
    cells = []
    for place, line in enumerate(lines):
        middle = place * _BAR_PX + _BAR_PX / 2
        cells.append(f'<text x="{middle}" y="{_BARS_PX + 34}" text-anchor="middle">{line.number}</text>')
        if line.speed is None:
            cells.append(f'<text x="{middle}" y="{_BARS_PX + 14}" text-anchor="middle">–</text>')
            continue
        height = line.speed / best * (_BARS_PX - 10)
        top = _BARS_PX + 18 - height
        cells.append(
            f'<rect x="{middle - 14}" y="{top:.1f}" width="28" height="{height:.1f}" fill="{_COLOURS[line.verdict]}"/>'
            f'<text x="{middle}" y="{top - 4:.1f}" text-anchor="middle">{line.speed:.2f}</text>'
        )
    return _svg(len(lines) * _BAR_PX, _BARS_PX + 42, "Mean upward speed of the hands per repetition", "".join(cells))


def _line(number: int, rep: Rep, score: RepScore, found: RepMeasures | None) -> RepLine:
    judged, back = verdict(score), ROUNDED_BACK if score.back_is_rounded else ""
    if found is None:
        return RepLine(number, rep.start_s, rep.top_s, rep.end_s, score.score, judged, why(score), back)
    return RepLine(
        number,
        rep.start_s,
        rep.top_s,
        rep.end_s,
        score.score,
        judged,
        why(score),
        back,
        found.up_s,
        found.pause_s,
        found.down_s,
        found.way,
        found.speed,
        *_known(found.start),
        *_known(found.lockout),
    )


def _known(angles: Angles) -> tuple[float | None, ...]:
    return tuple(value if math.isfinite(value) else None for value in (angles.hip, angles.knee, angles.back))


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _polyline(points: Sequence[tuple[float, float]], colour: str, dashes: str) -> str:
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{through}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def _svg(width: float, height: float, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{title}" font-size="12">{body}</svg>'
    )
