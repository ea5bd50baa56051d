"""`deadlift predict`: repetitions and scores of video files, without any Label Studio."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backend.commands.chosen_model import OfFolder, OfProject, chosen_detector
from backend.commands.progress import video_bar
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.counts import counted
from pipeline.errors import PipelineError
from pipeline.records import Analysis, shown_score

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_COLUMNS = (
    *("video", "rep", "start_s", "top_s", "end_s", "score", "label", "reliable", "hindrance", "reasons"),
    *("back_bow", "back_is_rounded", "flagged_by"),
)


def predict(
    videos: Annotated[list[str], typer.Argument(help="Video files, or http(s) addresses.", show_default=False)],
    json_file: Annotated[
        str, typer.Option("--json", metavar="FILE|-", help="Write JSON there instead of a table; - is standard output.")
    ] = "",
    csv_file: Annotated[
        str, typer.Option("--csv", metavar="FILE|-", help="The same with a line per repetition, for spreadsheets.")
    ] = "",
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Find the repetitions of each video and score them. Exit code 1 if any video failed."""
    from pipeline.analyze import analyze_video
    from pipeline.pose.cache import PoseCache
    from pipeline.pose.estimator import open_estimator

    if json_file == csv_file == "-":
        raise BackendError("Expected --json or --csv on standard output, got both.")
    for file in {json_file, csv_file} - {"", "-"}:  # before minutes of work
        _check_target(file)
    settings = Settings()
    config = settings.pipeline_config()
    cache = PoseCache(settings.pose_dir)
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    detector = chosen_detector(settings, project, model)
    analyses: list[Analysis] = []
    with open_estimator(config.pose, networks_dir()) as estimator, video_bar(errors, list(map(Path, videos))) as begin:
        for number, video in enumerate(videos):
            try:
                with at_hand(settings, video) as (path, shown):
                    estimator.reset()
                    on_progress = begin(number, "estimating landmarks")
                    analysis = analyze_video(path, detector, cache, config, estimator, on_progress)
            except (PipelineError, BackendError) as error:
                errors.print(f"deadlift: {error}", markup=False)
                continue
            analyses.append(replace(analysis, video=replace(analysis.video, path=shown)))
            if not (json_file or csv_file):
                Console().print(rep_table(analyses[-1]))
                for note in filter(None, (analysis.warning, analysis.video.late_start)):
                    Console().print(f"[yellow]{escape(note)}[/yellow]")
    if json_file:
        _write(json_file, json.dumps([as_json(analysis) for analysis in analyses], indent=2))
    if csv_file:
        _write(csv_file, as_csv(analyses))
    if len(analyses) < len(videos):
        raise typer.Exit(1)


@contextmanager
def at_hand(settings: Settings, video: str) -> Iterator[tuple[Path, str]]:
    """The file of a video and what it is called; that of an http(s) address is fetched, and removed at the end.

    Raises MediaError where it cannot be fetched; a PipelineError of its file is about its address.
    """
    if not _ADDRESS.match(video):
        yield Path(video), video
        return
    from backend.context import access_of
    from backend.labelstudio.addresses import shown_address
    from backend.labelstudio.client import LabelStudioClient
    from backend.labelstudio.media import MediaFetcher
    from backend.storage.scratch import scratch

    access, shown = access_of(settings), shown_address(video)
    with scratch() as folder:
        path = MediaFetcher(access, LabelStudioClient(access)).fetch(video, 0, folder)
        try:
            yield path, shown
        except PipelineError as error:
            raise type(error)(str(error).replace(str(path), shown)) from error


def as_json(analysis: Analysis) -> dict[str, Any]:
    """One video of the JSON that `deadlift predict` writes. Times are seconds, scores 0..1, bows trunk lengths."""
    return {
        "video": analysis.video.path,
        "start_s": round(analysis.video.start_s, 3),
        "duration_s": round(analysis.video.duration_s, 3),
        "fps": round(analysis.video.fps, 5),
        "width": analysis.video.width,
        "height": analysis.video.height,
        "model_version": analysis.model_version,
        "confidence": round(analysis.confidence, 4),
        "nothing": analysis.nothing,
        "warning": analysis.warning,
        "reps": [
            {
                "start_s": round(rep.start_s, 3),
                "top_s": round(rep.top_s, 3),
                "end_s": round(rep.end_s, 3),
                "score": round(score.score, 4),
                "is_anomaly": score.is_anomaly,
                "label": score.label,
                "reliable": score.reliable,
                "hindrance": score.hindrance,
                "back_bow": None if score.back_bow is None else round(score.back_bow, 3),
                "back_is_rounded": score.back_is_rounded,
                "flagged_by": list(score.flagged_by) if score.is_anomaly else [],
                "reasons": [str(reason) for reason in score.reasons] if score.is_anomaly else [],
            }
            for rep, score in zip(analysis.reps, analysis.scores, strict=True)
        ],
    }


def as_csv(analyses: Sequence[Analysis]) -> str:
    """The CSV that `deadlift predict` writes: a line per repetition, numbered from 1; a video without any has none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for analysis in analyses:
        for number, rep in enumerate(as_json(analysis)["reps"], start=1):
            writer.writerow([analysis.video.path, number, *(_cell(rep[name]) for name in _COLUMNS[2:])])
    return text.getvalue().rstrip("\n")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return "; ".join(value) if isinstance(value, list) else value


def rep_table(analysis: Analysis) -> Table | str:
    """The repetitions of a video for a terminal."""
    title = f"{escape(Path(analysis.video.path).name)}: {counted(len(analysis.reps), 'rep')}"
    if not analysis.reps:
        why = f" ({analysis.nothing})" if analysis.nothing else ""
        return f"{title}{why}, confidence {analysis.confidence:.2f}"
    title += f", cut with confidence {analysis.confidence:.2f}"
    table = Table(title=title, title_justify="left")
    for heading in ("rep", "start s", "top s", "end s", "score"):
        table.add_column(heading, justify="right")
    table.add_column("label")
    table.add_column("why")
    for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1):
        label = f"[red]{score.label}[/red]" if score.is_anomaly else f"[green]{score.label}[/green]"
        times = (f"{rep.start_s:.2f}", f"{rep.top_s:.2f}", f"{rep.end_s:.2f}")
        table.add_row(
            str(number),
            *times,
            shown_score(score.score) if score.reliable else "",
            label if score.reliable else "[yellow]not judged[/yellow]",
            ", ".join(score.findings),
        )
    return table


def _check_target(file: str) -> None:
    if Path(file).is_dir():
        raise BackendError(f"{file} is a folder. Name a file to write to.")
    if not Path(file).absolute().parent.is_dir():
        raise BackendError(f"{file}: there is no such folder to write into.")


def _write(target: str, text: str) -> None:
    if target == "-":
        typer.echo(text)
    else:
        try:
            Path(target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise BackendError(f"{target} cannot be written ({error.strerror}).") from error
        typer.echo(f"Written: {target}", err=True)
