"""`deadlift render`: videos with skeleton, repetitions, scores and reasons drawn in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from backend.errors import BackendError
from backend.settings import Settings
from pipeline.errors import PipelineError


def render(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results, NAME-annotated.mp4 each.")] = Path(),
) -> None:
    """Write each video with what was found in it drawn in. Exit code 1 if any video failed."""
    from backend.worker import load_detector  # loads torch
    from pipeline import video
    from pipeline.analyze import analyze_video
    from pipeline.pose import MediaPipePose
    from pipeline.posecache import PoseCache
    from pipeline.render import render as write

    targets = [out / f"{path.stem}-annotated.mp4" for path in videos]
    if twice := next((target for target in targets if targets.count(target) > 1), None):
        raise BackendError(f"Two of the videos would be written to {twice}. Render them into different folders.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{out} cannot be made ({error.strerror}). Name another folder with --out.") from error
    settings = Settings()
    config = settings.pipeline_config()
    cache = PoseCache(settings.pose_dir)
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)
    detector = load_detector(settings.model_dir)
    failed = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
    with MediaPipePose(config.pose) as estimator, bars as progress:
        for path, target in zip(videos, targets, strict=True):
            shown = progress.add_task(f"{escape(path.name)}: looking", total=1.0)
            show = partial(_show, progress, shown)
            try:
                estimator.reset()
                analysis = analyze_video(path, detector, cache, config, estimator, show)
                pose = cache.get(video.digest(path), config.pose)
                if pose is None:  # the folder was cleaned meanwhile
                    raise BackendError(f"{path}: its landmarks are no longer in {cache.folder}. Try again.")
                progress.update(shown, description=f"{escape(path.name)}: drawing", completed=0.0)
                write(path, pose, analysis, target, show)
                count = len(analysis.reps)
                console.print(f"{target}: {count} repetition{'s' * (count != 1)}", markup=False)
            except (PipelineError, BackendError) as error:
                failed += 1
                errors.print(f"deadlift: {error}", markup=False)
            except OSError as error:
                raise BackendError(f"{target} cannot be written ({error.strerror or error}).") from error
            progress.remove_task(shown)
    if failed:
        raise typer.Exit(1)


def _show(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)
