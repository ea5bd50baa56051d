"""What the list of videos shows: of each task its file, what was found in it, how sure that is, and its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.context import Context
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.file_names import file_name
from backend.predictions.retries import PASSING, may_pass
from backend.storage import overview, summaries
from backend.storage.database import iso
from backend.storage.failed_files import FailedFile, failed_files
from backend.storage.ledger import is_address, is_task
from backend.storage.overview import Order, VideoRow
from backend.storage.video_filter import VideoFilter, failed_with
from backend.web.dashboard import words
from backend.web.dashboard.arguments import PAGE_SIZE, Window
from backend.web.links import Links

_MOST_FILES = 20


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
class FileLine:
    """A file that failed in an archive run, without a result in the list. task: None, and url "", for none."""

    project: int
    project_title: str
    task: int | None
    url: str
    file: str
    address: str
    why: str
    attempts: int
    updated_at: str


@dataclass(frozen=True)
class VideosView:
    """A page of the list. retriable: how many of all that the filter lets pass failed for a passing reason.

    failed_files: the newest of failed_file_count that are not in the list, the same on every page of it.
    """

    total: int
    page: int
    pages: int
    retriable: int
    videos: tuple[VideoLine, ...]
    failed_file_count: int
    failed_files: tuple[FileLine, ...]


def videos_view(context: Context, links: Links, wanted: VideoFilter, order: Order, page: int) -> VideosView:
    """One page of the videos that the filter lets pass."""
    engine, in_use = context.store.engine, context.versions_in_use()
    summaries.refresh(engine)
    window = Window(page, overview.count_videos(engine, in_use, wanted))
    rows = overview.videos(engine, in_use, wanted, order, PAGE_SIZE, window.offset)
    retriable = overview.count_videos(engine, in_use, failed_with(wanted, PASSING))
    lines = tuple(line(row, links) for row in rows)
    count, failed = _failed_files(context, wanted)
    files = tuple(_file_line(one, links) for one in failed)
    return VideosView(window.total, window.number, window.pages, retriable, lines, count, files)


def _failed_files(context: Context, wanted: VideoFilter) -> tuple[int, Sequence[FailedFile]]:
    """Those that the filter lets pass: nothing is known of them that most filters ask for."""
    rest = replace(wanted, project=None, text="", state=None)
    if rest != VideoFilter() or wanted.state not in (None, "failed"):
        return 0, ()
    return failed_files(context.store.engine, wanted.project, wanted.text, _MOST_FILES)


def _file_line(failed: FailedFile, links: Links) -> FileLine:
    address = shown_address(failed.media)
    return FileLine(
        project=failed.project,
        project_title=links.title(failed.project),
        task=failed.task,
        url=links.task(failed.project, failed.task) if failed.task is not None else "",
        file=file_name(failed.media) if is_task(failed.source) or is_address(failed.source) else Path(address).name,
        address=address,
        why=failed.error_message.removeprefix(f"{address}: "),
        attempts=failed.attempts,
        updated_at=iso(failed.updated_at),
    )


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
