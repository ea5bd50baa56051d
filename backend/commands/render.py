"""`deadlift render`: videos with skeleton, bar path, repetitions, measures, scores and reasons drawn in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from backend.commands.chosen_model import OfFolder, OfProject, chosen_detector
from backend.commands.progress import video_bar
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.records import Analysis, Floats, OnProgress, Pose

_MOST_SLOW = 10.0


def render(
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, NAME-annotated.mp4 each.")] = Path(),
    slow: Annotated[
        float,
        typer.Option(
            min=1.0, max=_MOST_SLOW, help="Show unusual repetitions so many times slower, 2 for half speed; no sound."
        ),
    ] = 1.0,
    side_by_side: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="Instead: A-beside-B.mp4, repetitions of two videos beside each other, aligned by their phases.",
            metavar="A B",
            show_default=False,
        ),
    ] = None,
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Write each video with what was found in it drawn in. Exit code 1 if any video failed."""
    from pipeline.pose.estimator import open_estimator
    from pipeline.visuals.annotated_video import render as write

    if bool(videos) == (side_by_side is not None):
        raise BackendError("Expected video files or --side-by-side A B, got both or neither.")
    if side_by_side is not None and slow != 1.0:
        raise BackendError(
            "Expected --slow or --side-by-side, got both: sets beside each other keep the left one's time."
        )
    paths = list(side_by_side or videos or ())
    targets = [out / f"{path.stem}-annotated.mp4" for path in paths]
    if side_by_side is None and (twice := next((one for one in targets if targets.count(one) > 1), None)):
        raise BackendError(f"Two of the videos would be written to {twice}. Render them into different folders.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{out} cannot be made ({error.strerror}). Name another folder with --out.") from error
    settings = Settings()
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)
    found = _Found(settings, project, model)
    failed = 0
    with open_estimator(found.config.pose, networks_dir()) as found.estimator, video_bar(errors, paths) as begin:
        if side_by_side is not None:
            target = out / f"{paths[0].stem}-beside-{paths[1].stem}.mp4"
            sets = [found.of(path, begin(number, "estimating landmarks")) for number, path in enumerate(paths)]
            console.print(_beside(paths, sets, target, begin(0, "drawing")), markup=False)
            return
        for number, (path, target) in enumerate(zip(paths, targets, strict=True)):
            try:
                pose, analysis, heats = found.of(path, begin(number, "estimating landmarks"))
                write(path, pose, analysis, target, begin(number, "drawing"), heats, slow)
                count = len(analysis.reps)
                console.print(f"{target}: {count} repetition{'s' * (count != 1)}", markup=False)
            except PipelineError as error:
                failed += 1
                errors.print(f"deadlift: {error}", markup=False)
            except OSError as error:
                raise BackendError(f"{target} cannot be written ({error.strerror or error}).") from error
    if failed:
        raise typer.Exit(1)


class _Found:
    """What the chosen model finds in one video after the other."""

    def __init__(self, settings: Settings, project: int | None, model: Path | None) -> None:
        from pipeline.pose.cache import PoseCache
        from pipeline.pose.estimator import PoseEstimator

        self.config = settings.pipeline_config()
        self.detector = chosen_detector(settings, project, model)
        self.cache = PoseCache(settings.pose_dir)
        self.estimator: PoseEstimator | None = None

    def of(self, path: Path, on_progress: OnProgress) -> tuple[Pose, Analysis, Sequence[Floats]]:
        """Landmarks, repetitions with scores, and what of them is unusual where. Raises PipelineError."""
        from pipeline.analyze import analyze_pose, landmarks_of

        if self.estimator is not None:
            self.estimator.reset()
        info, digest, pose = landmarks_of(path, self.cache, self.config.pose, self.estimator, on_progress)
        analysis = analyze_pose(pose, info, self.detector, self.config, digest)
        any_unusual = any(score.is_anomaly for score in analysis.scores)
        return pose, analysis, self.detector.heat_maps(pose, analysis.reps) if any_unusual else ()


def _beside(
    paths: list[Path], sets: list[tuple[Pose, Analysis, Sequence[Floats]]], target: Path, on_progress: OnProgress
) -> str:
    """Write both beside each other; what to say about it."""
    from pipeline.visuals.annotated_video import Drawer
    from pipeline.visuals.side_by_side import render_beside

    for path, (_, analysis, _) in zip(paths, sets, strict=True):
        if not analysis.reps:
            raise BackendError(f"{path}: no repetition was found, so there is nothing to show beside the other.")
    left, right = (Drawer(*found, title=path.name) for path, found in zip(paths, sets, strict=True))
    try:
        count = render_beside(paths[0], paths[1], (left, right), target, on_progress)
    except OSError as error:
        raise BackendError(f"{target} cannot be written ({error.strerror or error}).") from error
    rest = max(len(analysis.reps) for _, analysis, _ in sets) - count
    left_out = f"; {rest} more of one of them left out" if rest else ""
    return f"{target}: {count} repetition{'s' * (count != 1)}{left_out}"
