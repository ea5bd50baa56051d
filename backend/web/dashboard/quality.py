"""What the page of quality shows: how scores and confidences are spread, unusual repetitions, and doubtful files."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from backend.context import Context
from backend.labelstudio.file_names import file_name
from backend.storage import overview, summaries
from backend.web.dashboard.arguments import PAGE_SIZE
from backend.web.dashboard.charts import Bar, histogram
from backend.web.links import Links
from pipeline.records import DECISION

_FAR = 5.0
"""Lengths that lie so many median deviations from what is usual are unusual."""
_LEAST_OF_VIDEO = 3
"""From so many repetitions on, what is usual is the median of their video: some people lift slowly."""
_LEAST_DEVIATION_S = 0.2


@dataclass(frozen=True)
class Outlier:
    """A repetition of unusual length. score: None where it could not be judged."""

    project: int
    task: int
    url: str
    file: str
    number: int
    start_s: float
    duration_s: float
    score: float | None


@dataclass(frozen=True)
class TaskLink:
    """A task and its file."""

    project: int
    task: int
    url: str
    file: str


@dataclass(frozen=True)
class QualityView:
    """scores: of the repetitions that could be judged; confidences: of videos. issues: videos with each. unjudged:
    repetitions that could not be judged. typical_s: median length of a repetition, None without any. outlier_total: all
    there are. duplicates: tasks with one file."""

    project: int | None
    threshold: float
    repetitions: int
    anomalous: int
    scores: tuple[Bar, ...]
    videos: int
    confidences: tuple[Bar, ...]
    issues: dict[str, int]
    unjudged: int
    typical_s: float | None
    outlier_total: int
    outliers: tuple[Outlier, ...]
    duplicates: tuple[tuple[TaskLink, ...], ...]


def quality_view(context: Context, links: Links, project: int | None) -> QualityView:
    """The quality of a project's predictions and files, or of all projects'."""
    engine, in_use = context.store.engine, context.versions_in_use()
    summaries.refresh(engine)
    reps = overview.repetitions(engine, in_use, project)
    scores = [rep.score for rep in reps if rep.reliable]
    confidences = overview.confidences(engine, in_use, project)
    typical, unusual = _outliers(reps)
    shown = unusual[:PAGE_SIZE]
    addresses = overview.media_of_jobs(engine, {rep.job for rep in shown})
    return QualityView(
        project=project,
        threshold=DECISION,
        repetitions=len(scores),
        anomalous=sum(score >= DECISION for score in scores),
        scores=histogram(scores),
        videos=len(confidences),
        confidences=histogram(confidences),
        issues={str(name): count for name, count in overview.issue_counts(engine, in_use, project).items()},
        unjudged=len(reps) - len(scores),
        typical_s=typical,
        outlier_total=len(unusual),
        outliers=tuple(_outlier(rep, addresses.get(rep.job, ""), links) for rep in shown),
        duplicates=tuple(
            tuple(TaskLink(its, task, links.task(its, task), file_name(media)) for its, task, media in tasks)
            for _, tasks in overview.duplicates(engine, in_use, project, PAGE_SIZE)
        ),
    )


def _outliers(reps: list[overview.RepRow]) -> tuple[float | None, list[overview.RepRow]]:
    """The median length, and the repetitions far from the usual one of their video, the farthest first."""
    if not reps:
        return None, []
    of_video: dict[int, list[float]] = {}
    for rep in reps:
        of_video.setdefault(rep.job, []).append(rep.end_s - rep.start_s)
    typical = median(length for lengths in of_video.values() for length in lengths)
    usual = {job: median(lengths) if len(lengths) >= _LEAST_OF_VIDEO else typical for job, lengths in of_video.items()}
    apart = [abs(rep.end_s - rep.start_s - usual[rep.job]) for rep in reps]
    limit = _FAR * max(_LEAST_DEVIATION_S, median(apart))
    far = sorted(zip(apart, range(len(reps)), strict=True), key=lambda pair: -pair[0])
    return typical, [reps[index] for distance, index in far if distance > limit]


def _outlier(rep: overview.RepRow, media: str, links: Links) -> Outlier:
    url, file = links.task(rep.project, rep.task), file_name(media)
    score = rep.score if rep.reliable else None
    return Outlier(rep.project, rep.task, url, file, rep.number, rep.start_s, rep.end_s - rep.start_s, score)
