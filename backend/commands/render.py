"""`deadlift render`: videos with skeleton, repetitions, scores and reasons drawn in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from backend.commands.chosen_model import OfFolder, OfProject, chosen_detector
from backend.commands.progress import video_bar
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.errors import PipelineError


def render(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results, NAME-annotated.mp4 each.")] = Path(),
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Write each video with what was found in it drawn in. Exit code 1 if any video failed."""
    from pipeline.analyze import analyze_pose, landmarks_of
    from pipeline.pose.cache import PoseCache
    from pipeline.pose.estimator import open_estimator
    from pipeline.visuals.annotated_video import render as write

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
    detector = chosen_detector(settings, project, model)
    failed = 0
    with open_estimator(config.pose, networks_dir()) as estimator, video_bar(errors, videos) as begin:
        for number, (path, target) in enumerate(zip(videos, targets, strict=True)):
            try:
                estimator.reset()
                on_progress = begin(number, "estimating landmarks")
                info, digest, pose = landmarks_of(path, cache, config.pose, estimator, on_progress)
                analysis = analyze_pose(pose, info, detector, config, digest)
                write(path, pose, analysis, target, begin(number, "drawing"))
                count = len(analysis.reps)
                console.print(f"{target}: {count} repetition{'s' * (count != 1)}", markup=False)
            except PipelineError as error:
                failed += 1
                errors.print(f"deadlift: {error}", markup=False)
            except OSError as error:
                raise BackendError(f"{target} cannot be written ({error.strerror or error}).") from error
    if failed:
        raise typer.Exit(1)
