"""`deadlift predict`: repetitions and scores of video files, without any Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backend.commands.progress import video_bar
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.errors import PipelineError
from pipeline.records import Analysis


def predict(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    json_file: Annotated[
        str, typer.Option("--json", metavar="FILE|-", help="Write JSON there instead of a table; - is standard output.")
    ] = "",
) -> None:
    """Find the repetitions of each video and score them. Exit code 1 if any video failed."""
    from backend.models.detectors import cached_detector
    from pipeline.analyze import analyze_video
    from pipeline.pose.cache import PoseCache
    from pipeline.pose.estimator import open_estimator

    if json_file not in ("", "-"):  # before minutes of work
        if Path(json_file).is_dir():
            raise BackendError(f"{json_file} is a folder. Name a file to write to.")
        if not Path(json_file).absolute().parent.is_dir():
            raise BackendError(f"{json_file}: there is no such folder to write into.")
    settings = Settings()
    config = settings.pipeline_config()
    cache = PoseCache(settings.pose_dir)
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    detector = cached_detector(settings.model_dir)
    analyses: list[Analysis] = []
    with open_estimator(config.pose, networks_dir()) as estimator, video_bar(errors, videos) as begin:
        for number, path in enumerate(videos):
            try:
                estimator.reset()
                on_progress = begin(number, "estimating landmarks")
                analyses.append(analyze_video(path, detector, cache, config, estimator, on_progress))
                if not json_file:
                    Console().print(rep_table(analyses[-1]))
                    if note := analyses[-1].video.late_start:
                        Console().print(note)
            except PipelineError as error:
                errors.print(f"deadlift: {error}", markup=False)
    if json_file:
        _write_json(json_file, analyses)
    if len(analyses) < len(videos):
        raise typer.Exit(1)


def as_json(analysis: Analysis) -> dict[str, Any]:
    """One video of the JSON that `deadlift predict` writes. Times are seconds, scores 0..1."""
    return {
        "video": analysis.video.path,
        "start_s": round(analysis.video.start_s, 3),
        "duration_s": round(analysis.video.duration_s, 3),
        "fps": round(analysis.video.fps, 5),
        "width": analysis.video.width,
        "height": analysis.video.height,
        "model_version": analysis.model_version,
        "confidence": round(analysis.confidence, 4),
        "reps": [
            {
                "start_s": round(rep.start_s, 3),
                "top_s": round(rep.top_s, 3),
                "end_s": round(rep.end_s, 3),
                "score": round(score.score, 4),
                "is_anomaly": score.is_anomaly,
                "label": score.label,
                "reliable": score.reliable,
                "reasons": [str(reason) for reason in score.reasons] if score.is_anomaly else [],
            }
            for rep, score in zip(analysis.reps, analysis.scores, strict=True)
        ],
    }


def rep_table(analysis: Analysis) -> Table | str:
    """The repetitions of a video for a terminal."""
    title = f"{escape(Path(analysis.video.path).name)}: {len(analysis.reps)} reps, confidence {analysis.confidence:.2f}"
    if not analysis.reps:
        return title
    table = Table(title=title, title_justify="left")
    for heading in ("rep", "start s", "top s", "end s", "score"):
        table.add_column(heading, justify="right")
    table.add_column("label")
    table.add_column("why")
    for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1):
        why = ", ".join(str(reason) for reason in score.reasons) if score.is_anomaly else ""
        label = f"[red]{score.label}[/red]" if score.is_anomaly else f"[green]{score.label}[/green]"
        times = (f"{rep.start_s:.2f}", f"{rep.top_s:.2f}", f"{rep.end_s:.2f}")
        table.add_row(str(number), *times, f"{score.score:.2f}", label + ("" if score.reliable else " (check)"), why)
    return table


def _write_json(target: str, analyses: list[Analysis]) -> None:
    text = json.dumps([as_json(analysis) for analysis in analyses], indent=2)
    if target == "-":
        typer.echo(text)
    else:
        try:
            Path(target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise BackendError(f"{target} cannot be written ({error.strerror}).") from error
