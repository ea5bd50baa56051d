"""What the list of videos shows: of each task its file, what was found in it, how sure that is, and its state."""

from __future__ import annotations

from dataclasses import dataclass

from backend.context import Context
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.file_names import file_name
from backend.predictions.retries import PASSING, may_pass
from backend.storage import overview, summaries
from backend.storage.database import iso
from backend.storage.overview import Order, VideoFilter, VideoRow
from backend.web.dashboard import words
from backend.web.dashboard.arguments import PAGE_SIZE, Window
from backend.web.links import Links


@dataclass(frozen=True)
class VideoLine:
    """A task's video by one of its analyses.

    reps, anomalies, unreliable (could not be judged), confidence 0..1, duration_s, fps, codec: None before it is
    analyzed. unplayable: why browsers do not play what people are shown, "" where they do. why: reason of the state in
    words. can_retry: it failed for a reason that may be gone.
    """

    project: int
    project_title: str
    task: int
    url: str
    file: str
    address: str
    state: str
    why: str
    can_retry: bool
    model_version: str
    updated_at: str
    in_label_studio: bool
    reps: int | None
    anomalies: int | None
    unreliable: int | None
    confidence: float | None
    duration_s: float | None
    fps: float | None
    variable_rate: bool | None
    codec: str | None
    unplayable: str | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class VideosView:
    """A page of the list. retriable: how many of all that the filter lets pass failed for a passing reason."""

    total: int
    page: int
    pages: int
    retriable: int
    videos: tuple[VideoLine, ...]


def videos_view(context: Context, links: Links, wanted: VideoFilter, order: Order, page: int) -> VideosView:
    """One page of the videos that the filter lets pass."""
    engine, in_use = context.store.engine, context.versions_in_use()
    summaries.refresh(engine)
    window = Window(page, overview.count_videos(engine, in_use, wanted))
    rows = overview.videos(engine, in_use, wanted, order, PAGE_SIZE, window.offset)
    retriable = overview.count_videos(engine, in_use, overview.failed_with(wanted, PASSING))
    lines = tuple(line(row, links) for row in rows)
    return VideosView(window.total, window.number, window.pages, retriable, lines)


def line(row: VideoRow, links: Links) -> VideoLine:
    """A job as a line of a list."""
    return VideoLine(
        project=row.project,
        project_title=links.title(row.project),
        task=row.task,
        url=links.task(row.project, row.task),
        file=file_name(row.media),
        address=shown_address(row.media),
        state=row.state,
        why=words.of_video(row),
        can_retry=row.state == "failed" and may_pass(row.error_type),
        model_version=row.model_version,
        updated_at=iso(row.updated_at),
        in_label_studio=row.delivery == "pushed",
        reps=row.reps if row.confidence is not None else None,
        anomalies=row.anomalies if row.confidence is not None else None,
        unreliable=row.unreliable,
        confidence=row.confidence,
        duration_s=row.duration_s,
        fps=row.fps,
        variable_rate=row.variable_rate,
        codec=row.codec,
        unplayable=row.unplayable,
        width=row.width,
        height=row.height,
    )
