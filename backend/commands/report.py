"""`deadlift report`: a printable page about each set, for a coach or the lifter."""

from __future__ import annotations

import json
from dataclasses import asdict
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
    from pipeline.visuals.set_report import SetReport


def report(
    videos: Annotated[
        list[Path], typer.Argument(help="Video files, each a set, in the order of the sets.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for NAME-report.html and NAME-report.json of each.")] = Path(),
    lifter: Annotated[str, typer.Option(help="Whose sets these are; it heads the pages.", show_default=False)] = "",
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="NAME-report.json of an earlier set to compare with; may be repeated.", show_default=False),
    ] = None,
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Write a printable page about each set, beside those before it. Exit code 1 if any video failed."""
    from pipeline.analyze import analyze_pose, landmarks_of
    from pipeline.files import written_aside
    from pipeline.pose.cache import PoseCache
    from pipeline.pose.estimator import open_estimator
    from pipeline.visuals.set_report import page, report_of

    targets = [out / f"{path.stem}-report.html" for path in videos]
    if twice := next((one for one in targets if targets.count(one) > 1), None):
        raise BackendError(f"Two of the videos would be written to {twice}. Report on them into different folders.")
    sets = [_read(file, lifter) for file in earlier or ()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{out} cannot be made ({error.strerror}). Name another folder with --out.") from error
    settings = Settings()
    config, cache = settings.pipeline_config(), PoseCache(settings.pose_dir)
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)
    detector = chosen_detector(settings, project, model)
    failed = 0
    with open_estimator(config.pose, networks_dir()) as estimator, video_bar(errors, videos) as begin:
        for number, (path, target) in enumerate(zip(videos, targets, strict=True)):
            try:
                estimator.reset()
                on_progress = begin(number, "estimating landmarks")
                info, digest, pose = landmarks_of(path, cache, config.pose, estimator, on_progress)
                found, paths, speeds = report_of(
                    pose, analyze_pose(pose, info, detector, config, digest), path.name, lifter
                )
                html = page(found, paths, speeds, sets)
            except PipelineError as error:
                failed += 1
                errors.print(f"deadlift: {error}", markup=False)
                continue
            texts = {target: html, target.with_suffix(".json"): _as_json(found)}
            for file, text in texts.items():
                try:
                    with written_aside(file) as aside:
                        aside.write_text(text, encoding="utf-8")
                except OSError as error:
                    raise BackendError(f"{file} cannot be written ({error.strerror or error}).") from error
            sets.append(found)
            count = len(found.reps)
            console.print(f"{target}: {count} repetition{'s' * (count != 1)}", markup=False)
    if failed:
        raise typer.Exit(1)


def _as_json(found: SetReport) -> str:
    return json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n"


def _read(file: Path, lifter: str) -> SetReport:
    """The set that an earlier call wrote. Raises BackendError where it is none, or of somebody else."""
    from pydantic import TypeAdapter, ValidationError

    from pipeline.visuals.set_report import FORMAT, SetReport

    remedy = "Name the NAME-report.json that `deadlift report` wrote beside an earlier page."
    try:
        found = TypeAdapter(SetReport).validate_json(file.read_bytes())
    except OSError as error:
        raise BackendError(f"{file} cannot be read ({error.strerror}). {remedy}") from error
    except ValidationError as error:
        raise BackendError(f"{file} is no report of a set. {remedy}") from error
    if found.format > FORMAT:
        raise BackendError(f"{file} is of a later release (format {found.format}). Update this one, or leave it out.")
    if lifter and found.lifter and found.lifter != lifter:
        raise BackendError(f"{file} is of {found.lifter}, not of {lifter}. Leave it out, or correct --lifter.")
    return found
