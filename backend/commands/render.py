"""`deadlift render`: videos with skeleton, bar path, repetitions, measures, scores and reasons drawn in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands.chosen_model import OfFolder, OfProject
from backend.commands.sets import Sets, targets_in, writing
from backend.errors import BackendError
from pipeline.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.records import Analysis, Floats, Pose

_MOST_SLOW = 10.0


def render(
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", show_default=False)] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results, NAME-annotated.mp4 each; or the file of a single one, .mp4.")
    ] = Path(),
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
    if side_by_side is not None and str(side_by_side[1]).startswith("--"):
        raise BackendError(f"Expected two videos behind --side-by-side, got {side_by_side[0]} and {side_by_side[1]}.")
    if bool(videos) == (side_by_side is not None):
        raise BackendError("Expected video files or --side-by-side A B, got both or neither.")
    if side_by_side is None:
        _write_each(videos or [], out, slow, project, model)
        return
    if slow != 1.0:
        raise BackendError(
            "Expected --slow or --side-by-side, got both: sets beside each other keep the left one's time."
        )
    one, other = side_by_side
    (target,) = targets_in(out, [f"{one.stem}-beside-{other.stem}.mp4"], side_by_side)
    with Sets(side_by_side, project, model) as sets:
        sets.console.print(_beside(sets, target), markup=False)


def _write_each(videos: Sequence[Path], out: Path, slow: float, project: int | None, model: Path | None) -> None:
    from pipeline.visuals import annotated_video

    targets = targets_in(out, [f"{path.stem}-annotated.mp4" for path in videos], videos)

    def write(number: int, target: Path) -> Analysis:
        pose, analysis, heats = _found(sets, number)
        with writing(target):
            annotated_video.render(videos[number], pose, analysis, target, sets.step(number, "drawing"), heats, slow)
        return analysis

    with Sets(videos, project, model) as sets:
        sets.write_each(targets, write)


def _found(sets: Sets, number: int) -> tuple[Pose, Analysis, Sequence[Floats]]:
    """Landmarks, repetitions with scores, and what of them is unusual where. Raises PipelineError."""
    pose, analysis = sets.found_in(number)
    any_unusual = any(score.is_anomaly for score in analysis.scores)
    return pose, analysis, sets.detector.heat_maps(pose, analysis.reps) if any_unusual else ()


def _beside(sets: Sets, target: Path) -> str:
    """Write both beside each other; what to say about it."""
    from pipeline.visuals.annotated_video import Drawer
    from pipeline.visuals.side_by_side import render_beside

    one, other = sets.paths
    found = [_found(sets, 0), _found(sets, 1)]
    for path, (_, analysis, _) in zip(sets.paths, found, strict=True):
        if not analysis.reps:
            raise BackendError(f"{path}: no repetition was found, so there is nothing to show beside the other.")
    left, right = (Drawer(*each, title=path.name) for path, each in zip(sets.paths, found, strict=True))
    with writing(target):
        count = render_beside(one, other, (left, right), target, sets.step(0, "drawing"))
    rest = max(len(analysis.reps) for _, analysis, _ in found) - count
    left_out = f"; {rest} more of one of them left out" if rest else ""
    return f"{target}: {counted(count, 'repetition')}{left_out}"
